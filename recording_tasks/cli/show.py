"""The command that shows all that is known of one recording."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
from rich.console import Console

from recording_tasks.cli import group, place
from recording_tasks.cli.bucket import object_key
from recording_tasks.cli.display import console, print_facts, state_text, table
from recording_tasks.cli.documents import full_document, print_json
from recording_tasks.cli.instants import spoken
from recording_tasks.models import Entry, Recording, Session
from recording_tasks.store import ASKED_BY
from recording_tasks.wire import StorageConfig

_LONG = {"resource_id", ASKED_BY}  # they are in the JSON


@click.command("show")
@click.argument("recording_id", metavar="RECORDING")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show_command(recording_id: str, as_json: bool) -> int:
    """Show one recording: its sessions, files and timeline.

    \b
    Example:
      recording-tasks show 1a1fc6e7a2f2fe79174da944 --json
    """  # noqa: D301 - \b is click's
    with place.existing(os.environ) as at:
        recording = at.recorder.find(recording_id)
        sessions = at.store.sessions_of(recording_id)
        timeline = at.store.timeline_of(recording_id)
        storage = at.settings.storages.get(recording.storage)
    if as_json:
        print_json(full_document(recording, sessions, timeline, storage))
        return group.OK
    out = console()
    _print_recording(out, recording)
    _print_sessions(out, sessions)
    _print_files(out, sessions, storage)
    _print_timeline(out, timeline)
    return group.OK


def _print_recording(out: Console, recording: Recording) -> None:
    labels = ", ".join(f"{name}={value}" for name, value in recording.labels.items())
    facts: list[tuple[str, object]] = [
        ("recording", recording.id),
        ("channel", recording.channel),
        ("state", state_text(recording.state) if out.is_terminal else recording.state.value),
        ("reason", recording.reason),
        ("mode", recording.mode.value),
        ("from", spoken(recording.start_at)),
        ("to", spoken(recording.stop_at)),
        ("app", recording.app),
        ("storage", recording.storage),
        ("key", recording.key),
        ("labels", labels),
    ]
    print_facts(out, facts)


def _print_sessions(out: Console, sessions: Sequence[Session]) -> None:
    rows = table("SESSION", "UID", "STATE", "STARTED", "ENDED", "FILES", "SID", whole=["UID"])
    for session in sessions:
        rows.add_row(
            str(session.number),
            session.uid,
            session.state.value,
            spoken(session.started_at),
            spoken(session.ended_at),
            str(len(session.files)),
            session.sid or "-",
        )
    out.print()
    out.print(rows)


def _print_files(out: Console, sessions: Sequence[Session], storage: StorageConfig | None) -> None:
    files = [file for session in sessions for file in session.files]
    if not files:
        return
    rows = table("FILE IN THE BUCKET", "TRACK", "UID")
    for file in files:
        rows.add_row(object_key(file, storage), file.track_type or "-", file.uid or "-")
    out.print()
    out.print(rows)


def _print_timeline(out: Console, timeline: Sequence[Entry]) -> None:
    rows = table("AT", "EVENT", "SESSION", "FACTS", whole=["AT", "EVENT"])
    for entry in timeline:
        facts = {name: value for name, value in entry.facts.items() if name not in _LONG}
        rows.add_row(
            entry.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z",
            entry.event,
            str(entry.session_number or "-"),
            ", ".join(f"{name}: {value}" for name, value in facts.items()),
        )
    out.print()
    out.print(rows)
