"""The command that lists recordings, once or as they change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

import click
from rich.live import Live

from recording_tasks.cli import group, place
from recording_tasks.cli.display import console, is_watched, recordings_table
from recording_tasks.cli.documents import print_json, recording_document
from recording_tasks.models import Recording, RecordingState

_EVERY_SECONDS = 1.0


@click.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in RecordingState]),
    help="Only recordings in this state; repeatable.",
)
@click.option("--channel", help="Only recordings of this channel.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="At most so many.",
)
@click.option("--watch", is_flag=True, help="Show them as they change, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_command(
    states: Sequence[str], channel: str | None, limit: int, watch: bool, as_json: bool
) -> int:
    """List recordings, the newest first.

    \b
    Example:
      recording-tasks list --state scheduled --state recording --watch
    """  # noqa: D301 - \b is click's
    if watch and as_json:
        raise click.UsageError("--watch is for people: it cannot be had with --json")
    if watch and not is_watched():
        raise click.UsageError("--watch needs a terminal")
    with place.existing(os.environ) as at:
        chosen = [RecordingState(state) for state in states]

        def recent() -> list[Recording]:
            return at.store.recent(states=chosen, channel=channel, most=limit)

        if watch:
            _watch(recent)
        elif as_json:
            print_json({"recordings": [recording_document(each) for each in recent()]})
        else:
            _print(recent())
    return group.OK


def _print(recordings: Sequence[Recording]) -> None:
    if recordings:
        console().print(recordings_table(recordings))
    else:
        console(stderr=True).print("no recordings")


def _watch(recent: Callable[[], Sequence[Recording]]) -> None:
    """Show the list until Ctrl-C, which is how it ends well."""
    with Live(recordings_table(recent()), console=console(), auto_refresh=False) as live:
        try:
            while True:
                live.update(recordings_table(recent()), refresh=True)
                time.sleep(_EVERY_SECONDS)
        except KeyboardInterrupt:
            return
