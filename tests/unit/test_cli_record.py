from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_runs import Cli, working

from recording_tasks.models import Recording, Step
from recording_tasks.simulator import running


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli.prepared(tmp_path)


def only(cli: Cli) -> Recording:
    (recording,) = cli.store().recent()
    return recording


def test_a_recording_is_accepted_and_its_id_printed(cli: Cli) -> None:
    """Standard output holds the id alone, for scripts."""
    result = cli.run("record", "lesson", "--duration", "1h")

    assert result.exit_code == 0
    assert result.stdout == f"{only(cli).id}\n"
    assert "explain" in result.stderr


def test_an_empty_folder_is_enough(tmp_path: Path) -> None:
    """The database is made with the first recording; `up` may come later."""
    cli = Cli(tmp_path)

    identity = cli.recorded("lesson", "--duration", "1h")

    assert only(cli).id == identity


def test_everything_that_was_asked_for_is_kept(cli: Cli) -> None:
    """Each option arrives where it belongs."""
    begin = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    config = {"recordingConfig": {"subscribeUidGroup": 1}}

    cli.recorded(
        *("lesson", "--start-at", begin, "--duration", "90m", "--mode", "individual"),
        *("--uid", "77", "--key", "k-1", "--app", "default", "--storage", "default"),
        *("--request", json.dumps(config), "--on-early-exit", "finish"),
        *("--label", "course=physics", "--label", "room=a=b"),
    )

    recording = only(cli)
    assert recording.start_at == datetime.fromisoformat(begin)
    assert recording.stop_at == recording.start_at + timedelta(minutes=90)
    assert (recording.mode, recording.uid, recording.key) == ("individual", "77", "k-1")
    assert recording.request == config
    assert recording.on_early_exit == "finish"
    assert recording.labels == {"course": "physics", "room": "a=b"}


def test_what_is_due_now_is_left_to_the_sweep(cli: Cli) -> None:
    """No claim is taken that this process could not carry out."""
    identity = cli.recorded("lesson", "--duration", "1h")

    (session,) = cli.store().sessions_of(identity)
    assert session.claimed is None
    assert session.lease_until is None
    assert session.step is Step.ACQUIRE


def test_the_same_key_gives_the_same_recording(cli: Cli) -> None:
    """A script may repeat itself."""
    first = cli.json("record", "lesson", "--key", "once")
    second = cli.json("record", "lesson", "--key", "once")

    assert (first["is_new"], second["is_new"]) == (True, False)
    assert second["recording"]["id"] == first["recording"]["id"] == only(cli).id


def test_json_has_stable_keys_and_utc_instants(cli: Cli) -> None:
    """What a program reads does not change with what a person sees."""
    document = cli.json("record", "lesson", "--start-at", "2030-01-01T09:00:00+02:00")

    assert set(document) == {"recording", "is_new"}
    recording = document["recording"]
    assert set(recording) == {
        *("id", "key", "app", "channel", "mode", "uid", "start_at", "stop_at", "storage"),
        *("on_early_exit", "labels", "state", "is_final", "reason", "created_at"),
        *("finished_at", "session_count", "start_within"),
    }
    assert recording["start_at"] == "2030-01-01T07:00:00.000Z"
    assert recording["state"] == "scheduled"
    assert recording["stop_at"] is None


def test_a_far_start_is_refused(cli: Cli) -> None:
    """Ten years ahead somebody mistyped."""
    faults = cli.faults("record", "lesson", "--start-at", "2190-01-01T09:00:00Z", code=2)

    assert faults == ["start_at: more than ten years ahead"]


@pytest.mark.parametrize(("typed", "seconds"), [("+10s", 10), ("+1h30m", 5400), ("+500ms", 0.5)])
def test_instants_may_be_counted_from_now(cli: Cli, typed: str, seconds: float) -> None:
    """For people who sit before a terminal."""
    before = datetime.now(UTC)

    cli.recorded("lesson", "--start-at", typed, "--duration", "5m")

    late = (only(cli).start_at - before).total_seconds() - seconds
    assert 0 <= late < 5


def test_epoch_seconds_are_an_instant(cli: Cli) -> None:
    """As in the tasks."""
    begin = int(datetime.now(UTC).timestamp()) + 60

    cli.recorded("lesson", "--start-at", str(begin), "--stop-at", str(begin + 60))

    assert only(cli).start_at.timestamp() == begin
    assert only(cli).stop_at == datetime.fromtimestamp(begin + 60, UTC)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["x" * 64], "channel: "),
        (["böse"], "channel: "),
        (["lesson", "--uid", "0"], "uid: "),
        (["lesson", "--mode", "Web"], "mode: "),
        (["lesson", "--storage", "elsewhere"], "storage: no such storage profile"),
        (["lesson", "--app", "other"], "app: no such app profile"),
        (["lesson", "--start-at", "2026-11-21T09:00:00"], "start_at: has no offset"),
        (["lesson", "--start-at", "tomorrow"], "start_at: not ISO 8601"),
        (["lesson", "--start-at", "+10x"], "start_at: not ISO 8601"),
        (["lesson", "--start-at", "+99999999999d"], "start_at: not ISO 8601"),
        (["lesson", "--duration", "0"], "duration: must be above 0"),
        (["lesson", "--duration", "-5"], "duration: must be above 0"),
        (["lesson", "--duration", "31d"], "duration: more than 30 days"),
        (["lesson", "--duration", "long"], "duration: must be a number"),
        (["lesson", "--duration", "5m", "--stop-at", "+5m"], "duration: give stop_at or duration"),
        (["lesson", "--start-at", "+10m", "--stop-at", "+5m"], "stop_at: is not after start_at"),
        (["lesson", "--on-early-exit", "panic"], "on_early_exit: "),
        (["lesson", "--label", "course"], "labels: course has no value"),
        (["lesson", "--label", "=x"], "labels: a name is missing"),
        (["lesson", "--request", "{"], "request: not JSON at line 1"),
        (["lesson", "--request", "no-such-file.json"], "request: cannot read no-such-file.json"),
        (["lesson", "--request", "[]"], "request: "),
    ],
)
def test_one_fault_is_one_line(cli: Cli, arguments: list[str], fault: str) -> None:
    """It names the argument, and nothing is stored."""
    faults = cli.faults("record", *arguments, code=2)

    assert len(faults) == 1
    assert faults[0].startswith(fault)
    assert cli.json("list") == {"recordings": []}


@pytest.mark.parametrize(
    ("mode", "config", "path"),
    [
        ("mix", {"transcodingConfig": {"bitrate": 7000}}, "bitrate"),
        ("individual", {"transcodingConfig": {"bitrate": 500}}, "transcodingConfig"),
    ],
)
def test_a_request_that_agora_would_refuse_is_refused_here(
    cli: Cli, mode: str, config: object, path: str
) -> None:
    """Before the lesson, not in it."""
    request = json.dumps({"recordingConfig": config})

    faults = cli.faults("record", "lesson", "--mode", mode, "--request", request, code=2)

    assert all(fault.startswith("request.recordingConfig") for fault in faults)
    assert any(path in fault for fault in faults)


def test_all_faults_come_at_once(cli: Cli) -> None:
    """Those of the typing beside those of the recording."""
    faults = cli.faults(
        *("record", "böse", "--uid", "0", "--mode", "Web", "--duration", "0"),
        *("--label", "course", "--request", "{"),
        code=2,
    )

    paths = {fault.partition(":")[0] for fault in faults}
    assert paths == {"channel", "uid", "mode", "duration", "labels", "request"}


def test_a_request_may_come_from_a_file(cli: Cli, tmp_path: Path) -> None:
    """Long requests are not typed."""
    file = tmp_path / "request.json"
    file.write_text('{"recordingConfig": {"maxIdleTime": 60}}')

    cli.recorded("lesson", "--request", str(file))

    assert only(cli).request == {"recordingConfig": {"maxIdleTime": 60}}


def test_a_request_may_come_from_standard_input(cli: Cli) -> None:
    """In a pipe it is called -."""
    result = cli.run("record", "lesson", "--request", "-", typed='{"recordingConfig": {}}')

    assert result.exit_code == 0
    assert only(cli).request == {"recordingConfig": {}}


def test_waiting_ends_with_the_recording(tmp_path: Path) -> None:
    """Exit code 0 where something was recorded; its states go to standard error."""
    with running(join_seconds=0) as simulator:
        cli = Cli.prepared(tmp_path, simulator.url)
        with working(cli):
            result = cli.run("record", "lesson", "--duration", "2", "--wait", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["recording"]["state"] == "stopped"
    lines = [line.partition(",")[0] for line in result.stderr.splitlines()]
    assert lines[0] == "lesson: scheduled"
    assert lines[-1] == "lesson: stopped"


def test_waiting_for_what_fails_is_exit_code_1(tmp_path: Path) -> None:
    """A script sees that nothing was recorded, and why."""
    with running() as simulator:
        simulator.fault("acquire", "refuse", code=2, times=None)
        cli = Cli.prepared(tmp_path, simulator.url)
        with working(cli):
            result = cli.run("record", "lesson", "--duration", "30", "--wait")

    assert result.exit_code == 1
    assert "failed: acquire: HTTP 400, code 2" in result.stderr
