"""The command that shows the product at work against a simulated Agora, and judges it."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console
from rich.live import Live

from recording_tasks.cli import group
from recording_tasks.cli.display import console
from recording_tasks.cli.documents import print_json
from recording_tasks.cli.outcome import Outcome, outcome_document, outcome_of
from recording_tasks.cli.scene import Scene
from recording_tasks.cli.stage import faults_table, live_table, outcome_table, verdict_lines
from recording_tasks.models import SessionState
from recording_tasks.simulator import running

_AHEAD = timedelta(seconds=3)  # acquire begins two seconds before the start
_KILL_AFTER = timedelta(seconds=2)
_GIVE_UP = timedelta(seconds=20)  # after the stop time
_LOOK_SECONDS = 0.1
_LATENCY_MS = 40


@click.command("demo")
@click.option(
    "--recordings",
    "count",
    type=click.IntRange(1, 50),
    default=5,
    show_default=True,
    help="How many begin at the same instant.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(3, 25),
    default=8,
    show_default=True,
    help="How long each lasts.",
)
@click.option("--kill", is_flag=True, help="kill -9 everything in mid-recording, and go on.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def demo_command(count: int, seconds: float, kill: bool, as_json: bool) -> int:
    """Record a few simulated channels, and show that it kept its promises.

    Starts a simulated Agora and `recording-tasks up` with a database of its own, records some
    channels that begin at the same instant, and asks the simulator what it saw. Nothing is
    installed or configured, nothing leaves this machine. Exit code 1: a promise was broken.

    \b
    Example:
      recording-tasks demo --kill
    """  # noqa: D301 - \b is click's
    signal.signal(signal.SIGTERM, _end)
    out = console(stderr=as_json)
    folder = Path(tempfile.mkdtemp(prefix="recording-tasks-demo-"))
    with running(latency_ms=_LATENCY_MS) as simulator, Scene(folder, simulator.url) as scene:
        out.print(f"Simulated Agora at {simulator.url}", markup=False)
        scene.start_up()
        out.print(
            "recording-tasks up: worker and beat in one process, SQLite, no server", markup=False
        )
        scene.record(count, ahead=_AHEAD, duration=timedelta(seconds=seconds))
        out.print(f"{count} recordings of {seconds:g} s accepted, all for the same instant\n")
        _watch(out, scene, kill=kill)
        scene.stop_up()
        outcome = outcome_of(scene, simulator)
    _conclude(out, outcome, as_json=as_json)
    return group.OK if outcome.is_kept else group.REFUSED


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """Let SIGTERM end the parts that were started, as Ctrl-C does."""
    sys.exit(128 + number)


def _watch(out: Console, scene: Scene, *, kill: bool) -> None:
    """Show how it goes until everything is over, and kill it on the way if that was asked."""
    drama = Drama(out, scene) if kill else None
    lines = Lines(out, scene)
    with Live(live_table(scene), console=out, auto_refresh=False, transient=True) as live:
        while True:
            if out.is_terminal:
                live.update(live_table(scene), refresh=True)
            else:
                lines.tell()
            if scene.is_over() or scene.now() > scene.stop_at + _GIVE_UP:
                return
            if drama is not None:
                drama.go_on()
            time.sleep(_LOOK_SECONDS)


class Drama:
    """kill -9 in mid-recording, and what comes after it."""

    def __init__(self, out: Console, scene: Scene) -> None:
        self._out, self._scene = out, scene
        self._acts = iter((self._kill, self._come_back))
        self._act = next(self._acts, None)

    def go_on(self) -> None:
        """Play the next act if it is time."""
        if self._act is not None and self._act():
            self._act = next(self._acts, None)

    def _kill(self) -> bool:
        if self._scene.now() < self._scene.start_at + _KILL_AFTER:
            return False
        self._scene.kill_up()
        self._out.print("kill -9: worker and beat are gone; Agora records on", style="bold")
        self._scene.launch_up()
        return True

    def _come_back(self) -> bool:
        if not self._scene.is_up():
            return False
        self._out.print("recording-tasks up again, on the same database", style="bold")
        return True


class Lines:
    """Tells the same as the live table, one line for each change."""

    def __init__(self, out: Console, scene: Scene) -> None:
        self._out, self._scene = out, scene
        self._told: dict[str, SessionState] = {}

    def tell(self) -> None:
        """Print what changed since the last look."""
        scene = self._scene
        for recording in scene.recordings():
            state = scene.session_of(recording).state
            if self._told.get(recording.id) is not state:
                self._told[recording.id] = state
                seconds = (scene.now() - scene.start_at).total_seconds()
                line = f"{seconds:+6.1f} s  {recording.channel}  {state.value}"
                self._out.print(line, markup=False)


def _conclude(out: Console, outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print_json(outcome_document(outcome))
        return
    out.print(outcome_table(outcome))
    for line in verdict_lines(outcome):
        out.print(line)
    if outcome.faults:
        out.print(faults_table(outcome))
    out.print(f"\nThe database and the log stay in {outcome.folder}", markup=False, soft_wrap=True)
    out.print(
        f"Look around: RECORDING_DATABASE_URL={outcome.database_url} recording-tasks list",
        markup=False,
        soft_wrap=True,
    )
