"""The commands that change what was asked for: stop, extend, cancel."""

from __future__ import annotations

import os

import click

from recording_tasks.cli import group, place
from recording_tasks.cli.display import console
from recording_tasks.cli.documents import print_json, recording_document
from recording_tasks.cli.instants import duration_argument, instant_argument, spoken
from recording_tasks.cli.waiting import wait_for_end
from recording_tasks.models import Recording, RecordingState

_recording = click.argument("recording_id", metavar="RECORDING")
_wait = click.option("--wait", is_flag=True, help="Show how it goes until it is over.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command("stop")
@_recording
@_wait
@_json
def stop_command(recording_id: str, wait: bool, as_json: bool) -> int:
    """End a recording now.

    Safe to repeat. A recording that has not begun is called off.

    \b
    Example:
      recording-tasks stop 1a1fc6e7a2f2fe79174da944 --wait
    """  # noqa: D301 - \b is click's
    with place.existing(os.environ) as at:
        at.recorder.stop(recording_id, at_once=False)
        return _ended(at, recording_id, wait=wait, as_json=as_json)


@click.command("cancel")
@_recording
@_wait
@_json
def cancel_command(recording_id: str, wait: bool, as_json: bool) -> int:
    """Call a recording off.

    Safe to repeat. What runs is stopped, and what it recorded remains.

    \b
    Example:
      recording-tasks cancel 1a1fc6e7a2f2fe79174da944
    """  # noqa: D301 - \b is click's
    with place.existing(os.environ) as at:
        at.recorder.cancel(recording_id)
        return _ended(at, recording_id, wait=wait, as_json=as_json)


@click.command("extend")
@_recording
@click.option("--stop-at", metavar="INSTANT", help="When it ends: ISO 8601, epoch seconds, +5m.")
@click.option("--duration", metavar="SPAN", help="How long it lasts from its start: 90s, 1h30m.")
@_json
def extend_command(
    recording_id: str, stop_at: str | None, duration: str | None, as_json: bool
) -> int:
    """Move a recording's stop time, later or earlier.

    \b
    Example:
      recording-tasks extend 1a1fc6e7a2f2fe79174da944 --stop-at +30m
    """  # noqa: D301 - \b is click's
    with place.existing(os.environ) as at:
        now = at.store.now()
        arguments = {
            "stop_at": instant_argument(stop_at, now),
            "duration": duration_argument(duration),
        }
        at.recorder.extend(recording_id, arguments)
        _print(at.recorder.find(recording_id), as_json=as_json)
    return group.OK


def _ended(at: place.Place, recording_id: str, *, wait: bool, as_json: bool) -> int:
    recording = at.recorder.find(recording_id)
    if wait:
        recording = wait_for_end(at.store, recording)
    _print(recording, as_json=as_json)
    is_well = recording.state in {RecordingState.STOPPED, RecordingState.CANCELLED}
    return group.OK if is_well or not wait else group.REFUSED


def _print(recording: Recording, *, as_json: bool) -> None:
    if as_json:
        print_json({"recording": recording_document(recording)})
        return
    if recording.state.is_final:
        line = f"{recording.id}: {recording.state.value}, {recording.reason}"
    else:
        line = f"{recording.id}: {recording.state.value}, ends {spoken(recording.stop_at)}"
    console().print(line, soft_wrap=True, markup=False)
