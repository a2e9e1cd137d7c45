"""How the demo looks."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from recording_tasks.cli.display import session_text, state_text, table
from recording_tasks.cli.outcome import QUOTA, Outcome
from recording_tasks.cli.scene import Scene
from recording_tasks.models import RecordingState

_BAR_COLUMNS = 30


def live_table(scene: Scene) -> RenderableType:
    """Show every recording as it stands now."""
    rows = table("CHANNEL", "STATE", "STARTED AFTER", "TIME")
    rows.columns[1].min_width = 11
    rows.columns[2].justify = "right"
    total = (scene.stop_at - scene.start_at).total_seconds()
    elapsed = (scene.now() - scene.start_at).total_seconds()
    for recording in scene.recordings():
        session = scene.session_of(recording)
        begun = session.started_at
        lag = "" if begun is None else f"{(begun - scene.start_at).total_seconds() * 1000:+.0f} ms"
        done = min(max(elapsed, 0.0), total) if begun is not None else 0.0
        bar = ProgressBar(total=total, completed=done, width=_BAR_COLUMNS)
        rows.add_row(recording.channel, session_text(session.state), lag, bar)
    if elapsed < 0:
        said = f"begins in {-elapsed:.1f} s"
    elif elapsed < total:
        said = f"{elapsed:.1f} of {total:g} s"
    else:
        said = "stopping"
    return Group(rows, Text(said, style="dim"))


def outcome_table(outcome: Outcome) -> Table:
    """Show what was recorded."""
    rows = table("CHANNEL", "STATE", "START LAG", "STOP LAG", "FILES IN THE BUCKET")
    rows.columns[2].justify = rows.columns[3].justify = "right"
    for line in outcome.lines:
        rows.add_row(
            line.recording.channel,
            state_text(line.recording.state),
            _milliseconds(line.start_lag_ms),
            _milliseconds(line.stop_lag_ms),
            "\n".join(line.files),
        )
    return rows


def verdict_lines(outcome: Outcome) -> Iterator[Text]:
    """Tell what the simulator counted, promise by promise."""
    stopped = sum(line.recording.state is RecordingState.STOPPED for line in outcome.lines)
    count = len(outcome.lines)
    lags = [line.start_lag_ms for line in outcome.lines if line.start_lag_ms is not None]
    median = f"{statistics.median(lags):.0f} ms" if lags else "never"
    killed = f", through {outcome.kill_count} kill -9" if outcome.kill_count else ""
    yield _verdict(stopped == count, f"nothing lost: {stopped} of {count} recorded{killed}")
    yield _verdict(not outcome.running, f"nothing left running: {outcome.running} sessions")
    is_on_time = not any("on time" in fault for fault in outcome.faults)
    yield _verdict(is_on_time, f"on time: start lag {median} in the median, seen by the simulator")
    yield _verdict(
        not outcome.refused_by_quota and outcome.peak <= QUOTA,
        f"inside the quota: {outcome.call_count} calls, {outcome.peak} of {QUOTA} in the fullest "
        f"second, {outcome.refused_by_quota} refused",
    )


def faults_table(outcome: Outcome) -> Table:
    """Show the promises that were broken."""
    rows = table("BROKEN")
    for fault in outcome.faults:
        rows.add_row(fault)
    return rows


def _verdict(is_kept: bool, said: str) -> Text:
    mark, style = ("✓", "green") if is_kept else ("✗", "bold red")
    return Text.assemble((f"{mark} ", style), said)


def _milliseconds(lag: float | None) -> str:
    return "-" if lag is None else f"{lag:.0f} ms"
