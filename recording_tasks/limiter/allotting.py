"""Which of the calls that are wanted may have which instant: the most urgent come first."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from recording_tasks.models import AWAITED_LANE, Step

from .pace import Pace
from .quota import Quota
from .slots import free_slot

_POLLS_AHEAD_SECONDS = 1.0  # until the next sweep: what is claimed stands in a stop's way


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
    stops_of_others: Sequence[float] = (),
) -> tuple[float, Quota]:
    """Take the first free slot for one call.

    Args:
        stops: When stops are due that no sweep has claimed yet: their slots are left free.
        stops_of_others: The same of the other apps of its account, whose quota alone they use.
    """
    quota = quota.prepared(now, pace)
    not_before = max(not_before, now, quota.earliest(step))
    bounds = _bounds(quota, pace)
    stop_after = max(now, quota.earliest(Step.STOP))
    _fill(bounds, stops, stop_after)
    if len(bounds) > 1:
        _fill(bounds[1:], stops_of_others, stop_after)
    slot = _free_in_all(bounds, not_before)
    return slot, quota.given(step, slot, not_before, pace)


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


def _fill(bounds: Sequence[_Bound], instants: Sequence[float], full_until: float) -> None:
    """Give each of these instants its slot in all of these quotas."""
    for instant in sorted(instants):
        full_until = _free_in_all(bounds, max(instant, full_until))
        for bound in bounds:
            insort(bound.taken, full_until)


def _probe(quota: Quota, pace: Pace, wanted: Sequence[Wanted], now: float) -> Allotment:
    """Let one call try whether the credentials work by now."""
    due = [call for call in wanted if call.not_before <= now]
    if not due or quota.probe_at is None or quota.probe_at > now:
        return Allotment(quota)
    first = min(due, key=lambda call: (call.lane, call.not_before))
    slot, quota = reserve(quota, pace, first.step, now, now)
    return Allotment(quota.closed(now), {first.key: slot})
