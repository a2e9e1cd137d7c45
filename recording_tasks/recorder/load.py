"""How often the running sessions of an app can be asked about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

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
    return Pace(
        rate=settings.app(app).rate,
        margin=settings.margin.total_seconds(),
        tolerance=settings.tolerance.total_seconds(),
        poll_share=settings.query_share,
    )


def load_of(store: Store, settings: Settings, app: str) -> Load:
    """Count what runs of an app, and share out what polls may use of its quota."""
    live, raw = store.live(app)
    factor = Quota.from_json(raw).recovered(store.now().timestamp()).factor
    least = settings.rules.query_every
    every = poll_every(live, pace_of(settings, app), factor, least.total_seconds())
    return Load(
        app=app,
        live=live,
        every=timedelta(seconds=every),
        most=max(least, _DOCUMENTED),
    )
