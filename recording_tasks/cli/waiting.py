"""How a command waits for a recording's end, and shows what it sees meanwhile."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from rich.console import Console
from rich.status import Status

from recording_tasks.cli.display import console
from recording_tasks.cli.instants import spoken_span
from recording_tasks.models import Recording, RecordingState
from recording_tasks.store import Store

_LOOK_SECONDS = 0.25
_PATIENCE = timedelta(seconds=5)  # a sweep comes every second; so much later nobody sweeps


def wait_for_end(store: Store, recording: Recording) -> Recording:
    """Look at a recording until it is final; progress goes to standard error."""
    notes = console(stderr=True)
    if notes.is_terminal:
        return _wait_lively(store, recording, notes)
    return _wait_in_lines(store, recording, notes)


def progress(recording: Recording, now: datetime) -> str:
    """Say where a recording stands, and what comes next."""
    start_at, stop_at = recording.start_at, recording.stop_at
    state = recording.state.value
    if recording.state is RecordingState.SCHEDULED and now < start_at:
        return f"{state}, begins in {spoken_span(start_at - now)}"
    if recording.state is RecordingState.SCHEDULED and now > start_at + _PATIENCE:
        late = spoken_span(now - start_at)
        return f"{state}, {late} late: is `recording-tasks up` or a worker with a beat running?"
    if recording.state is RecordingState.RECORDING and stop_at is not None and now < stop_at:
        return f"{state}, {spoken_span(stop_at - now)} to go"
    return state


def _wait_lively(store: Store, recording: Recording, notes: Console) -> Recording:
    with Status(progress(recording, store.now()), console=notes) as status:
        while not recording.state.is_final:
            time.sleep(_LOOK_SECONDS)
            recording = store.find(recording.id) or recording
            status.update(f"{recording.channel}: {progress(recording, store.now())}")
    return recording


def _wait_in_lines(store: Store, recording: Recording, notes: Console) -> Recording:
    last = None
    while True:
        if recording.state is not last:
            notes.print(f"{recording.channel}: {progress(recording, store.now())}", markup=False)
            last = recording.state
        if recording.state.is_final:
            return recording
        time.sleep(_LOOK_SECONDS)
        recording = store.find(recording.id) or recording
