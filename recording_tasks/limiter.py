"""Permits: which instants of an App ID's quota are taken, and which one a new call may have."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from recording_tasks.models import Step

_LEAST_FACTOR = 0.1
_SAME = 2e-6  # instants lose less than this on their way through the database
_SLOWER = 0.7
_FASTER_PER_SECOND = 0.01
_PROBE_SECONDS = 15.0
_OVERLOAD_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast an App ID may be called.

    Agora counts the calls of any sliding second as they arrive.  Slots are therefore handed out
    such that any `rate` + 1 of them span a second and a margin; a call may leave late by no more
    than a part of that margin, and the network may shift it by the rest.

    Attributes:
        rate: Requests in any second; 0 knows no limit.
        margin: Seconds added to the second, for lateness and jitter.
        tolerance: Seconds that a call may leave after its slot; later, it needs another one.
    """

    rate: int = 10
    margin: float = 0.06
    tolerance: float = 0.04

    @property
    def period(self) -> float:
        """Seconds that any `rate` + 1 slots span."""
        return 1.0 + self.margin

    @property
    def spacing(self) -> float:
        """Seconds of the quota that one call uses on average."""
        return self.period / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is taken of one App ID's quota, and what Agora let us learn about it.

    It is kept in one row of the store and changed only under that row's lock, so that all
    workers share it; instants are Unix seconds on the database's clock.

    Attributes:
        taken: Slots of the last period and of the time to come, ascending.
        factor: The part of the rate that we use, 1 unless Agora refused calls lately.
        factor_at: When the factor was last changed; it recovers from then on.
        slowed_at: When a refusal last lowered it.
        paused_until: No call before; set by a 429.
        acquire_after: No acquire before; set by a 406.
        probe_at: When set, the credentials or the account do not work: one call may try then.
    """

    taken: tuple[float, ...] = ()
    factor: float = 1.0
    factor_at: float = 0.0
    slowed_at: float = 0.0
    paused_until: float = 0.0
    acquire_after: float = 0.0
    probe_at: float | None = None

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; unknown keys of a newer version are left out."""
        known = {key: raw[key] for key in cls.__slots__ if key in raw}
        return cls(**{**known, "taken": tuple(raw.get("taken", ()))})

    def to_json(self) -> dict[str, Any]:
        """Write the row's value."""
        return {key: getattr(self, key) for key in self.__slots__}

    @property
    def is_calm(self) -> bool:
        """Whether nothing was learned that a success would change."""
        return self.factor >= 1.0 and self.probe_at is None

    def without(self, slot: float) -> Quota:
        """Give back a slot that was not used."""
        index = bisect_left(self.taken, slot - _SAME)
        if index == len(self.taken) or self.taken[index] > slot + _SAME:
            return self
        return replace(self, taken=self.taken[:index] + self.taken[index + 1 :])

    def recovered(self, now: float) -> Quota:
        """Let the rate come back by itself, slowly, after a refusal."""
        if self.factor >= 1.0:
            return self
        gained = _FASTER_PER_SECOND * max(0.0, now - self.factor_at)
        return replace(self, factor=min(1.0, self.factor + gained), factor_at=now)

    def slowed(self, now: float) -> Quota:
        """Learn from a 429: somebody else uses the quota too, everybody sends less at once.

        Refusals that belong together (calls that had left already) slow down only once a second.
        """
        if now - self.slowed_at < 1.0:
            return self
        factor = max(_LEAST_FACTOR, self.recovered(now).factor * _SLOWER)
        return replace(self, factor=factor, factor_at=now, slowed_at=now, paused_until=now + 1.0)

    def overloaded(self, now: float) -> Quota:
        """Learn from a 406: too many sessions run at once, acquiring more makes no sense now."""
        return replace(self, acquire_after=now + _OVERLOAD_SECONDS)

    def closed(self, now: float) -> Quota:
        """Learn from a 401: nothing can work until a person acts; one call in a while tries."""
        return replace(self, probe_at=now + _PROBE_SECONDS)

    def opened(self) -> Quota:
        """Learn from a success: the credentials work."""
        return replace(self, probe_at=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A call that is due, or soon will be.

    Attributes:
        key: Whatever the caller knows it by.
        not_before: Unix seconds.
    """

    key: str
    step: Step
    not_before: float


@dataclass(slots=True)
class Allotment:
    """Slots handed out in one go, in the order of the lanes."""

    quota: Quota
    slots: dict[str, float] = field(default_factory=dict)


def allot(
    quota: Quota, pace: Pace, wanted: Sequence[Wanted], now: float, horizon: float
) -> Allotment:
    """Give the quota of the time up to `now + horizon` to the most urgent calls.

    The calls of the period after the horizon take part too, without keeping their slots: a
    query never takes what a stop or start of the next moment will need.
    """
    quota = quota.recovered(now)
    quota = replace(quota, taken=_recent(quota.taken, now, pace, quota.factor))
    if quota.probe_at is not None:
        return _probe(quota, pace, wanted, now)
    taken = list(quota.taken)
    kept = list(quota.taken)
    slots: dict[str, float] = {}
    until = now + horizon
    for call in sorted(wanted, key=lambda call: (call.step.lane, call.not_before)):
        not_before = max(call.not_before, now, quota.paused_until)
        if call.step is Step.ACQUIRE:
            not_before = max(not_before, quota.acquire_after)
        slot = free_slot(taken, not_before, pace, quota.factor)
        if slot > until + pace.period:
            continue
        insort(taken, slot)
        if slot <= until:
            insort(kept, slot)
            slots[call.key] = slot
    return Allotment(replace(quota, taken=tuple(kept) if pace.rate else ()), slots)


def reserve(
    quota: Quota, pace: Pace, step: Step, not_before: float, now: float
) -> tuple[float, Quota]:
    """Take the first free slot for one call."""
    quota = quota.recovered(now)
    quota = replace(quota, taken=_recent(quota.taken, now, pace, quota.factor))
    not_before = max(not_before, now, quota.paused_until)
    if step is Step.ACQUIRE:
        not_before = max(not_before, quota.acquire_after)
    slot = free_slot(quota.taken, not_before, pace, quota.factor)
    taken = list(quota.taken)
    insort(taken, slot)
    return slot, replace(quota, taken=tuple(taken) if pace.rate else ())


def free_slot(taken: Sequence[float], not_before: float, pace: Pace, factor: float = 1.0) -> float:
    """Find the first instant that keeps the quota, whatever is taken before and after it.

    Any `rate` + 1 slots, the new one among them, span a whole period.  Slots are kept a few
    milliseconds apart, so that a burst does not queue on our own processors.
    """
    if not pace.rate:
        return not_before
    rate = pace.rate
    period = pace.period / factor
    apart = min(0.01, period / rate / 2)
    slot = not_before
    index = bisect_left(taken, slot)
    while True:
        if index > 0 and slot < taken[index - 1] + apart:
            slot = taken[index - 1] + apart
        elif index < len(taken) and taken[index] < slot + apart:
            slot = taken[index] + apart
        else:
            clash = _clash(taken, index, slot, rate, period)
            if clash is None:
                return slot
            slot = max(clash, slot + 1e-6)
        index = bisect_left(taken, slot, lo=index)


def _clash(
    taken: Sequence[float], index: int, slot: float, rate: int, period: float
) -> float | None:
    """Find from when on `slot` no longer makes too many in a period; None when it is free."""
    for first in range(max(0, index - rate), index + 1):
        last = first + rate - 1
        if last >= len(taken):
            break
        begin = taken[first] if first < index else slot
        end = taken[last] if last >= index else slot
        if end - begin < period:
            return taken[first] + period if first < index else taken[last] + 1e-6
    return None


def _recent(taken: tuple[float, ...], now: float, pace: Pace, factor: float) -> tuple[float, ...]:
    """Leave out what no sliding second can reach any more."""
    if not pace.rate:
        return ()
    return taken[bisect_left(taken, now - 1.2 * pace.period / factor) :]


def _probe(quota: Quota, pace: Pace, wanted: Sequence[Wanted], now: float) -> Allotment:
    """Let one call try whether the credentials work by now."""
    due = [call for call in wanted if call.not_before <= now]
    if not due or quota.probe_at is None or quota.probe_at > now:
        return Allotment(quota)
    first = min(due, key=lambda call: (call.step.lane, call.not_before))
    slot, quota = reserve(quota, pace, first.step, now, now)
    return Allotment(replace(quota, probe_at=now + _PROBE_SECONDS), {first.key: slot})
