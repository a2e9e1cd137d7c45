"""What is read and written inside one open transaction, and what is held until its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from recording_tasks.models import (
    Entry,
    Recording,
    Session,
    Step,
)
from recording_tasks.store import rows, statements
from recording_tasks.store.changes import changes, following, lines, session_changes
from recording_tasks.store.pending import Write, send
from recording_tasks.store.schema import apps, recordings, sessions

_SHORT_WAITS = (0.0, 0.005, 0.01, 0.02)  # seconds, for an app's row


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """A start that lies ahead, as far as planning its acquire needs it."""

    session_id: str
    start_at: datetime
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How many sessions of an app there are.

    Attributes:
        running: Those that may run, and those that are on their way to it.
        waiting: Those that should be on their way and are not.
    """

    running: int
    waiting: int


class Writing:
    """The writing verbs, inside one open transaction.

    Locks are taken in one order everywhere: the account's row, the app's, then a recording, then
    its sessions.
    Rows are written together at the end, in one statement where the database can do that; what
    is read meanwhile does not show them.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._is_postgresql = connection.dialect.name == "postgresql"
        self._pending: list[Write] = []

    def flush(self) -> None:
        """Send what is to be written; the store does it at the end of the transaction."""
        pending, self._pending = self._pending, []
        send(self._connection, pending)

    # -- the app's quota -----------------------------------------------------------------

    def lock_quota(self, app: str, *, patiently: bool = True) -> dict[str, Any] | None:
        """Lock the app's row and read its quota; the row is made when it is missing.

        Returns:
            None when somebody else holds the lock, for longer than an answer takes to be written
            down, and we were not to wait.
        """
        query = statements.QUOTA_PATIENTLY if patiently else statements.QUOTA_IF_FREE
        for wait in (0.0,) if patiently else _SHORT_WAITS:
            time.sleep(wait)
            quota = self._connection.execute(query, {"app": app}).scalar_one_or_none()
            if quota is not None:
                return dict(quota)
            if self._insert_unless_there(apps, {"name": app, "quota": {}}, "name"):
                return {}
        return self.lock_quota(app) if patiently else None

    def save_quota(self, app: str, quota: Mapping[str, Any]) -> None:
        """Write the quota of an app whose row we hold."""
        self._pending.append(Write(table=apps, key=app, values={"quota": dict(quota)}))

    def crowd(self, app: str, now: datetime, soon: datetime) -> Crowd:
        """Count the sessions of an app whose row we hold; acquires are made for up to `soon`."""
        of_app = {"app": app, "now": now, "soon": soon}
        running, acquired, waiting = self._connection.execute(statements.CROWD, of_app).one()
        return Crowd(running=running + acquired, waiting=waiting)

    # -- recordings ----------------------------------------------------------------------

    def add(self, recording: Recording, session: Session, entries: Sequence[Entry]) -> bool:
        """Insert a recording with its first session; False when its key is known already."""
        row = rows.recording_row(recording)
        if recording.key is None:
            self._pending.append(Write(table=recordings, values=row))
        elif not self._insert_unless_there(recordings, row, "key"):
            return False
        self.add_session(session)
        self.write(recording.id, entries)
        return True

    def add_session(self, session: Session) -> None:
        """Insert a session."""
        self._pending.append(Write(table=sessions, values=rows.session_row(session)))

    def write(self, recording_id: str, entries: Sequence[Entry]) -> None:
        """Append to a recording's timeline."""
        self._pending += lines(recording_id, entries)

    def read(self, recording_id: str) -> Recording | None:
        """Read a recording without holding it."""
        query = sa.select(recordings).where(recordings.c.id == recording_id)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else rows.recording_from(row)

    def renew(self, session_id: str, epoch: int, lease_until: datetime) -> bool:
        """Hold a session that we are calling for longer; False when it is ours no more."""
        statement = (
            sa.update(sessions)
            .where(sessions.c.id == session_id, sessions.c.epoch == epoch, sessions.c.is_sending)
            .values(lease_until=lease_until)
        )
        return self._connection.execute(statement).rowcount == 1

    def make_due(self, recording_id: str, step: Step, now: datetime) -> bool:
        """Bring the next step of a recording's idle session forward to now."""
        statement = (
            sa.update(sessions)
            .where(
                sessions.c.recording_id == recording_id,
                sessions.c.is_open,
                sessions.c.step == step.value,
                sessions.c.claimed.is_(None),
                sessions.c.due_at > now,
                # a start never leaves before its instant, whoever asks
                sa.or_(sa.literal(step is not Step.START), sessions.c.start_at <= now),
            )
            .values(due_at=now, epoch=sessions.c.epoch + 1)
        )
        return self._connection.execute(statement).rowcount > 0

    def bound_stops(self, recording_id: str, number: int, stop_at: datetime) -> None:
        """Stop the running sessions before this number at the latest then."""
        statement = (
            sa.update(sessions)
            .where(
                sessions.c.recording_id == recording_id,
                sessions.c.number < number,
                sessions.c.is_open,
                sa.or_(sessions.c.stop_at.is_(None), sessions.c.stop_at > stop_at),
            )
            .values(stop_at=stop_at)
        )
        self._connection.execute(statement)

    def lock(self, recording_id: str) -> Recording | None:
        """Lock a recording and read it; nobody else changes it or its sessions until the end."""
        query = sa.select(recordings).where(recordings.c.id == recording_id).with_for_update()
        row = self._connection.execute(query).mappings().first()
        return None if row is None else rows.recording_from(row)

    def sessions_of(self, recording_id: str) -> list[Session]:
        """Lock the open sessions of a recording that we hold, and read them."""
        query = (
            sa.select(sessions)
            .where(sessions.c.recording_id == recording_id, sessions.c.is_open)
            .order_by(sessions.c.number)
            .with_for_update()
        )
        return [rows.session_from(row) for row in self._connection.execute(query).mappings()]

    def session(self, session_id: str) -> Session | None:
        """Lock one session of a recording that we hold, and read it."""
        query = sa.select(sessions).where(sessions.c.id == session_id).with_for_update()
        row = self._connection.execute(query).mappings().first()
        return None if row is None else rows.session_from(row)

    def lock_with_session(self, session_id: str) -> tuple[Recording, Session] | None:
        """Lock a recording and one session of it, and read both in one go."""
        row = self._connection.execute(statements.WITH_SESSION, {"id": session_id}).first()
        return None if row is None else rows.both_from(row)

    def lock_latest(self, recording_id: str) -> tuple[Recording, Session] | None:
        """Lock a recording and the latest of its sessions, and read both in one go."""
        query, of_it = statements.WITH_LATEST, {"id": recording_id}
        row = self._connection.execute(query, of_it).first()
        if row is None:  # another session took over while we waited for the lock
            row = self._connection.execute(query, of_it).first()
        return None if row is None else rows.both_from(row)

    def save(self, before: Recording, after: Recording) -> None:
        """Write what changed of a recording that we hold."""
        self._pending += changes(before, after)

    def save_session(self, before: Session, after: Session) -> None:
        """Write what changed of a session that we hold, under its next epoch."""
        self._pending += session_changes(before, following(before, after))

    def uids_of(self, app: str, channel: str) -> frozenset[str]:
        """Name the uids of the channel's open sessions."""
        of_channel = {"app": app, "channel": channel}
        return frozenset(self._connection.execute(statements.UIDS, of_channel).scalars())

    # -- claims --------------------------------------------------------------------------

    def due(self, app: str, now: datetime, until: datetime, most: int) -> list[Session]:
        """Read the sessions that need something until then, at most so many of each lane.

        A session whose stop is due is among them whatever else it waits for, but for those that
        wait because of it.  All are held until the end: what is claimed is what was read.
        """
        parameters = {"app": app, "now": now, "until": until, "most": most}
        found = self._connection.execute(statements.due(), parameters)
        once = {row["id"]: row for row in found.mappings()}
        return rows.readable(rows.session_from, once.values())

    def upcoming(self, apps: Sequence[str], until: datetime, most: int) -> list[Upcoming]:
        """Read the starts that lie ahead, in their order, to plan their acquires."""
        statement, of_apps = _of(apps, statements.upcoming, statements.upcoming_together)
        found = self._connection.execute(statement, {**of_apps, "until": until, "most": most})
        return [
            Upcoming(session_id=row.id, start_at=row.start_at, step=Step(row.step)) for row in found
        ]

    def is_behind(self, app: str, now: datetime) -> bool:
        """Tell whether a stop, a start or an acquire is due that no sweep had a slot for."""
        asked = self._connection.execute(statements.is_behind(), {"app": app, "now": now})
        return bool(asked.scalar_one())

    def stops_ahead(
        self, apps: Sequence[str], now: datetime, until: datetime, most: int
    ) -> list[datetime]:
        """Read when the stops are due that lie just ahead and were not claimed yet."""
        statement, of_apps = _of(apps, statements.stops_ahead, statements.stops_ahead_together)
        parameters = {**of_apps, "now": now, "until": until, "most": most}
        return list(self._connection.execute(statement, parameters).scalars())

    def sessions_by_id(self, session_ids: Sequence[str], now: datetime, most: int) -> list[Session]:
        """Read and hold the first of these sessions that nobody has claimed."""
        query = sa.select(sessions).where(
            sessions.c.id.in_(session_ids),
            sessions.c.is_open,
            sa.or_(sessions.c.lease_until.is_(None), sessions.c.lease_until <= now),
        )
        query = query.order_by(sessions.c.start_at, sessions.c.id).limit(most)
        query = query.with_for_update(skip_locked=True)
        found = self._connection.execute(query).mappings()
        return rows.readable(rows.session_from, found)

    def claim(self, claims: Sequence[tuple[Session, Session]]) -> None:
        """Write claims; each takes effect only if its session is as it was read.

        Args:
            claims: Each session as it was read, and as claimed.
        """
        if not claims:
            return
        values = []
        for before, after in claims:
            row = {f"b_new_{name}": getattr(after, name) for name in statements.CLAIM_COLUMNS}
            was = {"b_epoch": before.epoch, "b_was_sending": before.is_sending}
            values.append({**row, **was, "b_id": before.id})
        self._connection.execute(statements.CLAIM, values)

    def _insert_unless_there(self, table: sa.Table, values: Mapping[str, Any], column: str) -> bool:
        insert = (postgresql.insert if self._is_postgresql else sqlite.insert)(table)
        statement = insert.values(**values).on_conflict_do_nothing(index_elements=[column])
        returning = statement.returning(sa.literal(1))
        return self._connection.execute(returning).first() is not None


def filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is NULL anyway."""
    return {name: value for name, value in row.items() if value is not None}


def _of(
    apps: Sequence[str],
    of_one: Callable[[], sa.Executable],
    of_several: Callable[[], sa.Executable],
) -> tuple[sa.Executable, dict[str, Any]]:
    """Choose what asks of one app, always by the same plan, or of several."""
    if len(apps) == 1:
        return of_one(), {"app": apps[0]}
    return of_several(), {"apps": list(apps)}
