"""The database is away, locked, full or moved while calls are under way: their answers are kept."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from deployment import Deployment, Process, until
from neighbours import POSTGRESQL

from recording_tasks.errors import StoreUnavailableError

from .conftest import Deploy

PROGRAM = str(Path(sys.executable).with_name("recording-tasks"))
Outage = Callable[[Deployment, Process], AbstractContextManager[None]]


# -- outages ------------------------------------------------------------------------------


@contextmanager
def _closed(deployment: Deployment, _: Process) -> Iterator[None]:
    """Let PostgreSQL end every connection to the database, and take no new one."""
    name = sa.engine.make_url(deployment.database_url).database
    with psycopg.connect(POSTGRESQL, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        ended = b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        admin.execute(ended, [name])
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
            deployment.store.database.close()


@contextmanager
def _locked(deployment: Deployment, _: Process) -> Iterator[None]:
    """Write into the SQLite file, from another process, for longer than anybody waits."""
    rival = sqlite3.connect(_file(deployment), isolation_level=None)
    until(lambda: _is_begun(rival), 10, "the lock")
    try:
        yield
    finally:
        rival.execute("ROLLBACK")
        rival.close()


def _is_begun(rival: sqlite3.Connection) -> bool:
    with suppress(sqlite3.OperationalError):
        rival.execute("BEGIN EXCLUSIVE")
        return True
    return False


@contextmanager
def _full(_: Deployment, process: Process) -> Iterator[None]:
    """Let the process write no file any further than its first page."""
    limited = psutil.Process(process.pid)
    soft, hard = limited.rlimit(psutil.RLIMIT_FSIZE)
    limited.rlimit(psutil.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        limited.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _moved(deployment: Deployment, _: Process) -> Iterator[None]:
    """Move the SQLite file away with its log."""
    file = _file(deployment)
    away = file.parent / "away"
    away.mkdir()
    for one in sorted(file.parent.glob(f"{file.name}*")):
        one.rename(away / one.name)
    try:
        yield
    finally:
        assert list(file.parent.glob(f"{file.name}*")) == []  # none was begun in its place
        for one in sorted(away.iterdir(), reverse=True):
            one.rename(file.parent / one.name)


def _file(deployment: Deployment) -> Path:
    return Path(str(sa.engine.make_url(deployment.database_url).database))


# -- what becomes of it -------------------------------------------------------------------


def _up(deploy: Deploy, tmp_path: Path, kind: str) -> tuple[Deployment, Process]:
    """Bring up a worker and a beat over PostgreSQL, or all in one process over SQLite."""
    if kind == "postgresql":
        deployment = deploy()
        worker, _ = deployment.up()
        return deployment, worker
    deployment = deploy(
        broker="memory://", database=f"sqlite:///{tmp_path}/recordings.db?timeout=1"
    )
    process = deployment.run(PROGRAM, "up", name="up")
    process.says("ready;")
    return deployment, process


def _accepted(deployment: Deployment, channel: str, begin: float, seconds: float) -> str:
    """Accept a recording straight into the database, as another program would."""
    accept = "import sys, recording_tasks as r; print(r.accept(sys.argv[1], %s))"
    code = accept % f"start_at={begin!r}, duration={seconds!r}"
    process = deployment.run(sys.executable, "-c", code, channel, name="accept")
    assert process.wait(30) == os.EX_OK, process.text
    return process.text.split()[-1]


def _is_outlived(deployment: Deployment, process: Process, outage: Outage, seconds: float) -> None:
    """One start is under way, one falls into the outage, and so does one stop."""
    begin = time.time() + 3.5
    deployment.simulator.fault("start", "delay", cname="starting", seconds=1.0, carry_out=True)
    wanted = {
        "ending": (begin - 2, 3.0),
        "starting": (begin, seconds + 5),
        "due": (begin + 2.5, seconds + 2.5),
    }
    ids = {
        channel: _accepted(deployment, channel, start_at, duration)
        for channel, (start_at, duration) in wanted.items()
    }
    until(lambda: deployment.calls("start", "starting"), 20, "its start is under way")

    with outage(deployment, process):
        time.sleep(seconds)
    for recording_id in ids.values():
        until(lambda one=recording_id: _is_stopped(deployment, one), 40, "stopped")  # type: ignore[misc]

    assert process.is_alive
    assert deployment.simulator.report()["sessions_running"] == 0
    assert set(deployment.simulator.report()["ended_by_cause"]) == {"stopped"}
    for channel, recording_id in ids.items():
        (session,) = deployment.simulator.sessions(channel)
        assert deployment.session(recording_id).sid == session["sid"]


def _is_stopped(deployment: Deployment, recording_id: str) -> bool:
    with suppress(StoreUnavailableError):
        return deployment.find(recording_id).state.value == "stopped"
    return False


OUTAGES = [
    pytest.param("postgresql", _closed, id="postgresql-closed"),
    pytest.param("sqlite", _locked, id="sqlite-locked"),
    pytest.param("sqlite", _moved, id="sqlite-moved"),
    pytest.param("sqlite", _full, id="sqlite-full"),
]


@pytest.mark.parametrize(("kind", "outage"), OUTAGES[:3])
def test_an_outage_shorter_than_a_lease_costs_nothing_but_its_time(
    deploy: Deploy, tmp_path: Path, kind: str, outage: Outage
) -> None:
    """The sid that was heard meanwhile is written down, and what was due is made good."""
    deployment, process = _up(deploy, tmp_path, kind)

    _is_outlived(deployment, process, outage, 3.5)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("kind", "outage"), OUTAGES)
def test_an_outage_of_a_minute_is_outlived(
    deploy: Deploy, tmp_path: Path, kind: str, outage: Outage
) -> None:
    """Longer than every lease: still every sid is known, and nothing runs that is not."""
    deployment, process = _up(deploy, tmp_path, kind)

    _is_outlived(deployment, process, outage, 60)


def test_a_wish_that_came_during_an_outage_is_accepted_after_it(deploy: Deploy) -> None:
    """The message waits, and so does its caller's word."""
    deployment = deploy()
    worker, _ = deployment.up()
    earlier = deployment.record("earlier", duration=600)
    deployment.is_in(earlier, "recording")

    with _closed(deployment, worker):
        deployment.send("record", channel="meanwhile", duration=3)
        deployment.send("stop", recording_id=earlier)
        time.sleep(3)
    meanwhile = until(lambda: _found(deployment, "meanwhile"), 20, "it is accepted")

    deployment.is_in(meanwhile, "stopped", 30)
    deployment.is_in(earlier, "stopped", 30)


def _found(deployment: Deployment, channel: str) -> str:
    """Give a recording's id, empty while there is none to be seen."""
    with suppress(StoreUnavailableError):
        found = deployment.store.recent(channel=channel)
        return found[0].id if found else ""
    return ""


def test_a_worker_asked_to_end_does_not_take_an_answer_with_it(deploy: Deploy) -> None:
    """SIGTERM while a sid waits for the database: it is written first, then the worker ends."""
    deployment = deploy()
    worker, _ = deployment.up()
    deployment.simulator.fault("start", "delay", seconds=1.0, carry_out=True)
    deployment.send("record", channel="room", duration=12)
    until(lambda: deployment.calls("start", "room"), 20, "its start is under way")

    with _closed(deployment, worker):
        worker.says("answer.kept")
        worker.ask_to_end()
        time.sleep(2)
        assert worker.is_alive
    code = worker.wait(30)
    deployment.worker()
    recording_id = until(lambda: _found(deployment, "room"), 20, "it is found")
    deployment.is_in(recording_id, "stopped", 30)

    (session,) = deployment.simulator.sessions("room")
    assert code == 0
    assert "answer.written" in worker.text
    assert deployment.session(recording_id).sid == session["sid"]
    assert session["end_cause"] == "stopped"
