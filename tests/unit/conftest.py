"""The desk that tests of the recorder share: one simulator for all, a new database for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk import Desk, settings_for

from recording_tasks.simulator import Simulator, running
from recording_tasks.store import Database


@pytest.fixture(scope="session")
def frozen_simulator() -> Iterator[Simulator]:
    """A simulator whose clock stands still."""
    with running(speed=0, requests_per_second=10_000, method_latency_ms={}) as simulator:
        yield simulator


@pytest.fixture
def agora(frozen_simulator: Simulator) -> Simulator:
    """Agora, with nothing happened yet."""
    frozen_simulator.reset()
    return frozen_simulator


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a database with nothing in its tables."""
    file = tmp_path_factory.mktemp("empty") / "recordings.db"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    database.close()  # which empties the write-ahead log into the file
    return file.read_bytes()


@pytest.fixture
def make_desk(
    agora: Simulator, tmp_path: Path, empty_database: bytes
) -> Iterator[Callable[..., Desk]]:
    """Set up desks with settings of their own."""
    desks: list[Desk] = []

    def make(**environ: str) -> Desk:
        file = tmp_path / "recordings.db"
        if not file.exists():
            file.write_bytes(empty_database)
        settings = settings_for(agora, **environ)
        desks.append(Desk(Database(f"sqlite:///{file}"), agora, settings))
        return desks[-1]

    yield make
    for desk in desks:
        desk.recorder.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    """A desk with the settings that everybody has."""
    return make_desk()
