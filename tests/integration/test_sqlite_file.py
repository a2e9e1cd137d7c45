"""A SQLite file that is full, moved away or replaced: nothing is lost, and none made anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from shelf import at_once, put
from sqlalchemy import event

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.store import Database, Store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recordings.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    store = Store(Database(f"sqlite:///{file}"))
    store.database.migrate()
    put(store, "before")
    yield store
    store.database.close()


def _moved(file: Path, to: str) -> None:
    """Move a database with its log, as a person would."""
    for one in [*file.parent.glob(f"{file.name}*")]:
        one.rename(one.with_name(to + one.name.removeprefix(file.name)))


@pytest.mark.parametrize("with_its_log", [True, False])
def test_a_file_that_was_moved_away_is_waited_for(
    store: Store, file: Path, *, with_its_log: bool
) -> None:
    """Neither is the old file written unseen, nor a new one begun; what was committed is there."""
    away = file.with_name("away.db")
    if with_its_log:
        _moved(file, away.name)
    else:
        file.rename(away)

    def fails(number: int) -> None:
        with pytest.raises(StoreUnavailableError):
            put(store, f"meanwhile-{number}")

    at_once(5, fails)  # more than one connection
    was_made = file.exists()
    with pytest.raises(StoreUnavailableError):
        store.find("before")
    if with_its_log:
        _moved(away, file.name)
    else:
        away.rename(file)
    put(store, "after")

    assert not was_made
    assert store.find("before") is not None
    assert store.find("meanwhile-1") is None
    assert store.find("after") is not None


def test_a_process_that_begins_meanwhile_does_not_throw_the_log_away(
    store: Store, file: Path
) -> None:
    """The log beside a missing file is the latest of it: an empty file would make it worthless."""
    away = file.with_name("away.db")
    file.rename(away)
    another = Database(f"sqlite:///{file}")

    with pytest.raises(StoreUnavailableError):
        another.migrate()
    was_made = file.exists()
    away.rename(file)
    another.migrate()

    assert not was_made
    assert Store(another).find("before") is not None
    another.close()


def test_a_file_that_was_replaced_is_the_one_that_is_used(store: Store, file: Path) -> None:
    """A backup was put in its place: what is written from now on is in it."""
    copy = file.with_name("copy.db")
    with store.database.begin() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"VACUUM INTO '{copy}'")
        connection.exec_driver_sql("BEGIN")
    _moved(file, "away.db")

    shutil.move(copy, file)
    put(store, "after")

    seen = Store(Database(f"sqlite:///{file}"))
    assert seen.find("before") is not None
    assert seen.find("after") is not None
    seen.database.close()


def _fill(store: Store, accepted: list[str]) -> None:
    for number in range(1000):
        put(store, f"r-{number}")
        accepted.append(f"r-{number}")


def test_a_full_file_is_an_error_with_a_remedy_and_nothing_is_half_written(store: Store) -> None:
    """No page is left: what was accepted before stays readable, and it goes on when there is."""
    room = [0]

    def bound(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {room[0] or 1_000_000}")

    with store.database.begin() as connection:
        room[0] = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    event.listen(store.database.engine, "begin", bound, insert=True)

    accepted: list[str] = []
    with pytest.raises(StoreUnavailableError, match="full"):
        _fill(store, accepted)
    rejected = f"r-{len(accepted)}"
    kept = [store.find(name) for name in ["before", *accepted]]
    half = (store.find(rejected), store.sessions_of(rejected), store.timeline_of(rejected))
    room[0] = 0
    put(store, rejected)

    assert None not in kept
    assert half == (None, [], [])
    assert store.find(rejected) is not None
