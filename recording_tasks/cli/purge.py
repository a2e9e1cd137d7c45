"""The command that removes what is over for long, or says how much that is."""

from __future__ import annotations

import os

import click

from recording_tasks.cli import group, place
from recording_tasks.cli.documents import print_json
from recording_tasks.recorder import Recorder


@click.command("purge")
@click.option("--days", metavar="DAYS", help="Keep what ended so many days ago, not what is set.")
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def purge_command(days: str | None, dry_run: bool, as_json: bool) -> int:
    """Remove recordings that ended longer ago than they are kept.

    Workers do it by themselves where RECORDING_KEEP_DAYS is set. What is removed is written to
    RECORDING_ARCHIVE_FOLDER before, if that is set.

    \b
    Example:
      recording-tasks purge --days 90 --dry-run
    """  # noqa: D301 - \b is click's
    environ = {**os.environ, **({} if days is None else {"RECORDING_KEEP_DAYS": days})}
    with place.existing(environ) as at:
        if at.settings.keep is None:
            raise click.UsageError("everything is kept: give --days, or set RECORDING_KEEP_DAYS")
        count = at.recorder.count_purgeable() if dry_run else _purged(at.recorder)
    if as_json:
        print_json({"recordings": count, "removed": not dry_run})
    else:
        click.echo(f"{count} recordings {'would be' if dry_run else 'were'} removed")
    return group.OK


def _purged(recorder: Recorder) -> int:
    count = 0
    try:
        while removed := recorder.purge():
            count += removed
    except OSError as error:
        told = f"{count} were removed; the archive cannot be written: {error}"
        raise click.ClickException(told) from None
    return count
