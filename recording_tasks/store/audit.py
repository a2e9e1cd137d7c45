"""What in the tables does not fit together, or rests on thin evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from recording_tasks.models import RecordingState, SessionState
from recording_tasks.store.database import Database
from recording_tasks.store.schema import recordings, sessions
from recording_tasks.store.statements import among

_GOES_ON = among(state.value for state in RecordingState if not state.is_final)
_RUNS = among((SessionState.STARTED.value, SessionState.RECORDING.value))


class Audit:
    """Questions that reconcile and `doctor` ask; each reads an index, and at most so many rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def doubted(self, now: datetime, most: int) -> list[str]:
        """Name the sessions that were given up for a 404 and are to be asked for once more."""
        query = (
            sa.select(sessions.c.id)
            .where(sessions.c.recheck_at <= now)
            .order_by(sessions.c.recheck_at)
            .limit(most)
        )
        return self._ids(query)

    def unattended(self, most: int) -> list[str]:
        """Name the recordings that are not over, and have no session that needs anything."""
        of_it = sa.and_(sessions.c.recording_id == recordings.c.id, sessions.c.is_open)
        query = (
            sa.select(recordings.c.id)
            .where(recordings.c.state.in_(_GOES_ON), ~sa.exists().where(of_it))
            .order_by(recordings.c.start_at)
            .limit(most)
        )
        return self._ids(query)

    def strays(self, now: datetime, most: int) -> list[str]:
        """Name the sessions that run for a recording that is over, and that nobody is to stop."""
        has_no_stop = sa.or_(sessions.c.stop_at.is_(None), sessions.c.stop_at > now)
        query = (
            sa.select(sessions.c.id)
            .join(recordings, recordings.c.id == sessions.c.recording_id)
            .where(sessions.c.is_open, sessions.c.state.in_(_RUNS), has_no_stop)
            .where(recordings.c.state.not_in(_GOES_ON))
            .limit(most)
        )
        return self._ids(query)

    def unheard(self, since: datetime) -> int:
        """Count the running sessions that Agora was not asked about since then."""
        last = sa.func.coalesce(sessions.c.queried_at, sessions.c.started_at)
        query = sa.select(sa.func.count()).where(
            sessions.c.is_open, sessions.c.state.in_(_RUNS), last < since
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def overdue(self, before: datetime) -> tuple[int, int]:
        """Count the recordings that should have begun before then.

        Returns:
            Those that nobody looked after, and those of which it is known why they wait.
        """
        of_it = sa.and_(sessions.c.recording_id == recordings.c.id, sessions.c.is_open)
        is_told = sa.exists().where(of_it, sessions.c.reason.is_not(None))
        query = (
            sa.select(is_told.label("is_told"), sa.func.count().label("how_many"))
            .where(recordings.c.state == RecordingState.SCHEDULED.value)
            .where(recordings.c.start_at < before)
            .group_by("is_told")
        )
        with self._database.read() as connection:
            counts = {bool(row.is_told): row.how_many for row in connection.execute(query)}
        return counts.get(False, 0), counts.get(True, 0)

    def _ids(self, query: sa.Select[Any]) -> list[str]:
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())
