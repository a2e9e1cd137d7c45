"""What a seed stands for: which faults come when, and which recordings are asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Any

METHODS = ("acquire", "start", "query", "update", "updateLayout", "stop")
LEASE_SECONDS = 5.0  # connect + read + two to spare, as the deployment's waits make it


class Kind(StrEnum):
    """What may befall a part of the deployment."""

    WORKER_KILLED = "worker killed"
    WORKERS_KILLED = "all workers killed"
    WORKER_FROZEN = "worker frozen beyond its lease"
    WORKER_ENDED = "worker asked to end"
    BEAT_KILLED = "beat killed"
    BEATS_KILLED = "all beats killed"
    BEAT_FROZEN = "beat frozen"
    BROKER_KILLED = "broker killed"
    BROKER_FROZEN = "broker frozen"
    BROKER_FLUSHED = "broker flushed"
    DATABASE_KILLED = "database killed"
    DATABASE_STOPPED = "database stopped at once"
    NET_REFUSES = "network: dropped before it was carried"
    NET_LOSES = "network: dropped after it was carried"
    NET_DELAYS = "network: answers delayed"
    NET_REPEATS = "network: requests sent twice"
    NET_SILENT = "network: silent"

    @property
    def parts(self) -> frozenset[str]:
        """What it strikes; a part that is struck already is left alone."""
        return _PARTS[self]


# For each kind: the parts, and the shortest and longest time until it is made good.
_KINDS: dict[Kind, tuple[set[str], float, float]] = {
    Kind.WORKER_KILLED: ({"worker"}, 0.5, 2.5),
    Kind.WORKERS_KILLED: ({"worker"}, 0.5, 2.0),
    Kind.WORKER_FROZEN: ({"worker"}, LEASE_SECONDS + 1.5, LEASE_SECONDS + 3),
    Kind.WORKER_ENDED: ({"worker"}, 0.0, 0.0),
    Kind.BEAT_KILLED: ({"beat"}, 1.0, 3.0),
    Kind.BEATS_KILLED: ({"beat"}, 1.5, 3.0),
    Kind.BEAT_FROZEN: ({"beat"}, 3.0, 5.0),
    Kind.BROKER_KILLED: ({"broker"}, 1.0, 4.0),
    Kind.BROKER_FROZEN: ({"broker"}, 2.0, 6.0),
    Kind.BROKER_FLUSHED: ({"broker"}, 0.0, 0.0),
    Kind.DATABASE_KILLED: ({"database"}, 0.5, 3.0),
    Kind.DATABASE_STOPPED: ({"database"}, 0.5, 2.0),
    Kind.NET_REFUSES: ({"network"}, 1.5, 3.0),
    Kind.NET_LOSES: ({"network"}, 1.0, 2.0),
    Kind.NET_DELAYS: ({"network"}, 2.0, 4.0),
    Kind.NET_REPEATS: ({"network"}, 2.0, 4.0),
    Kind.NET_SILENT: ({"network"}, 1.0, 2.0),
}
_PARTS = {kind: frozenset(parts) for kind, (parts, _, _) in _KINDS.items()}
_BOOT_SECONDS = 3.0  # a part that is made good needs a while to be back


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One outage; `seconds` later it is made good.

    Attributes:
        at: Seconds from the beginning of the run, as everywhere in a plan.
        index: Which of two workers or beats.
    """

    at: float
    kind: Kind
    seconds: float
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A fault of the remote side, told to the simulator at an instant."""

    at: float
    method: str
    rule: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """A failover or an abnormal exit of whatever runs in one channel."""

    at: float
    kind: str
    channel: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What a caller asks of a recording that was accepted."""

    at: float
    verb: str
    stop_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A recording that is asked for, in a channel of its own.

    Attributes:
        asked_at: When its caller begins to ask; asking is repeated until it is accepted.
        is_twice: Whether it is asked for by two threads at once, under one key.
        is_refused: Whether the remote side will never take its start.
        users_until: When the last user leaves the channel.
    """

    channel: str
    asked_at: float
    start_at: float
    stop_at: float
    is_twice: bool
    is_refused: bool
    users_until: float
    edit: Edit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that will be done in one run."""

    seed: int
    seconds: float
    wishes: tuple[Wish, ...]
    strikes: tuple[Strike, ...] = ()
    answers: tuple[Answer, ...] = ()
    disturbances: tuple[Disturbance, ...] = field(default=())


def make_plan(seed: int, seconds: float, recordings: int, *, alone: bool = False) -> Plan:
    """Draw a plan; the same arguments give the same plan.

    Args:
        alone: Nothing but outages, each long after the one before: how long it takes from the
            return of a part to the first overdue step is to be measured.
    """
    rng = random.Random(seed)
    wishes = tuple(_wish(rng, number, seconds) for number in range(recordings))
    if alone:
        strikes = tuple(_lone_strikes(rng, seconds))
        return Plan(
            seed=seed, seconds=seconds, wishes=wishes, strikes=strikes, answers=(_NEVER_TAKEN,)
        )
    return Plan(
        seed=seed,
        seconds=seconds,
        wishes=wishes,
        strikes=tuple(_strikes(rng, seconds)),
        answers=tuple(_answers(rng, seconds)),
        disturbances=tuple(_disturbances(rng, wishes, seconds)),
    )


# -- recordings -------------------------------------------------------------------------------

_LINGER = 6.0  # users stay so long after the stop: what is stopped late is seen to run on
_VERBS = ("extend", "shorten", "stop", "cancel", "update", "update_layout")


def _wish(rng: random.Random, number: int, seconds: float) -> Wish:
    start_at = rng.uniform(3, max(4, seconds - 10))
    longest = min(25.0, max(6.0, seconds + 3 - start_at))
    stop_at = start_at + rng.uniform(5, longest)
    is_refused = number % 15 == 14
    edit = None if number % 5 < 2 or is_refused else _edit(rng, number, start_at, stop_at)
    last = stop_at if edit is None or edit.stop_at is None else max(stop_at, edit.stop_at)
    return Wish(
        channel=f"{'bad' if is_refused else 'room'}-{number:03}",
        asked_at=max(0.5, start_at - rng.uniform(0, 8)),
        start_at=start_at,
        stop_at=stop_at,
        is_twice=number % 3 == 0,
        is_refused=is_refused,
        users_until=last + _LINGER,
        edit=edit,
    )


def _edit(rng: random.Random, number: int, start_at: float, stop_at: float) -> Edit:
    verb = _VERBS[number % len(_VERBS)]
    at = start_at + rng.uniform(0.2, 0.6) * (stop_at - start_at)
    if verb == "cancel":
        at = start_at - 1 if number % 2 else at
    moved = {"extend": stop_at + rng.uniform(3, 6), "shorten": (at + 2 * stop_at) / 3}
    return Edit(at=at, verb=verb, stop_at=moved.get(verb))


# -- outages ----------------------------------------------------------------------------------

_EVERY = 1.8  # seconds between two outages, on average
# Faults come in waves: in the calm between them everybody is held to the second again.
_WAVE_SECONDS, _CALM_SECONDS = 12.0, 12.0


def _strikes(rng: random.Random, seconds: float) -> Iterator[Strike]:
    """Let every kind have its turn before any comes again, as far as its part is free."""
    waiting: list[Kind] = []
    busy_until: dict[str, float] = {}
    at = 3.0
    while at < seconds - 2:
        waiting = waiting or rng.sample(list(Kind), len(Kind))
        free = [kind for kind in waiting if _is_free(kind, at, busy_until)]
        if free:
            kind = free[0]
            waiting.remove(kind)
            _, shortest, longest = _KINDS[kind]
            strike = Strike(
                at=at, kind=kind, seconds=rng.uniform(shortest, longest), index=rng.randrange(2)
            )
            for part in kind.parts:
                busy_until[part] = at + strike.seconds + _BOOT_SECONDS
            yield strike
        at = _in_a_wave(at + rng.uniform(0.6, 1.4) * _EVERY)


_LONE_EVERY = 14.0  # the longest outage, what its part needs to be back, and what was overdue
_OUR_PARTS = [kind for kind in Kind if "network" not in kind.parts]


def _lone_strikes(rng: random.Random, seconds: float) -> Iterator[Strike]:
    """Let one part after the other be away, each kind before any comes again."""
    waiting: list[Kind] = []
    at = 6.0
    while at < seconds - _LONE_EVERY / 2:
        waiting = waiting or rng.sample(_OUR_PARTS, len(_OUR_PARTS))
        kind = waiting.pop()
        _, shortest, longest = _KINDS[kind]
        away = rng.uniform(shortest, longest)
        yield Strike(at=at, kind=kind, seconds=away, index=rng.randrange(2))
        at += _LONE_EVERY + rng.uniform(-1, 1)


def _in_a_wave(at: float) -> float:
    """Move an instant that falls into a calm to the next wave."""
    period = _WAVE_SECONDS + _CALM_SECONDS
    return at if at % period < _WAVE_SECONDS else (at // period + 1) * period


def _is_free(kind: Kind, at: float, busy_until: Mapping[str, float]) -> bool:
    return all(busy_until.get(part, 0) <= at for part in kind.parts)


# -- the remote side --------------------------------------------------------------------------

_REFUSED = "refuse"
_OF_ANY = (
    {"action": _REFUSED, "status": 502},
    {"action": _REFUSED, "status": 503},
    {"action": _REFUSED, "status": 504},
    {"action": "reset"},
    {"action": "hang"},
    {"action": "hang", "carry_out": True},
    {"action": "lose_answer"},
    {"action": "delay", "seconds": 0.8},
    {"action": "delay", "seconds": 3.0},  # beyond the caller's patience, and carried out
    {"action": "duplicate"},
)
# Documented codes.  One that says what the session is must be true, so it comes with what it
# says: a stop that answers 49, 50, 435 or 501 was carried out.
_CODES: Mapping[str, tuple[tuple[int, bool], ...]] = {
    "acquire": ((500, False), (501, False), (504, False), (500, True)),
    "start": (
        (65, False), (65, True), (62, False), (62, True), (53, False), (433, False),
        (1001, False), (15, False), (502, False),
    ),
    "query": ((65, False), (62, False), (500, False), (432, False), (1003, False), (1001, False)),
    "update": ((65, False), (65, True), (62, False), (500, False), (404, False)),
    "updateLayout": ((65, False), (62, True), (500, False), (1028, False)),
    "stop": (
        (65, False), (65, True), (62, False), (62, True), (500, False), (1001, False),
        (49, True), (50, True), (435, True), (501, True),
    ),
}  # fmt: skip
_RARE = (  # each holds the whole app up for 15 s and longer
    {"action": _REFUSED, "status": 401, "lasts": 2.0, "times": None},
    {"action": _REFUSED, "code": 406, "times": 1},
    {"action": _REFUSED, "code": 405, "times": 1},
)
_RARE_EVERY = 90.0
_TOO_MANY_EVERY = 40.0  # each makes every worker slower for a while
_ANSWER_EVERY = 0.5
_WAITS = 6.0  # for a call that meets it: while nothing is called, faults must not pile up


_NEVER_TAKEN = Answer(
    at=0, method="start", rule={"action": _REFUSED, "code": 2, "times": None, "cname": "bad-*"}
)


def _answers(rng: random.Random, seconds: float) -> Iterator[Answer]:
    """Draw one fault of the remote side after the other, each before any comes again."""
    yield _NEVER_TAKEN
    waiting: list[tuple[str, Mapping[str, Any]]] = []
    at = 2.0
    while at < seconds:
        waiting = waiting or rng.sample(_menu(), len(_menu()))
        method, rule = waiting.pop()
        yield Answer(at=at, method=method, rule={**rule, "cname": "room-*", "lasts": _WAITS})
        at = _in_a_wave(at + rng.uniform(0.5, 1.5) * _ANSWER_EVERY)
    refusals = max(1, int(seconds // _TOO_MANY_EVERY))
    for number in range(refusals):
        at = _in_a_wave(seconds / refusals * (number + rng.random()))
        rule = {"action": _REFUSED, "status": 429, "cname": "room-*"}
        yield Answer(at=at, method=rng.choice(METHODS), rule=rule)
    for number in range(int(seconds // _RARE_EVERY)):
        rare = _RARE[number % len(_RARE)]
        method = "acquire" if "code" in rare else "*"
        at = _RARE_EVERY * (number + 0.4)
        yield Answer(at=at, method=method, rule={**rare, "cname": "room-*"})


def _menu() -> list[tuple[str, Mapping[str, Any]]]:
    """List every fault of every method once; acquire, start and stop meet theirs more often."""
    menu: list[tuple[str, Mapping[str, Any]]] = list(product(METHODS, _OF_ANY))
    for method, codes in _CODES.items():
        rules = [{"action": _REFUSED, "code": code, "carry_out": done} for code, done in codes]
        menu += [(method, rule) for rule in rules]
    return menu


def _disturbances(
    rng: random.Random, wishes: tuple[Wish, ...], seconds: float
) -> Iterator[Disturbance]:
    """Let every fifth channel's recorder fail over for a while, and every tenth's exit."""
    for number, wish in enumerate(wishes):
        at = rng.uniform(wish.start_at + 2, wish.stop_at)
        if wish.is_refused or at > seconds:
            continue
        if number % 5 == 1:
            yield Disturbance(
                at=at, kind="failover", channel=wish.channel, seconds=rng.uniform(1, 3)
            )
        elif number % 10 == 3:
            yield Disturbance(at=at, kind="abnormal_exit", channel=wish.channel, seconds=0)
