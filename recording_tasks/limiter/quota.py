"""What is taken of one App ID's quota, and what Agora let us learn about it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import Any, Self

from recording_tasks.models import Step

from .lessons import Lessons
from .pace import Pace

_SAME = 2e-6  # instants lose less than this on their way through the database
_REMEMBERED_PERIODS = 4.0  # a refusal may be heard so late, and tells what had left before it
_PAUSE_SECONDS = 1.0  # after a refusal: until Agora's window has passed
_PROBE_SECONDS = 5.0
_FARTHEST_SECONDS = 20.0  # nothing learned lies farther ahead, unless a clock was set back
_ALONE_SECONDS = 5.0
_LEARNED = frozenset(Lessons.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is taken of one App ID's quota, and what Agora let us learn about it.

    It is kept in one row of the store and changed only under that row's lock, so that all
    workers share it; instants are Unix seconds on the database's clock.

    Attributes:
        taken: Slots of the last periods and of the time to come, ascending.
        lessons: Which part of the rate is ours, where others use the quota too.
        polled_at: The slot of the last poll.
        paused_until: No call before; set by a 429.
        acquire_after: No acquire before; set by a 406, and 0 again once Agora takes one.
        overloaded_at: When the last 406 came.
        left: When sessions ended lately, where only so many may run: Agora lets them go later.
        probe_at: When set, the credentials or the account do not work: one call may try then.
        outer: What is taken of the account's quota, kept in a row of its own: a slot is free
            where both let it.
    """

    taken: tuple[float, ...] = ()
    lessons: Lessons = field(default_factory=Lessons)
    polled_at: float = 0.0
    paused_until: float = 0.0
    acquire_after: float = 0.0
    overloaded_at: float = 0.0
    left: tuple[float, ...] = ()
    probe_at: float | None = None
    outer: Quota | None = None

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; unknown keys of a newer version are left out."""
        learned = {key: raw[key] for key in _LEARNED if key in raw}
        known = {key: raw[key] for key in _WRITTEN if key in raw}
        lists = {key: tuple(raw.get(key, ())) for key in ("taken", "left")}
        return cls(lessons=Lessons(**learned), **known | lists)

    def to_json(self) -> dict[str, Any]:
        """Write the row's value: flat, so that a version beside us finds what it knows."""
        learned = {key: getattr(self.lessons, key) for key in _LEARNED}
        return {key: getattr(self, key) for key in _WRITTEN} | learned

    @property
    def factor(self) -> float:
        """Tell which part of the rate we use."""
        return self.lessons.factor

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
        lessons = self.lessons.bounded(now, now + _FARTHEST_SECONDS)
        waits = (self.paused_until, self.polled_at, self.probe_at or 0.0, self.overloaded_at)
        farthest = max(waits)
        if farthest <= now + _FARTHEST_SECONDS:
            return self if lessons is self.lessons else replace(self, lessons=lessons)
        return replace(
            self,
            lessons=lessons,
            paused_until=min(self.paused_until, now),
            polled_at=min(self.polled_at, now),
            acquire_after=self._bounded_acquire(now),
            overloaded_at=min(self.overloaded_at, now),
            probe_at=None if self.probe_at is None else min(self.probe_at, now),
        )

    def _bounded_acquire(self, now: float) -> float:
        """Let an acquire try now whose 406 came when the clock had not been set back yet."""
        is_set_back = self.overloaded_at > now + _FARTHEST_SECONDS
        return min(self.acquire_after, now) if is_set_back else self.acquire_after

    def recovered(self, now: float) -> Quota:
        """Let time pass: what was learned is tried again after a while, and forgotten later."""
        lessons = self.lessons.recovered(now)
        return self if lessons is self.lessons else replace(self, lessons=lessons)

    def slowed(self, now: float, pace: Pace, slot: float) -> Quota:
        """Learn from a 429: somebody else uses the quota too, everybody pauses at once.

        Args:
            slot: When the refused call left.
        """
        outer = self.outer
        if outer is not None and pace.outer is not None:  # which of the two, nobody says
            outer = outer.slowed(now, pace.outer, slot)
        sent = bisect_left(self.taken, slot - _SAME) - bisect_left(self.taken, slot - pace.period)
        return replace(
            self,
            outer=outer,
            lessons=self.lessons.learned(now, pace.rate, sent),
            paused_until=max(self.paused_until, now + _PAUSE_SECONDS),
        )

    def overloaded(self, now: float, seconds: float) -> Quota:
        """Learn from a 406: too many sessions run at once, for so long nothing is acquired."""
        return replace(self, acquire_after=now + seconds, overloaded_at=now)

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
        own = self.own_spacing(pace)
        if self.outer is None or pace.outer is None:
            return own
        return max(own, self.outer.spacing(pace.outer))

    def own_spacing(self, pace: Pace) -> float:
        """Tell the same of this quota alone, whatever the account's lets."""
        return pace.spacing / self.factor

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
        lessons = self.lessons.called(queued=slot > not_before)
        return replace(quota, taken=taken, lessons=lessons)

    def with_left(self, now: float, forget: float) -> Quota:
        """Remember that a session ended now, and forget those that ended so long ago."""
        return replace(self, left=(*self._lately(now - forget, now), now))

    def leaving(self, since: float, now: float) -> int:
        """Count the sessions that ended after an instant."""
        return len(self._lately(since, now))

    def _lately(self, since: float, now: float) -> list[float]:
        """Name the ends after an instant, but for those of before a clock was set back."""
        return [at for at in self.left if since < at <= now + _FARTHEST_SECONDS]

    def closed(self, now: float) -> Quota:
        """Learn from a 401: nothing can work until a person acts; one call in a while tries."""
        return replace(self, probe_at=now + _PROBE_SECONDS)

    def opened(self) -> Quota:
        """Learn from a success: the credentials work."""
        return replace(self, probe_at=None)


_WRITTEN = tuple(key for key in Quota.__slots__ if key not in {"lessons", "outer"})


def _recent(taken: tuple[float, ...], now: float, pace: Pace, factor: float) -> tuple[float, ...]:
    """Leave out what no sliding second can reach any more, nor the answer of a call in it."""
    if not pace.rate:
        return ()
    reach = max(_REMEMBERED_PERIODS, 1.2 / factor) * pace.period
    return taken[bisect_left(taken, now - reach) :]
