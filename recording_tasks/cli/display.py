"""How things look: rich tables for a terminal, plain lines of any length for a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recording_tasks.cli.instants import spoken, spoken_span
from recording_tasks.models import Recording, RecordingState, SessionState

_WIDE = 110  # columns: from here on a reason has room
_UNLIMITED = 10_000  # columns: in a pipe nothing is wrapped or cut

_STYLES = {
    RecordingState.SCHEDULED: "cyan",
    RecordingState.STARTING: "yellow",
    RecordingState.RECORDING: "bold red",
    RecordingState.STOPPING: "yellow",
    RecordingState.STOPPED: "green",
    RecordingState.MISSED: "bold magenta",
    RecordingState.FAILED: "bold magenta",
    RecordingState.CANCELLED: "dim",
}
_SESSION_STYLES = {
    SessionState.PLANNED: "cyan",
    SessionState.ACQUIRED: "yellow",
    SessionState.STARTING: "yellow",
    SessionState.STARTED: "red",
    SessionState.RECORDING: "bold red",
    SessionState.STOPPING: "yellow",
    SessionState.UNACCOUNTED: "bold magenta",
    SessionState.STOPPED: "green",
    SessionState.ENDED: "bold magenta",
    SessionState.FAILED: "bold magenta",
    SessionState.EXPIRED: "bold magenta",
}
_SESSION_MARKS = {
    SessionState.STARTED: "● ",
    SessionState.RECORDING: "● ",
    SessionState.STOPPED: "✓ ",
}
_MARKS = {RecordingState.RECORDING: "● ", RecordingState.STOPPED: "✓ "}


def console(*, stderr: bool = False) -> Console:
    """Make a console for standard output or standard error."""
    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return Console(stderr=stderr, highlight=False)
    return Console(stderr=stderr, highlight=False, width=_UNLIMITED, no_color=True)


def is_watched() -> bool:
    """Tell whether a person looks at standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def table(*columns: str, whole: Sequence[str] = ()) -> Table:
    """Make a table; the columns in `whole` hold what people copy, and are never broken."""
    made = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    if not sys.stdout.isatty():
        made = Table(box=None, header_style="", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, no_wrap=column in whole, overflow="fold")
    return made


def state_text(state: RecordingState) -> Text:
    """Write a state in its colour."""
    return Text(_MARKS.get(state, "  ") + state.value, style=_STYLES[state])


def session_text(state: SessionState) -> Text:
    """Write a session's state in its colour."""
    return Text(_SESSION_MARKS.get(state, "  ") + state.value, style=_SESSION_STYLES[state])


def recordings_table(recordings: Sequence[Recording]) -> Table:
    """List recordings, one a row: all of it in a pipe, what fits on a terminal."""
    return _short_table(recordings) if sys.stdout.isatty() else _full_table(recordings)


def _full_table(recordings: Sequence[Recording]) -> Table:
    made = table("ID", "CHANNEL", "MODE", "STATE", "START", "STOP", "REASON")
    for recording in recordings:
        made.add_row(
            recording.id,
            recording.channel,
            recording.mode.value,
            recording.state.value,
            spoken(recording.start_at),
            spoken(recording.stop_at),
            recording.reason or "",
        )
    return made


def _short_table(recordings: Sequence[Recording]) -> Table:
    has_room = console().width >= _WIDE
    columns = ["ID", "CHANNEL", "STATE", "START (UTC)", "LENGTH"]
    made = table(*columns, *(["REASON"] if has_room else []), whole=["ID", *columns[2:]])
    for recording in recordings:
        length = recording.stop_at - recording.start_at if recording.stop_at else None
        made.add_row(
            recording.id,
            recording.channel,
            state_text(recording.state),
            recording.start_at.strftime("%m-%d %H:%M:%S"),
            spoken_span(length) if length is not None else "open",
            *([recording.reason or ""] if has_room else []),
        )
    return made


def print_facts(to: Console, facts: Sequence[tuple[str, object]]) -> None:
    """Print names and values, one pair a line; values that are missing are left out."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        if value is not None and value != "":
            line = Text(f"{name.ljust(width)}  ", style="dim")
            line.append(value if isinstance(value, Text) else Text(str(value), style="default"))
            to.print(line, soft_wrap=True)
