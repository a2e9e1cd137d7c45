"""The command that checks whether everything a recording needs is there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import click
from rich.text import Text

from recording_tasks.cli import group
from recording_tasks.cli.checks import Check, checks
from recording_tasks.cli.display import console
from recording_tasks.cli.documents import print_json


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor_command(as_json: bool) -> int:
    """Check settings, database, broker and credentials.

    Each line is one check, with what to do where something is wrong; exit code 1 when any is.
    The credentials are tried with a query for a session that does not exist: it changes
    nothing, and uses one call of the quota for each app and each of Agora's hosts.

    \b
    Example:
      recording-tasks doctor
    """  # noqa: D301 - \b is click's
    found = checks(os.environ)
    done = _printed(found) if not as_json else tuple(found)
    if as_json:
        print_json({"is_well": all(check.is_well for check in done), "checks": _document(done)})
    return group.OK if all(check.is_well for check in done) else group.REFUSED


def _printed(found: Iterator[Check]) -> tuple[Check, ...]:
    """Print each check as soon as it is done."""
    out, done = console(), []
    for check in found:
        word, style = ("ok", "green") if check.is_well else ("fault", "bold red")
        line = Text.assemble((f"{word:<6}", style), (f"{check.name:<10}", "bold"), check.said)
        out.print(line, soft_wrap=True)
        if check.remedy:
            out.print(Text(f"{'':<16}→ {check.remedy}", style="dim"), soft_wrap=True)
        done.append(check)
    return tuple(done)


def _document(done: Sequence[Check]) -> list[dict[str, object]]:
    return [
        {
            "name": check.name,
            "is_well": check.is_well,
            "said": check.said,
            "remedy": check.remedy,
        }
        for check in done
    ]
