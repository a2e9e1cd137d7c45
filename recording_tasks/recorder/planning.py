"""How early the acquires of the herds ahead are laid, by an app's quota and by its account's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from recording_tasks.lifecycle import acquire_instants
from recording_tasks.limiter import Pace, Quota
from recording_tasks.models import Step
from recording_tasks.settings import Settings
from recording_tasks.store import Upcoming, Writing

_MOST_AHEAD = 3000  # starts for which acquires are planned


class Plans:
    """What one sweep plans; a herd of an account's apps is laid once for all of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of_accounts: dict[str, Mapping[str, datetime]] = {}

    def acquires(
        self, writing: Writing, app: str, quota: Quota, pace: Pace, now: datetime
    ) -> Mapping[str, datetime]:
        """Tell when the sessions of an app that start soon are to acquire, by their ids."""
        until = now + self._settings.rules.resource_use
        ahead = writing.upcoming([app], until, most=_MOST_AHEAD)
        planned = self._laid(ahead, pace.period, quota.own_spacing(pace))
        account = self._settings.account_row(app)
        if not ahead or account is None or quota.outer is None or pace.outer is None:
            return planned
        if account not in self._of_accounts:
            sharers = self._settings.sharers(app)
            if len(sharers) > 1:
                ahead = writing.upcoming(sharers, until, most=_MOST_AHEAD)
            spacing = quota.outer.own_spacing(pace.outer)
            self._of_accounts[account] = self._laid(ahead, pace.outer.period, spacing)
        together = self._of_accounts[account]
        return {key: min(at, together.get(key, at)) for key, at in planned.items()}

    def _laid(
        self, ahead: Sequence[Upcoming], period: float, spacing: float
    ) -> Mapping[str, datetime]:
        """Lay the acquires of the starts ahead so early that one quota serves them all in time."""
        starts = [(start.start_at, start.step is Step.ACQUIRE) for start in ahead]
        instants = acquire_instants(
            starts, timedelta(seconds=spacing), timedelta(seconds=period), self._settings.rules
        )
        acquires = [start.session_id for start in ahead if start.step is Step.ACQUIRE]
        return dict(zip(acquires, instants, strict=True))
