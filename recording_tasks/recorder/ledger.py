"""Where an app's quota is written: its own row, and its account's before it."""

from __future__ import annotations

from dataclasses import replace

from recording_tasks.limiter import Quota
from recording_tasks.settings import Settings
from recording_tasks.store import Writing


def hold(writing: Writing, settings: Settings, app: str, *, patiently: bool = True) -> Quota | None:
    """Lock what an app's calls are counted in, and read it; before any recording is locked.

    Returns:
        None when somebody else holds the app's row and we were not to wait.
    """
    outer = None
    if (account := settings.account_row(app)) is not None:
        outer = Quota.from_json(writing.lock_quota(account) or {})
    raw = writing.lock_quota(app, patiently=patiently)
    return None if raw is None else replace(Quota.from_json(raw), outer=outer)


def held(writing: Writing, settings: Settings, app: str) -> Quota:
    """Lock and read as `hold` does, however long it takes."""
    return hold(writing, settings, app) or Quota()


def keep(writing: Writing, settings: Settings, app: str, quota: Quota) -> None:
    """Write what was held."""
    writing.save_quota(app, quota.to_json())
    account = settings.account_row(app)
    if account is not None and quota.outer is not None:
        writing.save_quota(account, quota.outer.to_json())
