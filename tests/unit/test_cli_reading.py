from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import Cli, working

from recording_tasks.simulator import running

LONG = "a-channel-with-a-name-that-is-as-long-as-Agora-lets-it-be-63-by"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli.prepared(tmp_path)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cli, str]]:
    """One recording that is over, with a session and a file."""
    with running(join_seconds=0) as simulator:
        cli = Cli.prepared(tmp_path_factory.mktemp("recorded"), simulator.url)
        with working(cli):
            cli.run("record", LONG, "--duration", "1.5", "--wait", "--label", "a=b")
        yield cli, cli.json("list")["recordings"][0]["id"]


def test_recordings_are_listed_the_newest_first(cli: Cli) -> None:
    """One row each, with the whole id."""
    first, second = cli.recorded("one"), cli.recorded("two")

    result = cli.run("list")

    rows = [line.split()[:2] for line in result.stdout.splitlines()]
    assert rows == [["ID", "CHANNEL"], [second, "two"], [first, "one"]]


def test_an_empty_list_is_no_fault(cli: Cli) -> None:
    """Nothing on standard output, which may be piped."""

    result = cli.run("list")

    assert (result.exit_code, result.stdout) == (0, "")


def test_a_list_can_be_narrowed(cli: Cli) -> None:
    """By state, by channel, by number."""
    one, two = cli.recorded("one"), cli.recorded("two", "--start-at", "+1h")
    cli.run("cancel", two)

    def ids(*options: str) -> list[str]:
        return [each["id"] for each in cli.json("list", *options)["recordings"]]

    assert ids("--channel", "one") == [one]
    assert ids("--state", "cancelled") == [two]
    assert ids("--state", "cancelled", "--state", "scheduled") == [two, one]
    assert ids("--limit", "1") == [two]


def test_a_state_that_is_none_is_wrong_usage(cli: Cli) -> None:
    """The right ones are named."""
    (fault,) = cli.faults("list", "--state", "running", code=2)

    assert "scheduled" in fault


@pytest.mark.parametrize("options", [["--watch"], ["--watch", "--json"]])
def test_watching_needs_a_person(cli: Cli, options: list[str]) -> None:
    """A pipe would never end."""
    assert len(cli.faults("list", *options, code=2)) == 1


def test_a_pipe_gets_whole_lines(recorded: tuple[Cli, str]) -> None:
    """Nothing is wrapped or cut, and nothing is coloured."""
    cli, identity = recorded

    result = cli.run("list")

    (row,) = [line for line in result.stdout.splitlines() if identity in line]
    assert LONG in row
    assert "stopped on time" in row
    assert "\x1b" not in result.stdout


def test_show_tells_all_of_a_recording(recorded: tuple[Cli, str]) -> None:
    """Its facts, sessions, files by their place in the bucket, timeline."""
    cli, identity = recorded

    shown = cli.run("show", identity).stdout

    assert f"channel    {LONG}\n" in shown
    assert f"_{LONG}.m3u8" in shown
    assert [line for line in shown.splitlines() if line.startswith("demo/")]
    assert "session.started" in shown
    assert "stopped on time" in shown
    assert "labels     a=b" in shown


def test_show_as_json_has_stable_keys(recorded: tuple[Cli, str]) -> None:
    """One document for programs."""
    cli, identity = recorded

    document = cli.json("show", identity)

    assert set(document) == {"recording", "sessions", "files", "timeline"}
    (session,) = document["sessions"]
    assert session["state"] == "stopped"
    assert session["started_at"].endswith("Z")
    (file,) = document["files"]
    assert file["object_key"] == f"demo/{session['sid']}_{LONG}.m3u8"
    assert [entry["event"] for entry in document["timeline"]] == [
        *("recording.accepted", "session.acquired", "session.started"),
        *("session.stopped", "recording.stopped"),
    ]


def test_a_secret_that_was_typed_is_not_echoed(cli: Cli) -> None:
    """Not in the fault that refuses it, either."""
    request = json.dumps({"token": "canary-token"})

    result = cli.run("record", "lesson", "--request", request)

    assert result.exit_code == 2
    assert "canary-token" not in result.output


def test_explain_tells_the_story_in_words(recorded: tuple[Cli, str]) -> None:
    """What happened when, and how late the start was."""
    cli, identity = recorded

    told = cli.run("explain", identity).stdout

    assert told.startswith(f"{LONG} was recorded: stopped on time.\n")
    assert "Agora took the start" in told
    assert "Agora had taken the start" in told
    assert "Sessions: 1; files: 1" in told


def test_explain_as_json_says_the_same(recorded: tuple[Cli, str]) -> None:
    """Words for programs that show them."""
    cli, identity = recorded

    document = cli.json("explain", identity)

    assert set(document) == {"recording", "summary", "lateness", "timeline"}
    assert all(entry["said"] for entry in document["timeline"])


def test_explain_asks_for_a_worker_where_none_works(cli: Cli) -> None:
    """A recording whose time has come and that nobody took says so."""
    identity = cli.recorded("lesson")

    assert "Now: scheduled" in cli.run("explain", identity).stdout


@pytest.mark.parametrize("name", ["show", "explain", "stop", "cancel", "extend"])
def test_an_unknown_recording_is_exit_code_3(cli: Cli, name: str) -> None:
    """Whatever was wanted of it."""
    more = ["--stop-at", "+5m"] if name == "extend" else []

    assert cli.faults(name, "nosuch", *more, code=3) == ["no recording nosuch"]
