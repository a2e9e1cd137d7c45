"""A worker that is killed at each point of each step: what the remote side saw in the end.

The matrix has a row for each of acquire, start, query, stop, record, extend and sweep, and a
column for each point: before the call, after it and before the write, after the write and before
the ack; every cell over Redis and over RabbitMQ.  For `record`, `extend` and `sweep` the call is
what they do in the database, and the write is its commit.  The four that call the remote side are
held at one point together, in four recordings, and their worker is killed once.

One deployment for each broker serves all cells; a new worker follows each that was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from deployment import ROOT, Deployment, Process, until
from neighbours import Proxy

from recording_tasks.models import Session

from .conftest import deployed

STEPS = ("acquire", "start", "query", "stop")

# What a killed worker had of Redis is handed out again after so long.
_CONFIG = """
from celeryconfig import *

if broker_url.startswith("redis"):
    broker_transport_options = {
        **broker_transport_options, "visibility_timeout": 6, "unacked_restore_interval": 1,
    }
"""

_SLOW_REDIS = pytest.param("redis", marks=pytest.mark.slow)
on_both = pytest.mark.parametrize("stage", ["redis", "rabbitmq"], indirect=True)
always_on_rabbitmq = pytest.mark.parametrize("stage", [_SLOW_REDIS, "rabbitmq"], indirect=True)


class Stage:
    """A deployment whose one worker has its broker behind a proxy, and can be replaced."""

    def __init__(self, deployment: Deployment, proxy: Proxy) -> None:
        self.deployment, self.proxy = deployment, proxy
        port = urlsplit(deployment.broker).port
        self._through = deployment.broker.replace(f":{port}", f":{proxy.port}")
        self.worker, self.beat = deployment.up(CELERY_BROKER_URL=self._through)
        self.numbers = count(1)

    def ready(self) -> None:
        """Let nothing of the cell before be felt any more, also where its test failed."""
        self.deployment.simulator.clear_faults()
        if not self.worker.is_alive:
            self.replace_worker()
        self.proxy.let_go()

    def replace_worker(self) -> None:
        """Kill the worker, forget what it had not sent, and start another."""
        self.worker.kill()
        self.proxy.cut()
        self.proxy.let_go()
        self.worker = self.deployment.worker(CELERY_BROKER_URL=self._through)


@dataclass
class Scene:
    """One cell of the matrix, on channels of its own."""

    stage: Stage
    name: str
    at: float = 0.0

    @property
    def deployment(self) -> Deployment:
        return self.stage.deployment

    @property
    def proxy(self) -> Proxy:
        return self.stage.proxy

    @property
    def worker(self) -> Process:
        return self.stage.worker

    @property
    def engine(self) -> sa.Engine:
        return self.deployment.store.database.engine

    def channel(self, step: str) -> str:
        return f"{self.name}-{step}"

    def plan(self) -> None:
        """Ask for the recordings: each has the step it is named for at `self.at`."""
        at = self.at = time.time() + 5
        self.deployment.simulator.channel(f"{self.name}-*", users=[{"uid": "7", "leaves": 14}])
        begins = {"acquire": at + 2, "start": at, "query": at - 2, "stop": at - 3.5}
        ends = {"acquire": at + 8, "start": at + 8, "query": at + 8, "stop": at}
        for step in STEPS:
            channel = self.channel(step)
            self.deployment.send(
                "record", channel=channel, start_at=begins[step], stop_at=ends[step]
            )
        for step in STEPS:
            self.deployment.accepted(self.channel(step))

    def fault(self, step: str, action: str, **rule: float) -> None:
        """Let a step's own recording meet a fault at that step, once."""
        self.deployment.simulator.fault(step, action, cname=self.channel(step), **rule)

    def session(self, step: str) -> Session:
        (recording,) = self.deployment.store.recent(channel=self.channel(step))
        return self.deployment.store.sessions_of(recording.id)[0]

    def ends_at(self, recording_id: str) -> float:
        """When a recording is to stop, in Unix seconds."""
        stop_at = self.deployment.find(recording_id).stop_at
        assert stop_at is not None
        return stop_at.timestamp()

    def call_count(self, step: str) -> int:
        return len(self.deployment.calls(step, self.channel(step)))

    def replace_worker(self) -> None:
        self.stage.replace_worker()

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Hold the four recordings' rows of a table."""
        column = "id" if table == "recordings" else "recording_id"
        ids = [self.session(step).recording_id for step in STEPS]
        statement = sa.text(f"SELECT id FROM {table} WHERE {column} = ANY(:ids) FOR UPDATE")
        with self.engine.connect() as connection:
            connection.execute(statement, {"ids": ids})
            yield
            connection.rollback()

    @contextmanager
    def table_locked(self, table: str, *, also_for_readers: bool = False) -> Iterator[None]:
        """Let nobody write a table, or lock any row of it either."""
        mode = "EXCLUSIVE" if also_for_readers else "SHARE"
        with self.engine.connect() as connection:
            connection.execute(sa.text(f"LOCK TABLE {table} IN {mode} MODE"))
            yield
            connection.rollback()

    def waiting(self) -> int:
        """How many transactions wait for a lock."""
        counted = sa.text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with self.engine.connect() as connection:
            found: int = connection.execute(counted).scalar_one()
            return found


@pytest.fixture(scope="module")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp(request.param)
        (folder / "crash_matrix.py").write_text(_CONFIG)
        deployment = deployed(
            stack,
            folder,
            broker=request.param,
            RECORDING_FIRST_QUERY_SECONDS="2",
            CELERY_CONFIG_MODULE="crash_matrix",
            PYTHONPATH=f"{ROOT}:{folder}",
        )
        port = urlsplit(deployment.broker).port
        assert port is not None
        yield Stage(deployment, stack.enter_context(Proxy(port)))


@pytest.fixture
def scene(stage: Stage) -> Scene:
    stage.ready()
    return Scene(stage=stage, name=f"cell-{next(stage.numbers)}")


def _nothing_is_lost_or_left(scene: Scene) -> None:
    """Every recording ends with a reason, and nothing runs or overlaps that is not on the books."""
    deployment = scene.deployment
    deployment.all_final(40)
    until(lambda: not deployment.simulator.report()["sessions_running"], 20, "nothing runs")

    report = deployment.simulator.report()
    overlapping = {one["cname"] for one in report["overlapping_channels"]}
    for step in STEPS:
        channel = scene.channel(step)
        (recording,) = deployment.store.recent(channel=channel)
        events = deployment.events(recording.id)
        assert recording.state.value == "stopped", f"{step}: {recording}"
        assert recording.reason
        assert channel not in overlapping or "session.unaccounted" in events
    assert report["queries_beside_stop"] == 0
    assert set(report["ended_by_cause"]) <= {"stopped", "idle"}
    for step, least in {"acquire": 1, "start": 1, "query": 8, "stop": 3}.items():
        sessions = deployment.simulator.sessions(scene.channel(step))
        spans = [one["ended_unix"] - one["started_unix"] for one in sessions]
        assert max(spans) > least, f"{step}: {spans}"


# -- the steps that call the remote side ------------------------------------------------------


@pytest.mark.slow
@on_both
def test_killed_before_the_intent_is_written(scene: Scene) -> None:
    """The tasks wait to write that they begin: nothing was sent, all is claimed anew."""
    scene.plan()
    until(lambda: all(scene.session(step).claimed == step for step in STEPS), 8, "all claimed")
    with scene.locked("sessions"):
        until(lambda: scene.waiting() >= len(STEPS), 8, "all wait for their row")
        scene.worker.kill()
    assert [scene.call_count(step) for step in STEPS] == [0, 0, 0, 0]
    scene.replace_worker()

    _nothing_is_lost_or_left(scene)
    assert [scene.call_count(step) for step in ("acquire", "start", "stop")] == [1, 1, 1]


@pytest.mark.slow
@on_both
def test_killed_in_a_call_that_never_arrived(scene: Scene) -> None:
    """The calls are under way and will never be carried out: each is made again."""
    for step in STEPS:
        scene.fault(step, "hang")
    scene.plan()
    until(lambda: all(scene.call_count(step) for step in STEPS), 8, "all under way")
    scene.replace_worker()

    _nothing_is_lost_or_left(scene)


@always_on_rabbitmq
def test_killed_after_the_call_and_before_its_answer(scene: Scene) -> None:
    """The calls were carried out and nobody heard: no second session, and none is left."""
    for step in STEPS:
        scene.fault(step, "hang", carry_out=True)
    scene.plan()
    until(lambda: all(scene.call_count(step) for step in STEPS), 8, "all carried out")
    scene.replace_worker()

    _nothing_is_lost_or_left(scene)


@pytest.mark.slow
@on_both
def test_killed_after_the_answer_and_before_it_is_written(scene: Scene) -> None:
    """The answers arrived and wait for their rows: what they said is found out again."""
    scene.plan()
    until(lambda: all(scene.session(step).claimed == step for step in STEPS), 8, "all claimed")
    with scene.locked("recordings"):
        until(lambda: all(scene.call_count(step) for step in STEPS), 8, "all called")
        until(lambda: scene.waiting() >= len(STEPS), 8, "all wait to write")
        scene.worker.kill()
    scene.replace_worker()

    _nothing_is_lost_or_left(scene)


@pytest.mark.slow
@on_both
def test_killed_after_the_write_and_before_the_ack(scene: Scene) -> None:
    """The messages come again: the fence drops them, and no call is made twice."""
    for step in STEPS:
        scene.fault(step, "delay", seconds=1)
    scene.plan()
    until(lambda: all(scene.call_count(step) for step in STEPS), 8, "all under way")
    scene.proxy.hold()
    until(lambda: scene.session("acquire").resource_id, 5, "acquire is written")
    until(lambda: scene.session("start").sid, 5, "start is written")
    until(lambda: scene.session("query").confirmed_at, 5, "query is written")
    until(lambda: scene.session("stop").state.is_final, 5, "stop is written")
    scene.replace_worker()

    _nothing_is_lost_or_left(scene)
    assert [scene.call_count(step) for step in ("acquire", "start", "stop")] == [1, 1, 1]


# -- accepting --------------------------------------------------------------------------------


def _is_recorded_once(scene: Scene, channel: str) -> None:
    deployment = scene.deployment
    recording = deployment.accepted(channel, 20)
    ended = deployment.is_in(recording.id, "stopped", 20)

    assert ended.reason
    assert len(deployment.store.recent(channel=channel)) == 1
    assert len(deployment.simulator.sessions(channel)) == 1
    assert deployment.simulator.report()["sessions_running"] == 0


@pytest.mark.slow
@on_both
def test_record_killed_before_its_write(scene: Scene) -> None:
    """The row could not be written yet: the message comes again, and one recording is made."""
    with scene.table_locked("recordings"):
        scene.deployment.send("record", channel=scene.name, duration=2)
        until(scene.waiting, 8, "the insert waits")
        scene.worker.kill()
    assert scene.deployment.store.recent(channel=scene.name) == []
    scene.replace_worker()

    _is_recorded_once(scene, scene.name)


@pytest.mark.slow
@on_both
def test_record_killed_before_its_commit(scene: Scene) -> None:
    """The row was written and never committed: the message comes again, as if it had not been."""
    with scene.table_locked("timeline"):
        scene.deployment.send("record", channel=scene.name, duration=2)
        until(scene.waiting, 8, "its first line waits")
        scene.worker.kill()
    assert scene.deployment.store.recent(channel=scene.name) == []
    scene.replace_worker()

    _is_recorded_once(scene, scene.name)


@always_on_rabbitmq
def test_record_killed_after_its_write(scene: Scene) -> None:
    """The row is there, its call was not sent and its message comes again: one recording."""
    with scene.table_locked("recordings"):
        scene.deployment.send(
            "record", channel=scene.name, duration=8
        )  # a new worker takes its time
        until(scene.waiting, 8, "the insert waits")
        scene.proxy.hold()
    scene.deployment.accepted(scene.name)
    scene.replace_worker()

    _is_recorded_once(scene, scene.name)


# -- changing one's mind ----------------------------------------------------------------------


def _is_extended_once(scene: Scene, recording_id: str, stop_at: float) -> None:
    deployment = scene.deployment
    ended = deployment.is_in(recording_id, "stopped", 40)

    assert ended.reason
    assert scene.ends_at(recording_id) == pytest.approx(stop_at, abs=0.001)
    assert deployment.events(recording_id).count("recording.extended") == 1
    (session,) = deployment.simulator.sessions(scene.name)
    assert session["ended_unix"] >= stop_at - 0.1
    assert deployment.simulator.report()["sessions_running"] == 0


def _to_be_extended(scene: Scene) -> tuple[str, float]:
    """Have a recording under way, and name the later end that it is to be given."""
    deployment = scene.deployment
    recording_id = deployment.record(scene.name, duration=12)
    deployment.is_in(recording_id, "recording")
    return recording_id, deployment.find(recording_id).start_at.timestamp() + 20


def _extend_while_its_line_waits(scene: Scene, then: Callable[[], None]) -> tuple[str, float]:
    """Ask for a later end, and do something to the worker that has not committed it."""
    recording_id, stop_at = _to_be_extended(scene)
    with scene.table_locked("timeline"):
        scene.deployment.send("extend", recording_id=recording_id, stop_at=stop_at)
        until(scene.waiting, 8, "its line waits")
        then()
    return recording_id, stop_at


@pytest.mark.slow
@on_both
def test_extend_killed_before_its_commit(scene: Scene) -> None:
    """The word was written and never committed: its message comes again."""
    recording_id, stop_at = _extend_while_its_line_waits(scene, scene.worker.kill)
    assert scene.ends_at(recording_id) == pytest.approx(stop_at - 8, abs=0.001)
    scene.replace_worker()

    _is_extended_once(scene, recording_id, stop_at)


@pytest.mark.slow
@on_both
def test_extend_killed_after_its_write(scene: Scene) -> None:
    """Its message comes again: the word stands, and is taken for the same one."""
    recording_id, stop_at = _extend_while_its_line_waits(scene, scene.proxy.hold)
    until(lambda: scene.ends_at(recording_id) > stop_at - 1, 8, "it is written")
    scene.replace_worker()

    _is_extended_once(scene, recording_id, stop_at)


# -- claiming ---------------------------------------------------------------------------------


def _killed_while(
    scene: Scene, hold: Callable[[], AbstractContextManager[None]], what: str
) -> None:
    """Kill the worker while its sweep waits for a lock, and see that nothing was claimed."""
    # What the cell before took of the quota is remembered for some seconds.
    recording_id = scene.deployment.record(scene.name, start_at=time.time() + 9, duration=4)
    until(lambda: not _quota(scene.engine).get("taken"), 5, "the quota is at rest")
    with hold():
        until(scene.waiting, 10, what)
        scene.worker.kill()
    assert scene.deployment.session(recording_id).claimed is None
    scene.replace_worker()

    _is_recorded_once(scene, scene.name)


def _quota(engine: sa.Engine) -> dict[str, object]:
    with engine.connect() as connection:
        found: dict[str, object] = connection.execute(
            sa.text("SELECT quota FROM apps")
        ).scalar_one()
        return found


@pytest.mark.slow
@on_both
def test_sweep_killed_before_its_claim(scene: Scene) -> None:
    """It had not read what is due: the next sweep does."""
    held = partial(scene.table_locked, "sessions", also_for_readers=True)
    _killed_while(scene, held, "the look waits")


@pytest.mark.slow
@on_both
def test_sweep_killed_in_its_claim(scene: Scene) -> None:
    """The claims could not be written: the next sweep makes them."""
    _killed_while(scene, partial(scene.table_locked, "sessions"), "the claim waits")


@pytest.mark.slow
@on_both
def test_sweep_killed_before_its_commit(scene: Scene) -> None:
    """The claims were written and never committed: the next sweep makes them."""
    _killed_while(scene, partial(scene.table_locked, "apps"), "the quota waits")


@pytest.mark.slow
@on_both
def test_sweep_killed_between_its_claims_and_their_messages(scene: Scene) -> None:
    """What was claimed and never sent is claimed anew when its time is over."""
    deployment = scene.deployment
    recording_id = deployment.record(scene.name, start_at=time.time() + 5, duration=6)
    with scene.table_locked("sessions"):
        until(scene.waiting, 10, "the claim waits")
        scene.proxy.hold()
    until(lambda: deployment.session(recording_id).claimed, 8, "it is claimed")
    scene.replace_worker()

    _is_recorded_once(scene, scene.name)
