"""The embedded mode: everything in one process that may be killed at any moment."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from deployment import SOON, Deployment, Process, until

from .conftest import Deploy

PROGRAM = str(Path(sys.executable).with_name("recording-tasks"))
UP_SECONDS = 20.0
Embedded = Callable[..., Deployment]


@pytest.fixture
def embedded(deploy: Deploy) -> Embedded:
    """Make a deployment without a server: SQLite, and nothing that a message could reach."""

    def make(**wanted: str) -> Deployment:
        return deploy(broker="memory://", database="sqlite", **wanted)

    return make


def up(deployment: Deployment, *options: str) -> Process:
    """Start the embedded mode and wait until it works."""
    process = deployment.run(PROGRAM, "up", *options, name="up")
    process.says("ready;")
    return process


def recorded(deployment: Deployment, channel: str, *options: str) -> str:
    """Ask for a recording on the command line; gives its id."""
    process = deployment.run(PROGRAM, "record", channel, *options, name="record")
    assert process.wait(UP_SECONDS) == 0, process.text
    return process.text.split()[0]


def running_sessions(deployment: Deployment) -> int:
    count: int = deployment.simulator.report()["sessions_running"]
    return count


def test_a_command_and_a_process_make_a_recording(embedded: Embedded) -> None:
    """`record` writes a row, `up` does what it says, and Agora has nothing left."""
    deployment = embedded()
    up(deployment)

    recording_id = recorded(deployment, "lesson", "--duration", "3")

    recording = deployment.is_in(recording_id, "stopped")
    assert recording.reason == "stopped on time"
    assert deployment.session(recording_id).files
    assert running_sessions(deployment) == 0


def test_what_is_due_now_begins_with_the_next_sweep(embedded: Embedded) -> None:
    """The command line sends no message, and yet nothing waits longer than the beat's second."""
    deployment = embedded()
    up(deployment)

    recording_id = recorded(deployment, "lesson", "--duration", "3")
    until(lambda: deployment.calls("start", "lesson"), 10, "the start")

    (start,) = deployment.calls("start", "lesson")
    assert start["at_unix"] - deployment.find(recording_id).start_at.timestamp() < SOON


def test_a_kill_in_mid_recording_loses_nothing(embedded: Embedded) -> None:
    """The recording runs on at Agora, and is stopped on time by the process that comes next."""
    deployment = embedded()
    first = up(deployment)
    recording_id = recorded(deployment, "lesson", "--start-at", "+2s", "--duration", "7s")
    deployment.is_in(recording_id, "recording")

    first.kill()
    assert running_sessions(deployment) == 1
    up(deployment)

    recording = deployment.is_in(recording_id, "stopped")
    (stop,) = deployment.calls("stop", "lesson")
    assert recording.stop_at is not None
    assert 0 <= stop["at_unix"] - recording.stop_at.timestamp() < SOON
    assert len(deployment.calls("start", "lesson")) == 1
    assert running_sessions(deployment) == 0


def test_a_kill_before_the_start_loses_nothing(embedded: Embedded) -> None:
    """What was accepted is started by the process that comes next."""
    deployment = embedded()
    first = up(deployment)
    recording_id = recorded(deployment, "lesson", "--start-at", "+6s", "--duration", "2s")

    first.kill()
    up(deployment)

    deployment.is_in(recording_id, "stopped", 20)
    (start,) = deployment.calls("start", "lesson")
    assert start["at_unix"] - deployment.find(recording_id).start_at.timestamp() < SOON


def test_a_kill_past_the_stop_time_is_made_good_at_once(embedded: Embedded) -> None:
    """A process that was away when a stop was due does it first of all."""
    deployment = embedded()
    first = up(deployment)
    recording_id = recorded(deployment, "lesson", "--duration", "3s")
    until(lambda: "session.started" in deployment.events(recording_id), 10, "the session")

    first.kill()
    until(lambda: time.time() > deployment.find(recording_id).created_at.timestamp() + 4, 10, "it")
    up(deployment)

    deployment.is_in(recording_id, "stopped")
    assert running_sessions(deployment) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon_and_well(embedded: Embedded, number: signal.Signals) -> None:
    """Nothing is under way: it is gone in seconds, with exit code 0."""
    process = up(embedded())

    process.send(number)

    assert process.wait(5) == 0


def test_a_signal_lets_a_call_under_way_finish(embedded: Embedded) -> None:
    """The answer of a start that was sent is written down before the process ends."""
    deployment = embedded()
    deployment.simulator.fault("start", "delay", seconds=1.5)
    process = up(deployment)
    recording_id = recorded(deployment, "lesson", "--duration", "60s")
    until(lambda: "session.acquired" in deployment.events(recording_id), 10, "the acquire")
    until(lambda: deployment.session(recording_id).is_sending, 10, "the start under way")

    process.ask_to_end()

    assert process.wait(5) == 0
    assert "session.started" in deployment.events(recording_id)


def test_a_second_signal_ends_it_at_once(embedded: Embedded) -> None:
    """Who is in a hurry need not wait, and what was under way is settled at the next start."""
    deployment = embedded()
    deployment.simulator.fault("start", "delay", seconds=1.5)
    process = up(deployment)
    recording_id = recorded(deployment, "lesson", "--duration", "60s")
    until(lambda: deployment.session(recording_id).is_sending, 10, "a call under way")

    process.ask_to_end()
    until(lambda: _second_ends(process), 5, "its end")

    assert process.wait(1) == 128 + signal.SIGTERM


def _second_ends(process: Process) -> bool:
    if process.is_alive:
        process.ask_to_end()
    return not process.is_alive


def test_lone_starts_keep_their_instants(embedded: Embedded) -> None:
    """None comes early, and none waits for another; how late they are is the benchmark's."""
    deployment = embedded()
    up(deployment)
    begin = time.time() + 9
    instants = {f"lesson-{number}": begin + number * 0.77 for number in range(6)}
    for channel, instant in instants.items():
        recorded(deployment, channel, "--start-at", f"{instant:.3f}", "--duration", "2s")

    deployment.all_final(40)

    starts = deployment.simulator.calls("start")
    lags = [call["at_unix"] - instants[call["cname"]] for call in starts]
    assert len(lags) == len(instants)
    assert min(lags) >= -0.001
    assert max(lags) < SOON


def test_idleness_is_cheap(embedded: Embedded) -> None:
    """With nothing to do it leaves the processor to others."""
    process = up(embedded())
    watched = psutil.Process(process._popen.pid)

    before, began = sum(watched.cpu_times()[:2]), time.monotonic()
    time.sleep(8)
    used = (sum(watched.cpu_times()[:2]) - before) / (time.monotonic() - began)

    assert used < 0.15  # measured: 0.02


def test_two_at_once_do_no_harm(embedded: Embedded) -> None:
    """Somebody starts it twice: each call is made once."""
    deployment = embedded()
    up(deployment)
    up(deployment)

    recording_id = recorded(deployment, "lesson", "--start-at", "+3s", "--duration", "3s")

    deployment.is_in(recording_id, "stopped", 20)
    assert len(deployment.calls("start", "lesson")) == 1
    assert len(deployment.calls("stop", "lesson")) == 1


def test_up_makes_its_own_database(embedded: Embedded) -> None:
    """An empty folder is enough."""
    deployment = embedded()
    file = deployment.folder / "fresh.db"

    process = up(deployment, "--database", str(file))

    assert file.exists()
    assert f"sqlite:///{file}" in process.text


def test_faulty_settings_are_said_and_nothing_starts(embedded: Embedded) -> None:
    """Exit code 78, one line for each fault."""
    deployment = embedded(RECORDING_QUERY_SECONDS="soon", RECORDING_RESTARTS="-1")

    process = deployment.run(PROGRAM, "up", name="up")

    assert process.wait(UP_SECONDS) == 78
    lines = process.text.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "RECORDING_QUERY_SECONDS",
        "RECORDING_RESTARTS",
    ]


def test_quiet_says_nothing(embedded: Embedded) -> None:
    """Under a supervisor only what goes wrong is worth a line."""
    deployment = embedded()
    process = deployment.run(PROGRAM, "up", "--quiet", name="up")

    recording_id = recorded(deployment, "lesson", "--start-at", "+6s", "--duration", "2s")
    deployment.is_in(recording_id, "stopped", 20)
    process.ask_to_end()

    assert process.wait(5) == 0
    assert process.text == ""
