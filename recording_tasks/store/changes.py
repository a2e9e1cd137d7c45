"""What has to be written when a rule made something else of a recording or a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from recording_tasks.models import Entry, Recording, Session
from recording_tasks.store import rows
from recording_tasks.store.pending import Write
from recording_tasks.store.schema import recordings, sessions, timeline


def following(before: Session, after: Session) -> Session:
    """Give a changed session its next epoch, so that a claim decided on what it was is void.

    Only while a call is under way it stays, because the answer must find its session.
    """
    is_under_way = before.is_sending and after.is_sending
    if after.epoch != before.epoch or is_under_way or after == before:
        return after
    return replace(after, epoch=before.epoch + 1)


def changes(before: Recording, after: Recording) -> list[Write]:
    """Write the columns of a recording that differ."""
    values = rows.changed(rows.recording_row(before), rows.recording_row(after))
    return [Write(table=recordings, key=after.id, values=values)] if values else []


def session_changes(before: Session, after: Session) -> list[Write]:
    """Write the columns of a session that differ."""
    values = rows.changed(rows.session_row(before), rows.session_row(after))
    return [Write(table=sessions, key=after.id, values=values)] if values else []


def lines(recording_id: str, entries: Sequence[Entry]) -> list[Write]:
    """Write new lines of a recording's timeline."""
    writes = []
    for index, entry in enumerate(entries):
        row = rows.entry_row(recording_id, entry)
        row["at"] += timedelta(microseconds=index)  # keeps lines of one instant in order
        writes.append(Write(table=timeline, values=row))
    return writes
