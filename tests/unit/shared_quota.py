"""A quota that somebody else eats from, in a test: Agora's strict count, and our calls."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from recording_tasks.limiter import Pace, Quota, Wanted, allot
from recording_tasks.models import Step

HORIZON = 1.5


class StrictWindow:
    """Agora's gateway: so many calls in any sliding second, whoever sends them."""

    def __init__(self, limit: int = 10) -> None:
        self._limit = limit
        self._accepted: deque[float] = deque()

    def is_full(self, at: float) -> bool:
        """Tell whether a call would be refused now."""
        while self._accepted and at - self._accepted[0] >= 1.0:
            self._accepted.popleft()
        return len(self._accepted) >= self._limit

    def admit(self, at: float) -> bool:
        """Take a call in, or refuse it; calls come in the order of their time."""
        if self.is_full(at):
            return False
        self._accepted.append(at)
        return True


def evenly(rate: float, begin: float, end: float) -> Iterator[float]:
    """Call at even distances."""
    for number in range(round((end - begin) * rate)):
        yield begin + 0.013 + number / rate


def in_bursts(size: int, every: float, begin: float, end: float) -> Iterator[float]:
    """Call so often at once, again and again."""
    for number in range(int((end - begin) / every)):
        for one in range(size):
            yield begin + 0.4 + number * every + one * 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one call of ours.

    Attributes:
        at: When it arrived at Agora.
    """

    at: float
    key: str
    is_refused: bool


@dataclass
class Traffic:
    """Our calls as a recorder makes them, and somebody else's, at one strict gateway.

    Sweeps come once a second and allot slots to what waits; a call leaves late by some of the
    margin, its answer takes a moment, and a refused call waits for a second and comes again.

    Attributes:
        others: When the other client calls, in any order.
        refused_share: The part of our calls that the gateway refuses whatever its count is.
        heard_after: Seconds until a refusal is written down, at least and at most.
        begin: Unix seconds.
        now: When the next sweep comes.
    """

    others: Iterable[float] = ()
    refused_share: float = 0.0
    heard_after: tuple[float, float] = (0.03, 0.4)
    begin: float = 1_795_000_000.0
    now: float = begin
    pace: Pace = field(default_factory=Pace)
    quota: Quota = field(default_factory=Quota)
    outcomes: list[Outcome] = field(default_factory=list)
    waiting: dict[str, Wanted] = field(default_factory=dict)
    _coming: list[tuple[float, str, float, Wanted]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(11)
        self._gateway = StrictWindow()
        self._others = deque(sorted(self.others))
        self.now = self.begin

    def ask(self, step: Step, count: int, not_before: float) -> None:
        """Put calls of ours into the queue."""
        for _ in range(count):
            key = f"{step.value}-{len(self.waiting)}-{len(self.outcomes)}-{self._rng.random()}"
            self.waiting[key] = Wanted(key=key, step=step, not_before=not_before)

    def go_on(self, seconds: float, *, queue: int = 0) -> None:
        """Sweep for so long; with a queue, so many updates wait at each sweep."""
        for _ in range(round(seconds)):
            short = queue - len(self.waiting)
            if short > 0:
                self.ask(Step.UPDATE, short, self.now)
            self._sweep()

    def rate(self, begin: float, end: float) -> float:
        """How many calls of ours were let through in a second, between two instants."""
        done = [one for one in self._between(begin, end) if not one.is_refused]
        return len(done) / (end - begin)

    def refused(self, begin: float, end: float) -> float:
        """Which part of our calls was refused between two instants."""
        made = self._between(begin, end)
        return sum(one.is_refused for one in made) / len(made)

    def _between(self, begin: float, end: float) -> list[Outcome]:
        return [one for one in self.outcomes if begin <= one.at - self.begin < end]

    def _sweep(self) -> None:
        """Allot slots, and let everything happen that does until the next sweep."""
        wanted = list(self.waiting.values())
        allotment = allot(self.quota, self.pace, wanted, self.now, HORIZON)
        self.quota = allotment.quota
        for key, slot in allotment.slots.items():
            arrival = slot + self._rng.uniform(0, self.pace.tolerance + 0.01)
            heappush(self._coming, (arrival, "call", slot, self.waiting.pop(key)))
        self.now += 1.0
        while self._coming and self._coming[0][0] < self.now:
            at, kind, slot, call = heappop(self._coming)
            if kind == "call":
                self._arrive(at, slot, call)
            else:
                self.quota = self.quota.slowed(at, self.pace, slot)
                self.waiting[call.key] = Wanted(key=call.key, step=call.step, not_before=at + 1.0)

    def _arrive(self, at: float, slot: float, call: Wanted) -> None:
        while self._others and self._others[0] <= at:
            self._gateway.admit(self._others.popleft())
        is_refused = self._rng.random() < self.refused_share or not self._gateway.admit(at)
        self.outcomes.append(Outcome(at=at, key=call.key, is_refused=is_refused))
        if is_refused:
            heappush(
                self._coming, (at + self._rng.uniform(*self.heard_after), "answer", slot, call)
            )
