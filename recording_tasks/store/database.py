"""One database: how to reach it, begin in it, tell its time, bring its tables up to date."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from operator import itemgetter
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.store import file
from recording_tasks.store.driver import Prepared

_SYNC_SECONDS = 5.0  # clocks drift by microseconds in that time
_QUICK_SECONDS = 0.005  # to be told the time; on a busy machine it may take many times that
_MORE_TRIES = 3
_SQLITE_BUSY_SECONDS = 20.0
_READ_ONLY = "25006"  # PostgreSQL: we came to a standby, or to a server that is being moved
_OLD_TABLES = frozenset({"42P01", "42703"})  # PostgreSQL: no such table, no such column


class Database:
    """An engine with the manners that the store relies on.

    SQLite: WAL, a busy timeout, and every transaction begins as a writer, so that two never
    deadlock.  PostgreSQL: UTC, a bound on waiting for locks, connections tested before use.
    """

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        self.url = sa.engine.make_url(_with_driver(url))
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._single = self._sqlite() if self.is_sqlite else self._postgresql(pool_size)
        self.engine = self._single
        if not self.is_sqlite:
            self.engine = self._single.execution_options(isolation_level="READ COMMITTED")
        self._readers = self.engine.execution_options(only_reads=True)
        self._clock = _Clock()

    def __repr__(self) -> str:
        return f"Database({self.url.render_as_string(hide_password=True)!r})"

    def _sqlite(self) -> sa.Engine:
        busy_seconds = float(str(self.url.query.get("timeout", _SQLITE_BUSY_SECONDS)))
        engine = sa.create_engine(
            self.url,
            hide_parameters=True,  # what callers sent belongs in no log
            poolclass=QueuePool,
            pool_size=10,
            max_overflow=40,
            connect_args={"timeout": busy_seconds, "check_same_thread": False},
        )
        file.guard(engine)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_as_writer)
        return engine

    def _postgresql(self, pool_size: int) -> sa.Engine:
        return sa.create_engine(
            self.url,
            hide_parameters=True,  # what callers sent belongs in no log
            isolation_level="AUTOCOMMIT",  # most of what is asked is a single statement
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=15,
            pool_recycle=1800,
            connect_args={
                "connect_timeout": 5,
                # Our statements are few, short, and their plans the same for any values; to plan a
                # sweep's each time, or to compile one, costs more than to run it.
                "options": "-c timezone=utc -c lock_timeout=10s -c statement_timeout=30s"
                " -c idle_in_transaction_session_timeout=60s"
                " -c plan_cache_mode=force_generic_plan -c jit=off",
                "tcp_user_timeout": 15000,
            },
        )

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open a transaction; it commits at the end, or nothing of it happens.

        Raises:
            StoreUnavailableError: The database is away, locked for too long, or full.
        """
        with self._translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise StoreUnavailableError(_first_line(error)) from None
        except PoolTimeoutError:
            raise StoreUnavailableError("no free connection in time") from None
        except DBAPIError as error:
            if error.connection_invalidated or _passes(error.orig):
                raise StoreUnavailableError(_first_line(error)) from None
            raise
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError) or _passes(error):
                raise StoreUnavailableError(_first_line(error)) from None
            raise

    def run(self, statement: Prepared, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run one statement as its own transaction and give its first row; PostgreSQL only.

        The driver does it alone: SQLAlchemy's part of a call costs several times the call.

        Raises:
            StoreUnavailableError: As for `begin`; the statement may have been carried out.
        """
        with self._translated(), self._single.connect() as connection:
            driver: Any = connection.connection.driver_connection
            try:
                cursor = psycopg.RawCursor(driver)
                cursor.execute(statement.text, statement.arguments(values))
                row: tuple[Any, ...] | None = cursor.fetchone()
            except psycopg.Error:
                if driver.closed:  # SQLAlchemy finds that out, and drops its other connections too
                    connection.exec_driver_sql("SELECT 1")
                raise
            return row

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads, and waits for no writer.

        Raises:
            StoreUnavailableError: As for `begin`.
        """
        with self._translated():
            reading = self._readers.begin() if self.is_sqlite else self._single.connect()
            with reading as connection:
                yield connection

    def now(self) -> datetime:
        """Tell the database's time, asked every few seconds and carried on by a steady clock.

        Workers whose own clocks are apart agree on it.
        """
        known = self._clock.read()
        if known is not None:
            return known
        if self.is_sqlite:
            read_at = time.monotonic()
            return self._clock.set(datetime.now(UTC), read_at)
        with self.begin() as connection:
            instant, sent, took = self._asked(connection)
            for _ in range(_MORE_TRIES):  # by half of what it took, an answer may be wrong
                if took > _QUICK_SECONDS:
                    another = self._asked(connection)
                    instant, sent, took = min(another, (instant, sent, took), key=itemgetter(2))
        return self._clock.set(instant + timedelta(seconds=took / 2), sent + took)

    def _asked(self, connection: sa.Connection) -> tuple[datetime, float, float]:
        """Ask for the time: what it was, when we asked by our steady clock, how long it took."""
        sent = time.monotonic()
        instant = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        return instant, sent, time.monotonic() - sent

    def migrate(self) -> None:
        """Bring the tables up to this version's; safe to repeat, and for two at once.

        Tables of a newer version are left alone: migrations only add, and this one works on them.
        """
        from alembic import command  # noqa: PLC0415 - only this command needs it, and it is slow
        from alembic.config import Config  # noqa: PLC0415
        from alembic.migration import MigrationContext  # noqa: PLC0415
        from alembic.script import ScriptDirectory  # noqa: PLC0415

        config = Config()
        with resources.as_file(resources.files("recording_tasks.store") / "migrations") as place:
            config.set_main_option("script_location", str(place).replace("%", "%%"))
            with self.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(7262473071)"))
                config.attributes["connection"] = connection
                found = MigrationContext.configure(connection).get_current_revision()
                known = ScriptDirectory.from_config(config).walk_revisions()
                if found is None or found in {one.revision for one in known}:
                    command.upgrade(config, "head")

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


class _Clock:
    """The last known time of the database, carried on by the monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None

    def read(self) -> datetime | None:
        with self._lock:
            if self._known is None:
                return None
            instant, read_at = self._known
            age = time.monotonic() - read_at
            return instant + timedelta(seconds=age) if age < _SYNC_SECONDS else None

    def set(self, instant: datetime, read_at: float) -> datetime:
        with self._lock:
            self._known = (instant, read_at)
        return instant + timedelta(seconds=time.monotonic() - read_at)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see _begin_as_writer
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # a committed recording survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Switch a new file to WAL; the busy timeout does not hold for that, so we wait ourselves."""
    deadline = time.monotonic() + _SQLITE_BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_as_writer(connection: sa.Connection) -> None:
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _with_driver(url: str) -> str:
    """Let people write postgresql:// and get the driver that is installed."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def _passes(error: BaseException | None) -> bool:
    """Tell whether trying again can help: a server being moved, tables being migrated."""
    state = getattr(error, "sqlstate", None)
    return state == _READ_ONLY or state in _OLD_TABLES


def _first_line(error: DBAPIError | psycopg.Error) -> str:
    """Say what the driver said, without the statement and its parameters."""
    said = error.orig if isinstance(error, DBAPIError) else error
    line = str(said).strip().split("\n", 1)[0]
    is_old = getattr(said, "sqlstate", None) in _OLD_TABLES
    return f"{line}; run: recording-tasks migrate" if is_old else line


def database_folder(url: str) -> Path | None:
    """Name the folder of a SQLite file, which must exist before it can be opened."""
    parsed = sa.engine.make_url(_with_driver(url))
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        return None
    return Path(str(parsed.database)).parent
