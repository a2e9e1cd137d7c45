from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_runs import Cli

from recording_tasks.cli import main
from recording_tasks.cli.group import COMMANDS


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    """`--help` imports no command, and yet never tells something else than they do."""
    first_line = (command(name).help or "").splitlines()[0]

    assert first_line == COMMANDS[name][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(cli: Cli, name: str) -> None:
    """Nobody has to guess how a command is written."""
    result = cli.run(name, "--help")

    assert result.exit_code == 0
    assert "Example:\n    " in result.stdout
    assert f"recording-tasks {name}" in result.stdout.split("Example:")[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    """An option without help is not there for people."""
    options = [each for each in command(name).params if isinstance(each, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_no_command_is_answered_with_the_help(cli: Cli) -> None:
    """As it is written, not squeezed into one line; and it was wrong usage all the same."""
    result = cli.run()

    assert result.exit_code == 2
    assert cli.run("--help").stdout.strip() in result.stdout
    assert result.stderr == ""


def test_help_names_every_exit_code(cli: Cli) -> None:
    """Scripts can rely on them."""
    words = cli.run("--help").stdout.split("Exit codes:")[1].split("Example:")[0].split()

    assert {"0", "1", "2", "3", "4", "78"} <= set(words)


def test_help_loads_nothing_that_is_slow() -> None:
    """A person who asks for help does not wait for the database's libraries."""
    script = (
        "import sys, click; from recording_tasks.cli import main\n"
        "main.get_help(click.Context(main))\n"
        "print({'sqlalchemy', 'celery', 'pydantic', 'requests', 'rich'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"


def test_an_unknown_command_is_wrong_usage(cli: Cli) -> None:
    """One line, and where to look."""
    (fault,) = cli.faults("recrod", code=2)

    assert "recrod" in fault
    assert "recording-tasks --help" in fault


def test_an_unknown_option_is_wrong_usage(cli: Cli) -> None:
    """Nothing is recorded by a command that was misunderstood."""
    (fault,) = cli.faults("record", "lesson", "--dauer", "5", code=2)

    assert "--dauer" in fault
    assert not cli.file.exists()


@pytest.mark.parametrize("arguments", [("record",), ("show",), ("stop",), ("list", "--limit", "0")])
def test_missing_and_impossible_arguments_are_wrong_usage(
    cli: Cli, arguments: tuple[str, ...]
) -> None:
    """One line on standard error, exit code 2."""
    faults = cli.faults(*arguments, code=2)

    assert len(faults) == 1


@pytest.mark.parametrize(
    "arguments", [("list",), ("show", "x"), ("explain", "x"), ("stop", "x"), ("cancel", "x")]
)
def test_a_database_that_is_not_there_is_named(cli: Cli, arguments: tuple[str, ...]) -> None:
    """A command in the wrong folder says so, and leaves no empty database behind."""
    (fault,) = cli.faults(*arguments, code=4)

    assert str(cli.file) in fault
    assert not cli.file.exists()


def test_a_file_that_is_no_database_is_refused(cli: Cli) -> None:
    """No traceback for people."""
    cli.file.write_text("this is not SQLite, and never was" * 100)

    (fault,) = cli.faults("list", code=4)

    assert "not a database" in fault


def test_a_database_without_tables_says_what_to_do(cli: Cli) -> None:
    """The remedy stands beside the fault."""
    cli.file.touch()

    (fault,) = cli.faults("list", code=4)

    assert "recording-tasks migrate" in fault


def test_an_unreachable_server_is_exit_code_4(cli: Cli) -> None:
    """Also where it is no file; the password is not printed."""
    url = "postgresql://me:canary@127.0.0.1:1/recordings"

    (fault,) = cli.faults("list", code=4, RECORDING_DATABASE_URL=url)

    assert "canary" not in fault


@pytest.mark.parametrize("url", ["nonsense", "mysterious://x/y"])
def test_a_url_of_no_known_database_is_a_faulty_setting(cli: Cli, url: str) -> None:
    """The variable is named, not its value."""
    (fault,) = cli.faults("list", code=78, RECORDING_DATABASE_URL=url)

    assert fault.startswith("RECORDING_DATABASE_URL: ")


def test_every_faulty_setting_is_listed(cli: Cli) -> None:
    """One line each, exit code 78."""
    wrong = {"AGORA_APP_ID": "short", "RECORDING_QUERY_SECONDS": "soon", "RECORDING_RESTARTS": "-1"}

    faults = cli.faults("record", "lesson", code=78, **wrong)

    assert [fault.partition(":")[0] for fault in faults] == list(wrong)


@pytest.mark.parametrize("arguments", [("record", "lesson"), ("up",)])
def test_without_credentials_nothing_is_accepted(cli: Cli, arguments: tuple[str, ...]) -> None:
    """What cannot be recorded is not promised."""
    unset = dict.fromkeys(["AGORA_APP_ID", "AGORA_CUSTOMER_ID", "AGORA_CUSTOMER_SECRET"])

    (fault,) = cli.faults(*arguments, code=78, **unset)

    assert "AGORA_APP_ID" in fault
