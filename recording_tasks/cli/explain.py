"""The command that tells what happened to a recording."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from recording_tasks.cli import group, place
from recording_tasks.cli.display import console, table
from recording_tasks.cli.documents import entry_document, print_json, recording_document
from recording_tasks.cli.instants import spoken, spoken_span
from recording_tasks.cli.waiting import progress
from recording_tasks.cli.words import lateness, sentence, summary
from recording_tasks.models import Entry, Recording, Session


@click.command("explain")
@click.argument("recording_id", metavar="RECORDING")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain_command(recording_id: str, as_json: bool) -> int:
    """Tell in words what happened to a recording, when and why.

    Times are counted from the recording's start, with a minus before it.

    \b
    Example:
      recording-tasks explain 1a1fc6e7a2f2fe79174da944
    """  # noqa: D301 - \b is click's
    with place.existing(os.environ) as at:
        recording = at.recorder.find(recording_id)
        sessions = at.store.sessions_of(recording_id)
        timeline = at.store.timeline_of(recording_id)
        now = at.store.now()
    late = lateness(recording, sessions, timeline)
    if as_json:
        print_json(_document(recording, timeline, late))
    else:
        _print(recording, sessions, timeline, late, now)
    return group.OK


def _document(recording: Recording, timeline: Sequence[Entry], late: str | None) -> dict[str, Any]:
    return {
        "recording": recording_document(recording),
        "summary": summary(recording),
        "lateness": late,
        "timeline": [{**entry_document(entry), "said": sentence(entry)} for entry in timeline],
    }


def _print(
    recording: Recording,
    sessions: Sequence[Session],
    timeline: Sequence[Entry],
    late: str | None,
    now: datetime,
) -> None:
    out = console()
    out.print(summary(recording), style="bold", soft_wrap=True, markup=False)
    window = f"Asked for: {spoken(recording.start_at)} to {spoken(recording.stop_at)}"
    out.print(window, soft_wrap=True, markup=False)
    rows = table("FROM START", "SESSION", "WHAT HAPPENED", whole=["FROM START"])
    rows.columns[0].justify = "right"
    for entry in timeline:
        number = str(entry.session_number or "")
        rows.add_row(_from_start(entry.at, recording.start_at), number, sentence(entry))
    out.print()
    out.print(rows)
    out.print()
    if late is not None:
        out.print(late, soft_wrap=True, markup=False)
    files = sum(len(session.files) for session in sessions)
    out.print(f"Sessions: {len(sessions)}; files: {files}", soft_wrap=True)
    if not recording.state.is_final:
        out.print(f"Now: {progress(recording, now)}", soft_wrap=True, markup=False)


def _from_start(at: datetime, start_at: datetime) -> str:
    sign = "-" if at < start_at else "+"
    return f"{sign}{spoken_span(at - start_at)}"
