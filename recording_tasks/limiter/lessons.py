"""What refusals teach about a quota that others use too: which part of its rate is ours."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LEAST_FACTOR = 0.1
_LESSON_SECONDS = 2.0  # what was allotted before it is on its way for so long

# How far one lesson goes.
_LESS = 0.95  # of the rate is left by a refusal that comes alone
_MUCH_LESS = 0.8  # the same at most, by one that follows another after a few calls
_FEW_CALLS = 20
_LEAST_ALONE = 0.7  # of the rate is left by one refusal, whatever it tells
_LEAST_AT_ONCE = 0.5  # of the rate is left by one lesson, however bad
_FAR_BELOW = 2  # times less was sent than the rate lets
_BESIDE_BURSTS = 0.9  # of the rate is ours, spread evenly, where others call in bursts
_SELDOM_CALLS = 50  # without a refusal
_TAKEN_BACK = 0.9  # of what was tried in vain: step by step, what is ours is found

# How the rate comes back.
_CALLS_BEFORE_MORE = 150  # a refusal or two for so many calls: a probe of the rate is cheap
_CALLS_TO_ALL = 80
_SECONDS_BEFORE_MORE = 120.0  # where fewer calls than that had to queue
_FORGOTTEN_SECONDS = 600.0

# When it is seen that a lower rate does not help.
_MUCH_LOWER = 0.6  # of the rate: had we been too fast, few would be refused now
_FEW_REFUSED = 0.06  # of the calls: had we been much too fast, it would have been more
_AS_MANY = 0.4  # of the share that was refused before, by chance
_REFUSALS_TO_TELL = 4
_CALLS_TO_TELL = 40
_COUNTED_CALLS = 100.0  # those of longer ago weigh less and less
_UNMOVED_SECONDS = 300.0
_DENSE = 3.0  # more refusals than that, each forgotten within 20 calls, are not at random
_DENSE_CALLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What was learned of one quota; instants are Unix seconds on the database's clock.

    Attributes:
        factor: The part of the rate that we use, 1 unless Agora refused calls lately.
        slowed_at: When the last lesson began: a refusal, and those that belong to it.
        factor_before: What the factor was then.
        calls: Calls that were given a slot since the last refusal.
        proven: Those of them that had to queue for it.
        counted: Calls since the factor fell to its level; before any fall, the last hundred.
        refused: Those of them that were refused, but for tries of a higher rate.
        level: What a further fall is measured against.
        level_before: What the factor was before it fell to its level.
        share_before: Which part of the calls was refused then; None before any fall.
        density: Refusals that came close to each other.
        unmoved_until: Until then refusals slow nobody down: a lower rate did not help.
    """

    factor: float = 1.0
    slowed_at: float = 0.0
    factor_before: float = 1.0
    calls: int = 0
    proven: int = 0
    counted: float = 0.0
    refused: float = 0.0
    level: float = 1.0
    level_before: float = 1.0
    share_before: float | None = None
    density: float = 0.0
    unmoved_until: float = 0.0

    def called(self, *, queued: bool) -> Lessons:
        """Count a call that was given a slot, and let the rate come back by those that queued.

        It stays where it was let through for 150 calls, and then comes back faster and faster:
        a try that fails costs a refusal or two, less than 2 % of the calls since the last one.
        A call that found the quota free says nothing of how much there is.
        """
        counted, refused = self.counted + 1.0, self.refused
        if self.share_before is None and counted > _COUNTED_CALLS:
            refused *= _COUNTED_CALLS / counted
            counted = _COUNTED_CALLS
        known = replace(
            self,
            calls=self.calls + 1,
            counted=counted,
            refused=refused,
            density=max(0.0, self.density - 1 / _DENSE_CALLS),
        )
        return known.proved(1) if queued else known

    def proved(self, calls: int) -> Lessons:
        """Let the rate come back by calls that queued for it and were not refused."""
        if self.factor >= 1.0 or not calls:
            return self
        gained = _gain(self.proven + calls) - _gain(self.proven)
        known = replace(self, factor=min(1.0, self.factor + gained), proven=self.proven + calls)
        if known.factor < 1.0:
            return known
        return replace(known, level=1.0, level_before=1.0, share_before=None)

    def recovered(self, now: float) -> Lessons:
        """Let time pass: what was learned is tried again after a while, and forgotten later."""
        if self.factor >= 1.0:
            return self
        passed = now - self.slowed_at
        if passed >= _FORGOTTEN_SECONDS:
            return Lessons()
        if passed >= _SECONDS_BEFORE_MORE and self.proven < _CALLS_BEFORE_MORE:
            return replace(self, proven=_CALLS_BEFORE_MORE)
        return self

    def bounded(self, now: float, farthest: float) -> Lessons:
        """Wait no longer than was ever meant, where the clock was set back."""
        if self.slowed_at <= farthest and self.unmoved_until <= farthest + _UNMOVED_SECONDS:
            return self
        return replace(self, slowed_at=min(self.slowed_at, now), unmoved_until=0.0)

    def learned(self, now: float, rate: int, sent: int) -> Lessons:
        """Learn from a refusal.

        What we had sent in the period before the refused call was let through, so that much is
        ours; one that comes alone after a while says little, for we may have had no more to send.
        Refusals that belong together (calls that had left already) are one lesson: each
        may say better how much that was; the first takes three tenths of the rate at most, and
        all together half of it.
        A call that was refused though we sent far less than we may met a burst of theirs: we
        keep all but a tenth of the rate.  A refusal that comes seldom takes back only what was
        tried beyond the rate that had been let through for long, or a tenth of all.
        Where as many are refused at a much lower rate as before, it is not the rate that they
        are refused for: it is as before then, unless refusals become dense.

        Args:
            sent: Our calls in the period before the refused one.
        """
        now = max(now, self.slowed_at)
        is_try = _gain(self.proven) > 0  # of a higher rate: it tells nothing of the one we kept
        known = replace(
            self.recovered(now),
            refused=self.refused + (not is_try),
            density=self.density + 1.0,
        )
        if now < known.unmoved_until:
            if known.density <= _DENSE:
                return replace(known, calls=0)
            known = replace(known, unmoved_until=0.0, counted=0.0, refused=0.0)
        is_new = now - known.slowed_at >= _LESSON_SECONDS
        known = _slower(known, now, rate, sent, is_new=is_new)
        if is_new and _is_of_no_use(known):
            return _unmoved(known, now)
        return _on_level(known) if known.factor <= _MUCH_LOWER * known.level else known


def _slower(known: Lessons, now: float, rate: int, sent: int, *, is_new: bool) -> Lessons:
    """Lower the rate by what one refusal tells."""
    before = known.factor if is_new else known.factor_before
    if (sent + 1) * _FAR_BELOW < known.factor * rate:
        if known.factor <= _BESIDE_BURSTS:
            return replace(known, calls=0)
        known = replace(known, factor_before=known.factor, proven=0, calls=0)
        return replace(known, factor=_BESIDE_BURSTS, slowed_at=now)
    if is_new and known.calls >= _SELDOM_CALLS:
        factor = min(_BESIDE_BURSTS, before - _TAKEN_BACK * _gain(known.proven))
    elif is_new and known.calls >= _FEW_CALLS:
        factor = known.factor * _LESS
    else:
        # Spread evenly, as many were let through as leave in a period, give or take one.
        let_through = (sent + int(before < 1.0)) / rate if rate else 1.0
        factor = min(let_through, known.factor * (_MUCH_LESS if is_new else 1.0))
    least = before * (_LEAST_ALONE if is_new else _LEAST_AT_ONCE)
    return replace(
        known,
        factor=max(_LEAST_FACTOR, least, factor),
        slowed_at=now if is_new else known.slowed_at,
        factor_before=before,
        proven=0,
        calls=0,
    )


def _on_level(known: Lessons) -> Lessons:
    """Begin to count at a rate that is much lower, and remember how it was before."""
    return replace(
        known,
        level=known.factor,
        level_before=known.level,
        share_before=known.refused / max(10.0, known.counted),
        counted=0.0,
        refused=0.0,
    )


def _is_of_no_use(known: Lessons) -> bool:
    """Tell whether as many are refused as at the rate before: few, and at random."""
    if known.share_before is None or known.share_before >= _FEW_REFUSED:
        return False
    if known.refused < _REFUSALS_TO_TELL or known.counted < _CALLS_TO_TELL:
        return False
    return known.refused / known.counted >= _AS_MANY * known.share_before


def _unmoved(known: Lessons, now: float) -> Lessons:
    """Go back to the rate before, and heed refusals for a while only where they are dense."""
    return replace(
        known,
        factor=known.level_before,
        level=1.0,
        level_before=1.0,
        share_before=None,
        counted=0.0,
        refused=0.0,
        unmoved_until=now + _UNMOVED_SECONDS,
    )


def _gain(calls: int) -> float:
    """Tell how much of the rate so many calls without a refusal give back."""
    return (max(0, calls - _CALLS_BEFORE_MORE) / _CALLS_TO_ALL) ** 2
