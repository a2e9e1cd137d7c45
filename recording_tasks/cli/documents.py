"""The JSON that commands print: stable keys, instants in ISO 8601 UTC, never a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from recording_tasks.cli.bucket import object_key
from recording_tasks.cli.instants import iso
from recording_tasks.models import Entry, File, Recording, Session
from recording_tasks.monitoring import scrubbed
from recording_tasks.wire import StorageConfig


def print_json(document: Mapping[str, Any]) -> None:
    """Print one document, and nothing else, on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def recording_document(recording: Recording) -> dict[str, Any]:
    """Write what was asked for and what became of it."""
    return {
        "id": recording.id,
        "key": recording.key,
        "app": recording.app,
        "channel": recording.channel,
        "mode": recording.mode.value,
        "uid": recording.uid,
        "start_at": iso(recording.start_at),
        "stop_at": iso(recording.stop_at),
        "storage": recording.storage,
        "on_early_exit": recording.on_early_exit.value,
        "start_within": recording.start_within,
        "labels": dict(recording.labels),
        "state": recording.state.value,
        "is_final": recording.state.is_final,
        "reason": recording.reason,
        "created_at": iso(recording.created_at),
        "finished_at": iso(recording.finished_at),
        "session_count": recording.session_count,
    }


def full_document(
    recording: Recording,
    sessions: Sequence[Session],
    timeline: Sequence[Entry],
    storage: StorageConfig | None,
) -> dict[str, Any]:
    """Write a recording with everything that belongs to it."""
    return {
        "recording": {
            **recording_document(recording),
            "request": scrubbed(dict(recording.request)),
            "notify": dict(recording.notify),
        },
        "sessions": [session_document(session) for session in sessions],
        "files": [
            {"session_number": session.number, **file_document(file, storage)}
            for session in sessions
            for file in session.files
        ],
        "timeline": [entry_document(entry) for entry in timeline],
    }


def session_document(session: Session) -> dict[str, Any]:
    """Write one session."""
    return {
        "number": session.number,
        "uid": session.uid,
        "sid": session.sid,
        "state": session.state.value,
        "is_final": session.state.is_final,
        "start_at": iso(session.start_at),
        "stop_at": iso(session.stop_at),
        "started_at": iso(session.started_at),
        "confirmed_at": iso(session.confirmed_at),
        "ended_at": iso(session.ended_at),
        "upload_status": session.upload_status.value if session.upload_status else None,
        "file_count": len(session.files),
        "reason": session.reason,
    }


def file_document(file: File, storage: StorageConfig | None) -> dict[str, Any]:
    """Write one file, with its place in the bucket."""
    return {
        "object_key": object_key(file, storage),
        "name": file.name,
        "track_type": file.track_type,
        "uid": file.uid,
        "is_playable": file.is_playable,
        "slice_start_ms": file.slice_start_ms,
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """Write one line of the timeline."""
    return {
        "at": iso(entry.at),
        "event": entry.event,
        "session_number": entry.session_number,
        "facts": dict(entry.facts),
    }
