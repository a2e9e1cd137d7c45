"""How fast an App ID may be called."""

from __future__ import annotations

from dataclasses import dataclass


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


def poll_every(live: int, pace: Pace, factor: float, least: float) -> float:
    """Tell how many seconds lie between two polls of one session, when so many run."""
    return max(least, live * pace.poll_spacing / factor)
