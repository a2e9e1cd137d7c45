"""Where a command works: the settings and the database that its environment names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import inspect

from recording_tasks.errors import ConfigurationError, StoreUnavailableError
from recording_tasks.recorder import Recorder
from recording_tasks.settings import Settings, read_settings
from recording_tasks.store import Database, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The settings, the database, and the verbs that work on it."""

    settings: Settings
    store: Store
    recorder: Recorder


@contextmanager
def existing(environ: Mapping[str, str]) -> Iterator[Place]:
    """Open the database of this environment.

    Raises:
        ConfigurationError: Lists every fault of the settings.
        StoreUnavailableError: There is no such database.
    """
    settings = read_settings(environ)
    file = sqlite_file(settings.database_url)
    if file is not None and not file.exists():
        raise StoreUnavailableError(
            f"there is no {file}; set RECORDING_DATABASE_URL, or make it: recording-tasks up"
        )
    with _opened(settings) as place:
        yield place


@contextmanager
def ready(environ: Mapping[str, str]) -> Iterator[Place]:
    """Open the database of this environment to put something in; a SQLite file is made."""
    settings = read_settings(environ)
    if not settings.apps:
        raise ConfigurationError(
            ["AGORA_APP_ID, AGORA_CUSTOMER_ID, AGORA_CUSTOMER_SECRET: not set"]
        )
    with _opened(settings) as place:
        database = place.store.database
        if database.is_sqlite:
            with database.read() as connection:
                has_tables = inspect(connection).has_table("recordings")
            if not has_tables:
                database.migrate()
        yield place


def database_url(given: str) -> str:
    """Take a URL as it is, and a path as the SQLite file of that name."""
    return given if "://" in given else f"sqlite:///{Path(given).absolute()}"


def sqlite_file(url: str) -> Path | None:
    """Name the file of a SQLite database; None for other databases."""
    path = url.partition("?")[0].partition(":///")[2]
    return Path(path) if url.startswith("sqlite") and path else None


@contextmanager
def _opened(settings: Settings) -> Iterator[Place]:
    store = Store(Database(settings.database_url, pool_size=2))
    recorder = Recorder(store, settings)
    try:
        yield Place(settings=settings, store=store, recorder=recorder)
    finally:
        recorder.close()
