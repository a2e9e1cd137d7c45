"""What is read and written together: the store's verbs, each inside one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from recording_tasks.models import (
    Entry,
    Recording,
    RecordingState,
    Session,
    Step,
)
from recording_tasks.store import gates, rows, statements
from recording_tasks.store.changes import changes, following, lines, session_changes
from recording_tasks.store.database import Database
from recording_tasks.store.driver import prepared
from recording_tasks.store.pending import Write, parameters
from recording_tasks.store.schema import recordings, sessions, timeline
from recording_tasks.store.seen import Mark, Seen
from recording_tasks.store.writing import Writing, filled

_SHORT_WAITS = (0.0, 0.005, 0.01, 0.02)  # seconds, for an app's row


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An app that a sweep has to look at.

    Attributes:
        has_starts: Whether starts lie ahead, whose acquires are to be planned.
        has_stops: Whether a stop is due.
    """

    app: str
    has_starts: bool
    has_stops: bool = False


class Store:
    """The timetable and the truth.

    Reading methods stand alone; what writes goes through `writing()`, one transaction.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def now(self) -> datetime:
        """Tell the database's time."""
        return self.database.now()

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Open a transaction to write in.

        Raises:
            StoreUnavailableError: Nothing was written.
        """
        with self.database.begin() as connection:
            writing = Writing(connection)
            yield writing
            writing.flush()

    def take(
        self, session_id: str, epoch: int, step: Step, *, latest_slot: datetime, **values: Any
    ) -> Seen | None:
        """Begin a claimed call: write down the intent before anything is sent.

        Returns:
            None when the claim is void: taken already, given to another, or edited away.
        """
        parameters: dict[str, Any] = {
            "of_id": session_id,
            "of_epoch": epoch,
            "of_step": step.value,
            "latest_slot": latest_slot,
        }
        parameters |= {f"new_{name}": value for name, value in values.items()}
        if not self.database.is_sqlite:
            row = self.database.run(statements.take_marked(tuple(values)), parameters)
            return None if row is None else rows.seen_from(row)
        with self.database.begin() as connection:
            taking = statements.take(tuple(values)).returning(sessions)
            its = connection.execute(taking, parameters).mappings().first()
            if its is None:
                return None
            of_it = {"id": its["recording_id"]}
            ours = connection.execute(statements.RECORDING, of_it).mappings().one()
        return Seen(recording=rows.recording_from(ours), session=rows.session_from(its))

    def see_latest(self, recording_id: str) -> Seen | None:
        """Read a recording with the latest of its sessions, and hold neither."""
        of_it = {"id": recording_id}
        if not self.database.is_sqlite:
            row = self.database.run(prepared(statements.MARKED_LATEST), of_it)
            return None if row is None else rows.seen_from(row)
        with self.database.read() as connection:
            found = connection.execute(statements.LATEST, of_it).first()
        if found is None:
            return None
        recording, session = rows.both_from(found)
        return Seen(recording=recording, session=session)

    def save_unless_changed(
        self, seen: Seen, recording: Recording, session: Session, entries: Sequence[Entry]
    ) -> Seen | None:
        """Write what was decided on what was seen, at once and without holding it before.

        Returns:
            What stands there now; None when either had changed since, and nothing was written.

        Raises:
            StoreUnavailableError: It may have been written; trying again is safe, because then
                both have changed.
        """
        session = following(seen.session, session)
        if seen.mark is None:
            is_saved = self._save_if_equal(seen, recording, session, entries)
            return Seen(recording=recording, session=session) if is_saved else None
        ours = changes(seen.recording, recording)
        its = session_changes(seen.session, session)
        writes = [*ours, *its, *lines(recording.id, entries)]
        values = parameters(writes) | {
            "seen_id": session.id,
            "seen_recording": seen.mark.recording,
            "seen_session": seen.mark.session,
        }
        row = self.database.run(gates.unless_changed(writes), values)
        if row is None:
            return None
        (written,) = row
        mark = Mark(
            recording=written if ours else seen.mark.recording,
            session=written if its else seen.mark.session,
        )
        return Seen(recording=recording, session=session, mark=mark)

    def _save_if_equal(
        self, seen: Seen, recording: Recording, session: Session, entries: Sequence[Entry]
    ) -> bool:
        """Write if what stands there equals what was seen; SQLite's one writer needs no marks."""
        with self.writing() as writing:
            if writing.lock_with_session(session.id) != (seen.recording, seen.session):
                return False
            writing.save(seen.recording, recording)
            writing.save_session(seen.session, session)
            writing.write(recording.id, entries)
        return True

    def add(self, recording: Recording, session: Session, entries: Sequence[Entry]) -> bool:
        """Insert a recording with its first session; False when its key is known already."""
        if self.database.is_sqlite:
            with self.writing() as writing:
                return writing.add(recording, session, entries)
        first = Write(table=recordings, values=filled(rows.recording_row(recording)))
        rest = [
            Write(table=sessions, values=filled(rows.session_row(session))),
            *lines(recording.id, entries),
        ]
        values = parameters([first, *rest])
        return self.database.run(gates.unless_known(first, rest), values) is not None

    def uids_of(self, app: str, channel: str) -> frozenset[str]:
        """Name the uids of the channel's open sessions."""
        of_channel = {"app": app, "channel": channel}
        with self.database.read() as connection:
            return frozenset(connection.execute(statements.UIDS, of_channel).scalars())

    def find(self, recording_id: str) -> Recording | None:
        """Read one recording."""
        with self.database.read() as connection:
            found = connection.execute(statements.RECORDING, {"id": recording_id})
            row = found.mappings().first()
        return None if row is None else rows.recording_from(row)

    def find_by_key(self, key: str) -> Recording | None:
        """Read the recording that was accepted under an idempotency key."""
        with self.database.read() as connection:
            found = connection.execute(statements.RECORDING_BY_KEY, {"key": key})
            row = found.mappings().first()
        return None if row is None else rows.recording_from(row)

    def sessions_of(self, recording_id: str) -> list[Session]:
        """Read all sessions of a recording, the first one first."""
        query = (
            sa.select(sessions)
            .where(sessions.c.recording_id == recording_id)
            .order_by(sessions.c.number)
        )
        with self.database.read() as connection:
            return [rows.session_from(row) for row in connection.execute(query).mappings()]

    def timeline_of(self, recording_id: str) -> list[Entry]:
        """Read the timeline of a recording, in the order it was written."""
        query = (
            sa.select(timeline)
            .where(timeline.c.recording_id == recording_id)
            .order_by(timeline.c.at, timeline.c.id)
        )
        with self.database.read() as connection:
            return [rows.entry_from(row) for row in connection.execute(query).mappings()]

    def is_heeded(self, recording_id: str, asked_by: str) -> bool:
        """Tell whether a recording's timeline has a wish that this message brought."""
        of_it = {"id": recording_id, "asked_by": asked_by}
        with self.database.read() as connection:
            return connection.execute(statements.HEEDED, of_it).first() is not None

    def recent(
        self, *, states: Sequence[RecordingState] = (), channel: str | None = None, most: int = 50
    ) -> list[Recording]:
        """Read the latest recordings, the newest first."""
        query = sa.select(recordings).order_by(recordings.c.created_at.desc()).limit(most)
        if states:
            wanted = statements.among(state.value for state in states)
            query = query.where(recordings.c.state.in_(wanted))
        if channel is not None:
            query = query.where(recordings.c.channel == channel)
        with self.database.read() as connection:
            return rows.readable(rows.recording_from, connection.execute(query).mappings())

    def apps_with_work(self, until: datetime, ahead: datetime) -> list[Work]:
        """Find the apps that have an open session with something due until then.

        Args:
            ahead: Starts, and the acquires before them, count if they are due until then.
        """
        instants = {"until": until, "ahead": ahead}
        with self.database.read() as connection:
            rows = connection.execute(statements.apps_with_work(), instants)
            return [
                Work(app=row.name, has_starts=bool(row.has_starts), has_stops=bool(row.has_stops))
                for row in rows
            ]

    def notices_due(self, most: int) -> list[Recording]:
        """Read recordings that are over and whose asker is still to be told."""
        query = sa.select(recordings).where(recordings.c.is_notice_due)
        query = query.order_by(recordings.c.id).limit(most)
        with self.database.read() as connection:
            return rows.readable(rows.recording_from, connection.execute(query).mappings())

    def live(self, app: str) -> tuple[int, dict[str, Any]]:
        """Count an app's sessions that Agora is asked about, and read its quota, holding none."""
        with self.database.read() as connection:
            count, quota = connection.execute(statements.LIVE, {"app": app}).one()
        return count, dict(quota or {})

    def live_together(self, account: str, apps: Sequence[str]) -> tuple[int, dict[str, Any]]:
        """Count the same of all apps of an account, and read the account's quota."""
        of_apps = {"app": account, "apps": list(apps)}
        with self.database.read() as connection:
            count, quota = connection.execute(statements.LIVE_TOGETHER, of_apps).one()
        return count, dict(quota or {})

    def open_counts(self) -> dict[str, int]:
        """Count the recordings in each state that is not final."""
        open_states = statements.among(
            state.value for state in RecordingState if not state.is_final
        )
        query = (
            sa.select(recordings.c.state, sa.func.count().label("how_many"))
            .where(recordings.c.state.in_(open_states))
            .group_by(recordings.c.state)
        )
        with self.database.read() as connection:
            return {row.state: row.how_many for row in connection.execute(query)}
