"""Recordings that are long over: found, read as they lie in the tables, and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from recording_tasks.models import RecordingState
from recording_tasks.store.database import Database
from recording_tasks.store.schema import metadata, recordings, sessions, timeline
from recording_tasks.store.statements import among

Document = dict[str, Any]

# Whatever hangs on a recording, what hangs on the rest first.
PARTS = tuple(table for table in reversed(metadata.sorted_tables) if "recording_id" in table.c)

_GOES_ON = among(state.value for state in RecordingState if not state.is_final)
_ORDER = {sessions: (sessions.c.number,), timeline: (timeline.c.at, timeline.c.id)}
# It may run, or Agora is still to be asked about it.
_is_needed = sa.or_(sessions.c.is_open, sessions.c.recheck_at.is_not(None))


class Bygones:
    """What nobody will change any more, and nobody is still to be told of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove(
        self, before: datetime, most: int, archive: Callable[[Sequence[Document]], None] | None
    ) -> int:
        """Remove at most so many recordings that were over before then, the oldest first.

        What somebody else holds is left out.

        Args:
            archive: Is given the recordings before they are removed; when it raises, they stay.

        Returns:
            How many were removed.
        """
        with self._database.begin() as connection:
            held = list(connection.execute(found(before, most)).scalars())
            # A session that was opened just before we held its recording is seen only now.
            needed = set(connection.execute(still_needed(held)).scalars()) if held else set()
            ids = [recording_id for recording_id in held if recording_id not in needed]
            if ids and archive is not None:
                archive(_documents(connection, ids))
            for table in PARTS if ids else ():
                connection.execute(sa.delete(table).where(table.c.recording_id.in_(ids)))
            if ids:
                connection.execute(sa.delete(recordings).where(recordings.c.id.in_(ids)))
        return len(ids)

    def count(self, before: datetime) -> int:
        """Count what was over before then; reads all of it."""
        query = sa.select(sa.func.count()).select_from(recordings).where(*_is_bygone(before))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()


def found(before: datetime, most: int) -> sa.Select[Any]:
    """Find and hold what was over before then, with no session that may need anything."""
    return (
        sa.select(recordings.c.id)
        .where(*_is_bygone(before))
        .order_by(recordings.c.finished_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )


def _is_bygone(before: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    of_it = sa.and_(sessions.c.recording_id == recordings.c.id, _is_needed)
    return (
        recordings.c.finished_at < before,
        recordings.c.state.not_in(_GOES_ON),  # a list of what is over would draw SQLite to it
        sa.not_(recordings.c.is_notice_due),
        ~sa.exists().where(of_it),
    )


def still_needed(recording_ids: Sequence[str]) -> sa.Select[Any]:
    """Name those of these recordings that have a session which may need something."""
    return sa.select(sessions.c.recording_id).where(
        sessions.c.recording_id.in_(recording_ids), _is_needed
    )


def _documents(connection: sa.Connection, ids: Sequence[str]) -> list[Document]:
    """Read recordings with all that hangs on them, as rows without their empty columns."""
    query = sa.select(recordings).where(recordings.c.id.in_(ids))
    documents: dict[str, Document] = {
        row["id"]: {"recording": _filled(row), **{table.name: [] for table in PARTS}}
        for row in connection.execute(query).mappings()
    }
    for table in PARTS:
        order = _ORDER.get(table, tuple(table.primary_key))
        rows = sa.select(table).where(table.c.recording_id.in_(ids)).order_by(*order)
        for row in connection.execute(rows).mappings():
            documents[row["recording_id"]][table.name].append(_filled(row))
    return [documents[recording_id] for recording_id in ids]


def _filled(row: sa.RowMapping) -> Document:
    return {name: value for name, value in row.items() if value is not None}
