"""How often the running sessions of an app can be asked about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from recording_tasks.limiter import Pace, Quota, poll_every
from recording_tasks.settings import Settings
from recording_tasks.store import Store

_DOCUMENTED = timedelta(seconds=120)  # best practices: a query about every two minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What runs of one app, and how often each session is asked about.

    Attributes:
        every: Between two queries of one session.
        most: The longest that this may be without anybody having to know.
    """

    app: str
    live: int
    every: timedelta
    most: timedelta

    @property
    def is_stretched(self) -> bool:
        """Whether so many run that Agora is asked about each too seldom."""
        return self.every > self.most


def pace_of(settings: Settings, app: str) -> Pace:
    """Tell how fast an app may be called."""
    pace = Pace(
        rate=settings.app(app).rate or settings.account_rate,
        margin=settings.margin.total_seconds(),
        tolerance=settings.tolerance.total_seconds(),
        poll_share=settings.query_share,
    )
    if not settings.account_rate:
        return pace
    return replace(pace, outer=replace(pace, rate=settings.account_rate))


def load_of(store: Store, settings: Settings, app: str) -> Load:
    """Count what runs of an app, and share out what polls may use of its quota.

    Where its account's quota is bounded too, what runs of the account's other apps counts.
    """
    now, pace = store.now().timestamp(), pace_of(settings, app)
    live, raw = store.live(app)
    least = settings.rules.query_every
    every = poll_every(live, pace, _factor(raw, now), least.total_seconds())
    account = settings.account_row(app)
    if account is not None and pace.outer is not None:
        together, raw = store.live_together(account, settings.sharers(app))
        every = poll_every(together, pace.outer, _factor(raw, now), every)
    return Load(
        app=app,
        live=live,
        every=timedelta(seconds=every),
        most=max(least, _DOCUMENTED),
    )


def _factor(raw: dict[str, Any], now: float) -> float:
    return Quota.from_json(raw).recovered(now).factor
