"""Permits: which instants of an App ID's quota are taken, and which one a new call may have."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from recording_tasks.models import AWAITED_LANE, Step

_LEAST_FACTOR = 0.1
_SAME = 2e-6  # instants lose less than this on their way through the database
_LESS = 0.95  # of the rate is left by a refusal that tells nothing better
_MUCH_LESS = 0.8  # the same, by one that follows another after a few calls
_FEW_CALLS = 20
_LEAST_AT_ONCE = 0.5  # of the rate is left by one lesson, however bad
_REMEMBERED_PERIODS = 2.0  # an answer may take as long
_FAR_BELOW = 2  # times less was sent than the rate lets
_BESIDE_BURSTS = 0.9  # of the rate is ours, spread evenly, where others call in bursts
_SELDOM_CALLS = 75  # without a refusal
_LESSON_SECONDS = 2.0  # what was allotted before it is on its way for so long
_CALLS_BEFORE_MORE = 150  # a refusal or two for so many calls: a probe of the rate is cheap
_CALLS_TO_ALL = 80
_SECONDS_BEFORE_MORE = 120.0  # where fewer calls than that had to queue
_FORGOTTEN_SECONDS = 600.0
_POLLS_AHEAD_SECONDS = 1.0  # until the next sweep: what is claimed stands in a stop's way
_PROBE_SECONDS = 15.0
_FARTHEST_SECONDS = 20.0  # nothing learned lies farther ahead, unless a clock was set back
_ALONE_SECONDS = 5.0


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
        poll_share: The part of the rate that polls may use: a stop or start that nobody could
            foresee finds the other part free.
        outer: The pace of the account that the App ID belongs to, where that is bounded too.
    """

    rate: int = 10
    margin: float = 0.06
    tolerance: float = 0.03
    poll_share: float = 0.5
    outer: Pace | None = None

    @property
    def period(self) -> float:
        """Seconds that any `rate` + 1 slots span."""
        return 1.0 + self.margin

    @property
    def spacing(self) -> float:
        """Seconds of the quota that one call uses on average."""
        return self.period / self.rate if self.rate else 0.0

    @property
    def poll_spacing(self) -> float:
        """Seconds between two polls of an app, whatever their sessions."""
        return self.spacing / self.poll_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is taken of one App ID's quota, and what Agora let us learn about it.

    It is kept in one row of the store and changed only under that row's lock, so that all
    workers share it; instants are Unix seconds on the database's clock.

    Attributes:
        taken: Slots of the last periods and of the time to come, ascending.
        factor: The part of the rate that we use, 1 unless Agora refused calls lately.
        factor_at: When the factor was last looked at.
        slowed_at: When the last lesson began: a refusal, and those that belong to it.
        factor_before: What the factor was then.
        calls: Calls that were given a slot since the last refusal.
        proven: Those of them that had to queue for it.
        polled_at: The slot of the last poll.
        paused_until: No call before; set by a 429.
        acquire_after: No acquire before; set by a 406, and 0 again once Agora takes one.
        left: When sessions ended lately, where only so many may run: Agora lets them go later.
        probe_at: When set, the credentials or the account do not work: one call may try then.
        outer: What is taken of the account's quota, kept in a row of its own: a slot is free
            where both let it.
    """

    taken: tuple[float, ...] = ()
    factor: float = 1.0
    factor_at: float = 0.0
    slowed_at: float = 0.0
    factor_before: float = 1.0
    calls: int = 0
    proven: int = 0
    polled_at: float = 0.0
    paused_until: float = 0.0
    acquire_after: float = 0.0
    left: tuple[float, ...] = ()
    probe_at: float | None = None
    outer: Quota | None = None

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; unknown keys of a newer version are left out."""
        known = {key: raw[key] for key in cls.__slots__ if key in raw and key != "outer"}
        lists = {key: tuple(raw.get(key, ())) for key in ("taken", "left")}
        return cls(**known | lists)

    def to_json(self) -> dict[str, Any]:
        """Write the row's value."""
        return {key: getattr(self, key) for key in self.__slots__ if key != "outer"}

    def without(self, slot: float) -> Quota:
        """Give back a slot that was not used."""
        quota = self
        if self.outer is not None:
            quota = replace(self, outer=self.outer.without(slot))
        index = bisect_left(self.taken, slot - _SAME)
        if index == len(self.taken) or self.taken[index] > slot + _SAME:
            return quota
        return replace(quota, taken=self.taken[:index] + self.taken[index + 1 :])

    def prepared(self, now: float, pace: Pace) -> Quota:
        """Let time pass, and leave out what no call can meet any more."""
        quota = self.recovered(now).bounded(now)
        quota = replace(quota, taken=_recent(quota.taken, now, pace, quota.factor))
        if quota.outer is None or pace.outer is None:
            return replace(quota, outer=None)
        return replace(quota, outer=quota.outer.prepared(now, pace.outer))

    def bounded(self, now: float) -> Quota:
        """Wait no longer than was ever meant: the database's clock may have been set back."""
        farthest = max(self.paused_until, self.slowed_at, self.polled_at, self.probe_at or 0.0)
        if farthest <= now + _FARTHEST_SECONDS:
            return self
        return replace(
            self,
            paused_until=min(self.paused_until, now),
            slowed_at=min(self.slowed_at, now),
            polled_at=min(self.polled_at, now),
            probe_at=None if self.probe_at is None else min(self.probe_at, now),
        )

    def recovered(self, now: float) -> Quota:
        """Let time pass: what was learned is tried again after a while, and forgotten later."""
        if self.factor >= 1.0:
            return self
        passed = now - self.slowed_at
        factor = 1.0 if passed >= _FORGOTTEN_SECONDS else self.factor
        is_old = passed >= _SECONDS_BEFORE_MORE
        proven = max(self.proven, _CALLS_BEFORE_MORE) if is_old else self.proven
        return replace(self, factor=factor, factor_at=now, proven=proven)

    def proved(self, calls: int) -> Quota:
        """Let the rate come back by calls that queued for it and were not refused.

        It stays where it was let through for 150 calls, and then comes back faster and faster:
        a try that fails costs a refusal or two, less than 2 % of the calls since the last one.
        A call that found the quota free says nothing of how much there is.
        """
        if self.factor >= 1.0 or not calls:
            return self
        gained = _gain(self.proven + calls) - _gain(self.proven)
        return replace(self, factor=min(1.0, self.factor + gained), proven=self.proven + calls)

    def slowed(self, now: float, pace: Pace, slot: float) -> Quota:
        """Learn from a 429: somebody else uses the quota too, everybody sends less at once.

        What we had sent in the period before the refused call was let through, so that much is
        ours.  Refusals that belong together (calls that had left already) are one lesson: each
        may say better how much that was, and all together they take half of the rate at most.
        A call that was refused though we sent far less than we may met a burst of theirs: we
        pause, and keep all but a tenth of the rate.  A refusal that comes seldom takes back only
        what was tried beyond the rate that had been let through for long.

        Args:
            slot: When the refused call left.
        """
        now = max(now, self.slowed_at)
        known = self.recovered(now)
        if self.outer is not None and pace.outer is not None:  # which of the two, nobody says
            known = replace(known, outer=self.outer.slowed(now, pace.outer, slot))
        is_new = now - self.slowed_at >= _LESSON_SECONDS
        before = known.factor if is_new else self.factor_before
        sent = bisect_left(self.taken, slot - _SAME) - bisect_left(self.taken, slot - pace.period)
        paused_until = max(self.paused_until, now + 1.0)
        if (sent + 1) * _FAR_BELOW < known.factor * pace.rate:
            known = replace(known, calls=0, paused_until=paused_until)
            if known.factor <= _BESIDE_BURSTS:
                return known
            known = replace(known, factor_before=known.factor, proven=0)
            return replace(known, factor=_BESIDE_BURSTS, factor_at=now, slowed_at=now)
        if is_new and before < 1.0 and known.calls >= _SELDOM_CALLS:
            factor = before - _gain(known.proven)
        else:
            # Spread evenly, as many were let through as leave in a period, give or take one.
            let_through = (sent + int(before < 1.0)) / pace.rate if pace.rate else 1.0
            less = _LESS if known.calls >= _FEW_CALLS else _MUCH_LESS
            factor = min(let_through, known.factor * (less if is_new else 1.0))
        return replace(
            known,
            factor=max(_LEAST_FACTOR, before * _LEAST_AT_ONCE, factor),
            factor_at=now,
            slowed_at=now if is_new else self.slowed_at,
            factor_before=before,
            proven=0,
            calls=0,
            paused_until=paused_until if is_new else self.paused_until,
        )

    def overloaded(self, now: float, seconds: float) -> Quota:
        """Learn from a 406: too many sessions run at once, for so long nothing is acquired."""
        return replace(self, acquire_after=now + seconds)

    def relieved(self) -> Quota:
        """Learn from an acquire that was taken after a 406: there is room for more."""
        return replace(self, acquire_after=0.0)

    def is_probe(self, step: Step) -> bool:
        """Tell whether a call of this step finds out if something works again."""
        return self.probe_at is not None or (step is Step.ACQUIRE and self.acquire_after > 0)

    def earliest(self, step: Step) -> float:
        """Tell before when no call of this step may leave."""
        outer = 0.0 if self.outer is None else self.outer.paused_until
        return max(outer, self.paused_until, self.acquire_after if step is Step.ACQUIRE else 0.0)

    def spacing(self, pace: Pace) -> float:
        """Tell how many seconds of the quota one call uses by what is known now."""
        own = pace.spacing / self.factor
        if self.outer is None or pace.outer is None:
            return own
        return max(own, self.outer.spacing(pace.outer))

    def next_poll(self, pace: Pace) -> float:
        """Tell before when no poll may leave."""
        own = self.polled_at + pace.poll_spacing / self.factor
        if self.outer is None or pace.outer is None:
            return own
        return max(own, self.outer.next_poll(pace.outer))

    def polled(self, slot: float) -> Quota:
        """Remember the slot of a poll."""
        outer = None if self.outer is None else self.outer.polled(slot)
        return replace(self, polled_at=slot, outer=outer)

    def given(self, step: Step, slot: float, not_before: float, pace: Pace) -> Quota:
        """Take a slot for one call; after a 406, one acquire at a time tries."""
        quota = self
        if step is Step.ACQUIRE and self.acquire_after > 0:
            quota = replace(self, acquire_after=slot + _ALONE_SECONDS)
        if not pace.rate:
            return quota
        if self.outer is not None and pace.outer is not None:
            outer = self.outer.given(step, slot, not_before, pace.outer)
            quota = replace(quota, outer=outer)
        index = bisect_left(self.taken, slot)
        taken = (*self.taken[:index], slot, *self.taken[index:])
        calls = self.calls + 1 if self.factor < 1.0 else 0
        return replace(quota, taken=taken, calls=calls).proved(int(slot > not_before))

    def with_left(self, now: float, forget: float) -> Quota:
        """Remember that a session ended now, and forget those that ended so long ago."""
        return replace(self, left=(*(at for at in self.left if at > now - forget), now))

    def leaving(self, since: float) -> int:
        """Count the sessions that ended after an instant."""
        return sum(at > since for at in self.left)

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
        is_awaited: Whether something is decided by its answer; a query that is not is a poll.
    """

    key: str
    step: Step
    not_before: float
    is_awaited: bool = False

    @property
    def is_poll(self) -> bool:
        """Whether it only looks after a session that is well."""
        return self.step is Step.QUERY and not self.is_awaited

    @property
    def lane(self) -> int:
        """How urgent it is; a query that is awaited goes before all polls."""
        return AWAITED_LANE if self.step is Step.QUERY and self.is_awaited else self.step.lane


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
    query never takes what a stop or start of the next moment will need.  Polls are spread evenly
    over their share, so that what nobody could foresee finds room as well.
    """
    quota = quota.prepared(now, pace)
    if quota.probe_at is not None:
        return _probe(quota, pace, wanted, now)
    bounds = _bounds(quota, pace)
    slots: dict[str, float] = {}
    full_until: dict[int, float] = {}  # the next of a lane wants nothing earlier, so it looks on
    until = now + horizon
    for call in sorted(wanted, key=lambda call: (call.lane, call.not_before)):
        not_before = max(call.not_before, now, quota.earliest(call.step))
        if call.is_poll:
            not_before = max(not_before, quota.next_poll(pace))
        slot = _free_in_all(bounds, max(not_before, full_until.get(call.lane, not_before)))
        full_until[call.lane] = slot
        if slot > until + pace.period or (call.is_poll and slot > now + _POLLS_AHEAD_SECONDS):
            continue
        for bound in bounds:
            insort(bound.taken, slot)
        if slot <= until:
            slots[call.key] = slot
            quota = quota.given(call.step, slot, not_before, pace)
            quota = quota.polled(slot) if call.is_poll and pace.rate else quota
    return Allotment(quota, slots)


def reserve(
    quota: Quota,
    pace: Pace,
    step: Step,
    not_before: float,
    now: float,
    *,
    stops: Sequence[float] = (),
) -> tuple[float, Quota]:
    """Take the first free slot for one call.

    Args:
        stops: When stops are due that no sweep has claimed yet: their slots are left free.
    """
    quota = quota.prepared(now, pace)
    not_before = max(not_before, now, quota.earliest(step))
    bounds = _bounds(quota, pace)
    full_until = max(now, quota.earliest(Step.STOP))
    for stop_at in sorted(stops):
        full_until = _free_in_all(bounds, max(stop_at, full_until))
        for bound in bounds:
            insort(bound.taken, full_until)
    slot = _free_in_all(bounds, not_before)
    return slot, quota.given(step, slot, not_before, pace)


def poll_every(live: int, pace: Pace, factor: float, least: float) -> float:
    """Tell how many seconds lie between two polls of one session, when so many run."""
    return max(least, live * pace.poll_spacing / factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """One quota that a slot must be free in."""

    taken: list[float]
    pace: Pace
    factor: float


def _bounds(quota: Quota, pace: Pace) -> list[_Bound]:
    """Tell in which quotas a slot must be free: the app's, and its account's where it has one."""
    own = _Bound(taken=list(quota.taken), pace=pace, factor=quota.factor)
    if quota.outer is None or pace.outer is None:
        return [own]
    return [own, *_bounds(quota.outer, pace.outer)]


def _free_in_all(bounds: Sequence[_Bound], not_before: float) -> float:
    """Find the first instant that all of these quotas let."""
    while True:
        slot = not_before
        for bound in bounds:
            slot = free_slot(bound.taken, slot, bound.pace, bound.factor)
        if slot == not_before or len(bounds) == 1:
            return slot
        not_before = slot


def free_slot(taken: Sequence[float], not_before: float, pace: Pace, factor: float = 1.0) -> float:
    """Find the first instant that keeps the quota, whatever is taken before and after it.

    Any `rate` + 1 slots, the new one among them, span a whole period.  Slots are kept a few
    milliseconds apart, so that a burst does not queue on our own processors; where the quota is
    shared with others they are spread evenly, because a burst would meet theirs.
    """
    if not pace.rate:
        return not_before
    rate = pace.rate
    period = pace.period / factor
    apart = min(0.01, period / rate / 2) if factor >= 1.0 else period / rate
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
    """Leave out what no sliding second can reach any more, nor the answer of a call in it."""
    if not pace.rate:
        return ()
    reach = max(_REMEMBERED_PERIODS, 1.2 / factor) * pace.period
    return taken[bisect_left(taken, now - reach) :]


def _gain(calls: int) -> float:
    """Tell how much of the rate so many calls without a refusal give back."""
    return (max(0, calls - _CALLS_BEFORE_MORE) / _CALLS_TO_ALL) ** 2


def _probe(quota: Quota, pace: Pace, wanted: Sequence[Wanted], now: float) -> Allotment:
    """Let one call try whether the credentials work by now."""
    due = [call for call in wanted if call.not_before <= now]
    if not due or quota.probe_at is None or quota.probe_at > now:
        return Allotment(quota)
    first = min(due, key=lambda call: (call.lane, call.not_before))
    slot, quota = reserve(quota, pace, first.step, now, now)
    return Allotment(replace(quota, probe_at=now + _PROBE_SECONDS), {first.key: slot})
