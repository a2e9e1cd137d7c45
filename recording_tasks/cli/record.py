"""The command that asks for a recording, and may wait for its end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from recording_tasks.cli import group, place
from recording_tasks.cli.display import console
from recording_tasks.cli.documents import print_json, recording_document
from recording_tasks.cli.instants import duration_argument, instant_argument, spoken
from recording_tasks.cli.waiting import wait_for_end
from recording_tasks.errors import InvalidInputError
from recording_tasks.models import Recording, RecordingState
from recording_tasks.recorder import Accepted, check_order


@click.command("record")
@click.argument("channel")
@click.option("--start-at", metavar="INSTANT", help="When it begins; now where it is not given.")
@click.option("--stop-at", metavar="INSTANT", help="When it ends.")
@click.option("--duration", metavar="SPAN", help="How long it lasts instead: 90, 90s, 5m, 1h30m.")
@click.option("--mode", metavar="MODE", help="mix (the default), individual or web.")
@click.option("--uid", help="The recorder's uid in the channel; chosen where it is not given.")
@click.option("--key", help="The same key again gives the same recording, never a second one.")
@click.option("--app", metavar="PROFILE", help="The app profile to record with.")
@click.option("--storage", metavar="PROFILE", help="The storage profile to record into.")
@click.option(
    "--request", metavar="FILE|JSON", help="recordingConfig and the like, in Agora's spelling."
)
@click.option(
    "--on-early-exit",
    metavar="WHAT",
    help="restart or finish; restart where an end is given, else finish.",
)
@click.option("--start-within", metavar="SPAN", help="How late it may begin; until its end.")
@click.option("--label", "labels", metavar="NAME=VALUE", multiple=True, help="Repeatable.")
@click.option("--wait", is_flag=True, help="Show how it goes until it is over.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def record_command(
    channel: str,
    request: str | None,
    labels: Sequence[str],
    wait: bool,
    as_json: bool,
    **options: str | None,
) -> int:
    """Record a channel, now or later.

    An INSTANT is ISO 8601 with an offset (2026-11-21T09:00:00+01:00), epoch seconds, or counted
    from now (+10s, +5m). Without an end it records until `recording-tasks stop`.

    With --wait the exit code is 0 when something was recorded and 1 otherwise; Ctrl-C ends the
    waiting (130), not the recording.

    \b
    Example:
      recording-tasks record lesson-7 --start-at +10s --duration 1h --label course=physics
    """  # noqa: D301 - \b is click's
    with place.ready(os.environ) as at:
        arguments, faults = _arguments(channel, request, labels, options, at)
        if faults:
            raise InvalidInputError([*faults, *_further_faults(arguments, at)])
        accepted = at.recorder.record(arguments, at_once=False)
        recording = at.recorder.find(accepted.recording_id)
        if not wait:
            _print(recording, accepted, as_json=as_json)
            return group.OK
        recording = wait_for_end(at.store, recording)
        _print(recording, accepted, as_json=as_json)
        return group.OK if recording.state is RecordingState.STOPPED else group.REFUSED


def _arguments(
    channel: str,
    request: str | None,
    labels: Sequence[str],
    options: dict[str, str | None],
    at: place.Place,
) -> tuple[dict[str, Any], list[str]]:
    """Turn what was typed into the arguments of `record`, with the faults of the typing."""
    now = at.store.now()
    named, faults = _labels(labels)
    parsed, request_faults = _request(request)
    arguments: dict[str, Any] = {
        **options,
        "channel": channel,
        "start_at": instant_argument(options["start_at"], now),
        "stop_at": instant_argument(options["stop_at"], now),
        "duration": duration_argument(options["duration"]),
        "start_within": duration_argument(options["start_within"]),
        "request": parsed,
        "labels": named,
    }
    given = {name: value for name, value in arguments.items() if value is not None}
    return given, faults + request_faults


def _labels(labels: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    pairs = [label.partition("=") for label in labels]
    faults = [
        f"labels: {name} has no value; write NAME=VALUE" if name else "labels: a name is missing"
        for name, equals, _ in pairs
        if not equals or not name
    ]
    return {name: value for name, _, value in pairs}, faults


def _request(given: str | None) -> tuple[Any, list[str]]:
    """Read a request from the command line, from a file, or from standard input (-)."""
    if given is None:
        return None, []
    try:
        text = given if given.lstrip().startswith(("{", "[")) else _text_of(given)
        return json.loads(text), []
    except ValueError as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "its text"
        return None, [f"request: not JSON at {where}"]
    except OSError as error:
        return None, [f"request: cannot read {given}: {error.strerror}"]


def _text_of(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


def _further_faults(arguments: dict[str, Any], at: place.Place) -> tuple[str, ...]:
    try:
        check_order(arguments, at.settings, at.store.now())
    except InvalidInputError as error:
        return error.faults
    return ()


def _print(recording: Recording, accepted: Accepted, *, as_json: bool) -> None:
    if as_json:
        document = recording_document(recording)
        print_json({"recording": document, "is_new": accepted.is_new})
        return
    out = console()
    out.print(recording.id, soft_wrap=True)
    notes = console(stderr=True)
    if recording.state.is_final:
        notes.print(f"{recording.state.value}: {recording.reason}", soft_wrap=True)
        return
    known = "" if accepted.is_new else "known by its key: "
    end = spoken(recording.stop_at) if recording.stop_at else "its stop"
    notes.print(
        f"{known}{recording.channel} from {spoken(recording.start_at)} to {end}; "
        f"follow it with: recording-tasks explain {recording.id}",
        soft_wrap=True,
        markup=False,
    )
