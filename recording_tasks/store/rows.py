"""How our nouns lie in the tables' rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa

from recording_tasks.models import (
    Entry,
    File,
    Mode,
    OnEarlyExit,
    Recording,
    RecordingState,
    Session,
    SessionState,
    Step,
    UploadStatus,
)
from recording_tasks.store import schema
from recording_tasks.store.seen import Mark, Seen

Row = sa.RowMapping | Mapping[str, Any]
T = TypeVar("T")

log = logging.getLogger(__name__)

_RECORDING_COLUMNS = tuple(column.name for column in schema.recordings.c)
_SESSION_COLUMNS = tuple(column.name for column in schema.sessions.c)
_FILE_FIELDS = tuple(field.name for field in fields(File))
_SESSION_FIELDS = tuple(field.name for field in fields(Session))
_RECORDING_FIELDS = tuple(field.name for field in fields(Recording))


def readable(read: Callable[[Row], T], found: Iterable[Row]) -> list[T]:
    """Read many rows, without those that cannot be read: one of them must not hold up the others.

    A newer version beside us may have written what we do not know; it attends to that itself.
    """
    nouns = []
    for row in found:
        try:
            nouns.append(read(row))
        except (ValueError, TypeError) as error:
            _tell(row["id"], str(error))
    return nouns


@lru_cache(maxsize=1000)  # once in a process: the row is met again every second
def _tell(row_id: str, why: str) -> None:
    log.error("row.unreadable id=%s reason=%s", row_id, why)


def session_from(row: Row) -> Session:
    """Read a session from a row of its table; columns of a newer version are left out."""
    values = {name: row[name] for name in _SESSION_FIELDS}
    values["mode"] = Mode(values["mode"])
    values["state"] = SessionState(values["state"])
    values["step"] = Step(values["step"])
    if values["claimed"] is not None:
        values["claimed"] = Step(values["claimed"])
    if values["upload_status"] is not None:
        values["upload_status"] = UploadStatus(values["upload_status"])
    values["files"] = tuple(File(**file) for file in values["files"])
    return Session(**values)


def session_row(session: Session) -> dict[str, Any]:
    """Write a session as a row of its table."""
    row = {name: getattr(session, name) for name in _SESSION_FIELDS}
    row["files"] = [_file_row(file) for file in session.files]
    row["lane"] = session.lane
    row["is_open"] = not session.state.is_final or session.step is not Step.REST
    return row


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the columns whose value differs."""
    return {name: value for name, value in after.items() if value != before[name]}


def recording_from(row: Row) -> Recording:
    """Read a recording from a row of its table."""
    values = {name: row[name] for name in _RECORDING_FIELDS}
    values["mode"] = Mode(values["mode"])
    values["state"] = RecordingState(values["state"])
    values["on_early_exit"] = OnEarlyExit(values["on_early_exit"])
    return Recording(**values)


def both_from(row: Sequence[Any]) -> tuple[Recording, Session]:
    """Read a recording and a session from a row that joins the two tables."""
    count = len(_RECORDING_COLUMNS)
    recording = dict(zip(_RECORDING_COLUMNS, row[:count], strict=True))
    session = dict(zip(_SESSION_COLUMNS, row[count:], strict=True))
    return recording_from(recording), session_from(session)


def seen_from(row: Sequence[Any]) -> Seen:
    """Read a recording and a session from a row that ends with the marks of both."""
    mark = Mark(recording=row[-2], session=row[-1])
    recording, session = both_from(row[:-2])
    return Seen(recording=recording, session=session, mark=mark)


def recording_row(recording: Recording) -> dict[str, Any]:
    """Write a recording as a row of its table."""
    row = {name: getattr(recording, name) for name in _RECORDING_FIELDS}
    is_told = recording.notified_at is not None or not recording.notify
    row["is_notice_due"] = recording.state.is_final and not is_told
    return row


def entry_from(row: Row) -> Entry:
    """Read one line of a timeline."""
    return Entry(
        at=row["at"],
        event=row["event"],
        session_number=row["session_number"],
        facts=row["facts"],
    )


def entry_row(recording_id: str, entry: Entry) -> dict[str, Any]:
    """Write one line of a timeline."""
    return {
        "recording_id": recording_id,
        "session_number": entry.session_number,
        "at": entry.at,
        "event": entry.event,
        "facts": dict(entry.facts),
    }


def _file_row(file: File) -> dict[str, Any]:
    return {name: getattr(file, name) for name in _FILE_FIELDS}
