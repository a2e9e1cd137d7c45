from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_runs import Cli, working
from deployment import until

from recording_tasks.models import RecordingState
from recording_tasks.simulator import running


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli.prepared(tmp_path)


def test_a_recording_that_has_not_begun_is_called_off(cli: Cli) -> None:
    """Nothing will be started for it."""
    identity = cli.recorded("lesson", "--start-at", "+1h", "--duration", "1h")

    result = cli.run("cancel", identity)

    assert result.exit_code == 0
    assert "cancelled" in result.stdout
    assert cli.store().recent()[0].state is RecordingState.CANCELLED


@pytest.mark.parametrize("name", ["stop", "cancel"])
def test_ending_twice_is_as_good_as_once(cli: Cli, name: str) -> None:
    """A script may repeat itself."""
    identity = cli.recorded("lesson", "--start-at", "+1h")

    codes = [cli.run(name, identity).exit_code for _ in range(2)]

    assert codes == [0, 0]


def test_stop_ends_what_runs(tmp_path: Path) -> None:
    """The simulator has nothing left, and the recording is stopped on request."""
    with running(join_seconds=0) as simulator:
        cli = Cli.prepared(tmp_path, simulator.url)
        identity = cli.recorded("lesson")
        with working(cli):
            until(lambda: simulator.sessions("lesson"), 10, "the session")
            document = cli.json("stop", identity, "--wait")

        assert document["recording"]["state"] == "stopped"
        assert document["recording"]["reason"] == "stopped on request"
        assert simulator.report()["sessions_running"] == 0


def test_extend_moves_the_end(cli: Cli) -> None:
    """Later or earlier, by instant or by duration."""
    identity = cli.recorded("lesson", "--start-at", "+1h", "--duration", "1h")
    start_at = cli.store().recent()[0].start_at

    document = cli.json("extend", identity, "--duration", "2h")

    expected = (start_at + timedelta(hours=2)).astimezone(UTC)
    assert datetime.fromisoformat(document["recording"]["stop_at"]) - expected < timedelta(
        milliseconds=1
    )


def test_extend_counts_plus_from_now(cli: Cli) -> None:
    """For people who sit before a terminal."""
    identity = cli.recorded("lesson", "--duration", "10s")

    cli.run("extend", identity, "--stop-at", "+30m")

    stop_at = cli.store().recent()[0].stop_at
    assert stop_at is not None
    assert stop_at - datetime.now(UTC) > timedelta(minutes=29)


@pytest.mark.parametrize(
    "options",
    [[], ["--duration", "0"], ["--stop-at", "2020-01-01T00:00:00Z"], ["--stop-at", "later"]],
)
def test_an_end_that_cannot_be_is_refused(cli: Cli, options: list[str]) -> None:
    """The end stays where it was."""
    identity = cli.recorded("lesson", "--start-at", "+1h", "--duration", "1h")
    before = cli.store().recent()[0].stop_at

    assert cli.faults("extend", identity, *options, code=2)

    assert cli.store().recent()[0].stop_at == before


def test_what_is_over_cannot_be_extended(cli: Cli) -> None:
    """Refused for a reason in the answer: exit code 1."""
    identity = cli.recorded("lesson", "--start-at", "+1h")
    cli.run("cancel", identity)

    (fault,) = cli.faults("extend", identity, "--duration", "2h", code=1)

    assert "is cancelled" in fault
