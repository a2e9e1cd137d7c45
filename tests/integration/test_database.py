"""The database itself: its tables, its time, and what it says when it is away."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from shelf import NINE, at_once, put

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.models import (
    Step,
)
from recording_tasks.store import Database, Store
from recording_tasks.store.schema import metadata

pytest_plugins = ("stores",)


# -- the database itself -----------------------------------------------------------------


def test_migrating_twice_changes_nothing(store: Store) -> None:
    """Safe to repeat, with rows in the tables."""
    put(store)

    store.database.migrate()

    assert store.find("r") is not None


def test_two_may_migrate_at_once(open_database: Callable[[], Database]) -> None:
    """Several processes that start together make the tables once."""
    databases = [open_database() for _ in range(4)]

    at_once(4, lambda number: databases[number].migrate())

    put(Store(databases[0]))
    assert Store(databases[3]).find("r") is not None


def test_processes_that_migrate_at_once_make_the_tables_once(url: str) -> None:
    """Three commands on an empty database: all succeed, and one of them did it."""
    command_line = [str(Path(sys.executable).with_name("recording-tasks")), "migrate", "--json"]
    environ = {"PATH": os.environ["PATH"], "RECORDING_DATABASE_URL": url}
    running = [
        subprocess.Popen(command_line, env=environ, stdout=subprocess.PIPE) for _ in range(3)
    ]

    ended = [(one.communicate(timeout=60)[0], one.returncode) for one in running]

    database = Database(url)
    put(Store(database))
    database.close()
    assert [code for _, code in ended] == [0, 0, 0]
    assert len({json.loads(said)["after"] for said, _ in ended}) == 1


def test_a_worker_of_any_version_before_may_go_on_writing(
    open_database: Callable[[], Database],
) -> None:
    """Migrations only add, and what they add may be left empty: a deploy needs no pause."""
    before, after = open_database(), open_database()
    first = _migrated_to(before, "0001")

    after.migrate()

    now = _columns(after)
    assert first.items() <= now.items()
    added = {name: now[name] for name in now.keys() - first.keys()}
    assert added
    assert all(may_be_empty for may_be_empty, _ in added.values()), added


def _migrated_to(database: Database, revision: str) -> dict[str, tuple[bool, str]]:
    """Bring tables up to an old version, and tell its columns."""
    config = Config()
    place = files("recording_tasks.store") / "migrations"
    config.set_main_option("script_location", str(place))
    with database.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return _columns(database)


def _columns(database: Database) -> dict[str, tuple[bool, str]]:
    """Every column of every table: whether it may be left empty, and its type."""
    inspector = sa.inspect(database.engine)
    return {
        f"{table}.{column['name']}": (
            bool(column["nullable"]) or column.get("default") is not None,
            str(column["type"]),
        )
        for table in metadata.tables
        if inspector.has_table(table)
        for column in inspector.get_columns(table)
    }


def test_the_tables_are_what_the_code_thinks_they_are(store: Store) -> None:
    """Migrations and schema do not drift apart."""
    with store.database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_the_time_is_the_databases(store: Store) -> None:
    """It agrees with what the database says, at once and carried on."""
    query = "SELECT clock_timestamp()"
    if store.database.is_sqlite:
        query = "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"

    for _ in range(3):
        with store.database.begin() as connection:
            told = connection.execute(sa.text(query)).scalar_one()
        instant = told if isinstance(told, datetime) else datetime.fromisoformat(told)
        assert abs(store.now() - instant) < timedelta(seconds=1)
    assert store.now().utcoffset() == timedelta(0)


def test_a_time_that_took_long_to_be_told_is_asked_for_again(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine: by half of what it took, it could be wrong, and slots with it."""
    answers = [(NINE, 0.2), (NINE + timedelta(hours=1), 0.001), (NINE, 0.3)]

    def asked(_1: Database, _2: sa.Connection) -> tuple[datetime, float, float]:
        instant, took = answers.pop(0)
        return instant, time.monotonic(), took

    monkeypatch.setattr(Database, "_asked", asked)
    database = Database(postgresql_url)
    told = database.now()
    database.close()

    assert abs(told - NINE - timedelta(hours=1)) < timedelta(minutes=1)
    assert len(answers) == 1


def test_time_never_runs_backwards_between_two_looks(store: Store) -> None:
    """A hundred looks in a row."""
    looks = [store.now() for _ in range(100)]

    assert looks == sorted(looks)


def test_no_password_is_in_a_representation() -> None:
    """Databases are printed in tracebacks."""
    database = Database("postgresql://user:canary@127.0.0.1:1/base")

    shown = repr(database)
    database.close()

    assert "canary" not in shown
    assert "postgresql" in shown


VERBS: list[Callable[[Store], Any]] = [
    lambda store: store.find("r"),
    lambda store: store.find_by_key("k"),
    lambda store: store.recent(),
    lambda store: store.apps_with_work(NINE, NINE),
    lambda store: store.take("r-1", 1, Step.START, latest_slot=NINE),
    put,
    lambda store: store.database.migrate(),
]


@pytest.mark.parametrize("verb", VERBS)
def test_a_postgresql_that_is_away_is_an_error_with_a_remedy(verb: Callable[[Store], Any]) -> None:
    """Whatever is asked: try again later, and no statement, parameter or password is told."""
    store = Store(Database("postgresql://user:canary@127.0.0.1:1/base"))

    with pytest.raises(StoreUnavailableError) as caught:
        verb(store)

    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)
    store.database.close()


def test_tables_that_are_not_there_yet_are_an_error_with_a_remedy(postgresql_url: str) -> None:
    """A worker that is quicker than the migration tries again: nothing of it is lost."""
    store = Store(Database(postgresql_url))

    for verb in (lambda: store.find("r"), lambda: store.see_latest("r"), lambda: put(store)):
        with pytest.raises(StoreUnavailableError, match="run: recording-tasks migrate"):
            verb()


def test_the_time_of_a_postgresql_that_is_away_is_unknown() -> None:
    """It is never a worker's guess."""
    database = Database("postgresql://user@127.0.0.1:1/base")

    with pytest.raises(StoreUnavailableError):
        database.now()


def test_a_locked_sqlite_is_an_error_with_a_remedy_and_nothing_is_written(tmp_path: Path) -> None:
    """Another process writes for longer than we wait; then it goes on as if nothing was."""
    file = tmp_path / "recordings.db"
    store = Store(Database(f"sqlite:///{file}?timeout=0.05"))
    store.database.migrate()
    rival = sqlite3.connect(file, isolation_level=None)
    rival.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreUnavailableError, match="locked"):
        put(store)
    still_readable = store.find("r")
    rival.execute("ROLLBACK")
    rival.close()
    put(store)

    assert still_readable is None
    assert store.find("r") is not None
    store.database.close()


def test_a_standby_is_an_error_with_a_remedy(postgresql_url: str) -> None:
    """A server that takes no writes, as during a switch-over: try again later."""
    first = Store(Database(postgresql_url))
    first.database.migrate()
    name = first.database.url.database
    with first.database.begin() as connection:
        connection.execute(
            sa.text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        )
    first.database.close()
    standby = Store(Database(postgresql_url))

    with pytest.raises(StoreUnavailableError, match="read-only"):
        put(standby)

    assert standby.find("r") is None
    standby.database.close()


def test_a_connection_that_was_cut_is_replaced(postgresql_url: str) -> None:
    """The server ended our connections: one error with a remedy at most, then all is well."""
    store = Store(Database(postgresql_url))
    store.database.migrate()
    put(store)
    admin = Database(postgresql_url)
    with admin.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    admin.close()

    found = None
    for _ in range(25):
        try:
            found = store.find("r")
            break
        except StoreUnavailableError:
            continue

    assert found is not None
    store.database.close()


def test_nobody_waits_for_a_lock_for_ever(postgresql_url: str) -> None:
    """PostgreSQL gives up on a lock after a bounded time."""
    database = Database(postgresql_url)

    with database.begin() as connection:
        bound = connection.execute(sa.text("SHOW lock_timeout")).scalar_one()
        zone = connection.execute(sa.text("SHOW timezone")).scalar_one()

    assert (bound, zone.lower()) == ("10s", "utc")
    database.close()
