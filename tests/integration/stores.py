"""Stores over a database of each kind, for whoever asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recording_tasks.store import Database, Store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/recordings.db"
    found: str = request.getfixturevalue("postgresql_url")
    return found


@pytest.fixture
def open_database(url: str) -> Iterator[Callable[[], Database]]:
    """Open the same database as another process would."""
    opened: list[Database] = []

    def another() -> Database:
        opened.append(Database(url))
        return opened[-1]

    yield another
    for database in opened:
        database.close()


@pytest.fixture
def store(open_database: Callable[[], Database]) -> Store:
    """A store with its tables."""
    database = open_database()
    database.migrate()
    return Store(database)


@pytest.fixture
def rivals(postgresql_url: str) -> Iterator[tuple[Store, Store]]:
    """Two stores on one PostgreSQL; SQLite has one writer, who locks everything out anyway."""
    databases = [Database(postgresql_url) for _ in range(2)]
    databases[0].migrate()
    yield Store(databases[0]), Store(databases[1])
    for database in databases:
        database.close()
