"""The command that runs everything in one process."""

from __future__ import annotations

import logging
import os
import sys

import click
from sqlalchemy import inspect

from recording_tasks import embedded
from recording_tasks.cli import place
from recording_tasks.cli.display import console, print_facts
from recording_tasks.errors import StoreUnavailableError
from recording_tasks.recorder.readiness import worker_settings
from recording_tasks.settings import Settings
from recording_tasks.store import Database

READY = "ready"


@click.command("up")
@click.option(
    "--database",
    metavar="FILE|URL",
    help="Where the recordings are kept; RECORDING_DATABASE_URL, or recordings.db in this folder.",
)
@click.option(
    "--threads", type=click.IntRange(2, 500), default=32, show_default=True, help="Calls at a time."
)
@click.option("--quiet", is_flag=True, help="Say nothing but what goes wrong.")
def up_command(database: str | None, threads: int, quiet: bool) -> int:
    """Run worker and beat in one process, with no server to install.

    The recordings are kept in SQLite and survive anything that happens to this process: start it
    again, and it goes on. Ctrl-C or SIGTERM lets calls under way finish; a second one ends it at
    once. Stopping it stops no recording.

    \b
    Example:
      recording-tasks up --database /var/lib/recordings.db
    """  # noqa: D301 - \b is click's
    environ = dict(os.environ)
    if database is not None:
        environ["RECORDING_DATABASE_URL"] = place.database_url(database)
    settings = worker_settings(environ)
    _check_tables(settings)
    _log_to_stderr(quiet=quiet)
    embedded.prepare(os.environ, database_url=settings.database_url, threads=threads)
    if not quiet:
        _introduce(settings, threads)
    return embedded.run(on_up=lambda: _tell_ready(quiet=quiet))


def _check_tables(settings: Settings) -> None:
    """Refuse a server's database that was never migrated; a SQLite file is migrated later."""
    database = Database(settings.database_url, pool_size=1)
    try:
        if database.is_sqlite:
            return
        with database.read() as connection:
            if not inspect(connection).has_table("recordings"):
                raise StoreUnavailableError("it has no tables; run: recording-tasks migrate")
    finally:
        database.close()


def _introduce(settings: Settings, threads: int) -> None:
    apps = ", ".join(f"{app.name} ({app.rate} calls/s)" for app in settings.apps.values())
    database = Database(settings.database_url).url.render_as_string(hide_password=True)
    facts: list[tuple[str, object]] = [
        ("database", database),
        ("agora", ", ".join(settings.base_urls)),
        ("apps", apps),
        ("storages", ", ".join(settings.storages) or "none is set: only requests without files"),
        ("worker", f"{threads} threads, broker in memory, sweep every second"),
    ]
    print_facts(console(), facts)
    sys.stdout.flush()


def _tell_ready(*, quiet: bool) -> None:
    if not quiet:
        click.echo(f"{READY}; Ctrl-C ends it, and stops no recording")
        sys.stdout.flush()


def _log_to_stderr(*, quiet: bool) -> None:
    """Log our own events for people, and of the libraries only what goes wrong."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    if not quiet:
        logging.getLogger("recording_tasks").setLevel(logging.INFO)
