"""The command that brings the database's tables up to date."""

from __future__ import annotations

import os

import click

from recording_tasks.cli import group
from recording_tasks.cli.documents import print_json
from recording_tasks.settings import read_settings
from recording_tasks.store import Database


@click.command("migrate")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def migrate_command(as_json: bool) -> int:
    """Bring the database's tables up to this version's.

    Safe to repeat, and for two at once. SQLite files need it only once they are shared by
    programs of different versions: `up` and workers do it by themselves.

    \b
    Example:
      RECORDING_DATABASE_URL=postgresql://recorder@db/recordings recording-tasks migrate
    """  # noqa: D301 - \b is click's
    from recording_tasks.cli.revisions import revisions  # noqa: PLC0415 - alembic is slow

    database = Database(read_settings(os.environ).database_url)
    try:
        before, _ = revisions(database)
        database.migrate()
        after, _ = revisions(database)
    finally:
        database.close()
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        click.echo(f"nothing to do: the tables are at {after}")
    else:
        click.echo(f"the tables went from {before or 'nothing'} to {after}")
    return group.OK
