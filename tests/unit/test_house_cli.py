"""Every command says what it is for, itself and in the README."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from recording_tasks.cli import main

README = Path(__file__).parents[2] / "README.md"


def _walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by what is typed for it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _walk(found, f"{path} {name}")


COMMANDS = dict(_walk(main, "recording-tasks"))


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_has_help(path: str) -> None:
    """The command says what it does, and each of its options and what it means."""
    command = COMMANDS[path]

    assert (command.help or "").strip()
    assert [
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not option.help and not option.hidden
    ] == []


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_is_in_the_readme(path: str) -> None:
    """Who reads the README learns that the command exists."""
    assert re.search(rf"{re.escape(path)}\b", README.read_text())
