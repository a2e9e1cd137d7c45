"""What Redis does to workers when it goes away, freezes or forgets, and that ours live on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from deployment import ROOT, Deployment, Process, until
from neighbours import RedisServer, new_database

from recording_tasks.simulator import running

_DIED = "Unrecoverable error: AttributeError"


def _control(
    folder: Path, redis: RedisServer, guard: str, queue: str, pool: str = "threads"
) -> Process:
    command = [str(Path(sys.executable).with_name("celery")), "-A", "control_worker", "worker"]
    environ = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}",
        "PYTHONUNBUFFERED": "1",
        "CONTROL_BROKER": redis.url,
        "CONTROL_QUEUE": queue,
        "GUARD": guard,
        "POOL": pool,
    }
    command += ["-n", f"{queue}@here", "-l", "INFO"]
    return Process(command, folder / f"{queue}.log", environ)


def test_only_the_guard_keeps_a_worker_alive_that_holds_a_message(tmp_path: Path) -> None:
    """Redis dies under a running task and a held ETA: unguarded workers die, guarded ones live."""
    guarded, unguarded = ("guarded-task", "guarded-eta"), ("bare-task", "bare-eta")
    cases = dict.fromkeys(guarded, "yes") | dict.fromkeys(unguarded, "no")
    with RedisServer(tmp_path) as redis:
        workers = {queue: _control(tmp_path, redis, guard, queue) for queue, guard in cases.items()}
        try:
            for worker in workers.values():
                worker.says(" ready.")
            client = Celery(broker=redis.url)
            for queue in cases:
                late = {"countdown": 60} if queue.endswith("eta") else {}
                client.send_task("control.hold", args=(3.5,), queue=queue, **late)
            until(lambda: redis.client.hlen("unacked") == len(cases), 10, "every message held")
            time.sleep(1)
            redis.kill()
            time.sleep(1)
            redis.start()
            for queue in unguarded:
                workers[queue].wait(15)
            for queue in guarded:
                client.send_task("control.hold", args=(0.25,), queue=queue)
                workers[queue].says("held 0.25")

            assert all(_DIED in workers[queue].text for queue in unguarded)
            assert all(workers[queue].is_alive for queue in guarded)
            assert not any(_DIED in workers[queue].text for queue in guarded)
        finally:
            for worker in workers.values():
                worker.kill()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def deployment(tmp_path: Path, redis: RedisServer) -> Iterator[Deployment]:
    with (
        running(requests_per_second=1000, join_seconds=0.1) as simulator,
        new_database() as database,
        Deployment(
            tmp_path,
            broker=redis.url,
            database=database,
            simulator=simulator,
            RECORDING_API_RATE="200",
        ) as made,
    ):
        yield made


def test_our_worker_and_beat_outlive_a_redis_that_dies_and_comes_back(
    redis: RedisServer, deployment: Deployment
) -> None:
    """Redis dies under running calls and held starts; the recording goes its way."""
    worker, beat = deployment.up()
    begin = time.time() + 2
    deployment.simulator.fault("query", "delay", seconds=1.0, times=None)
    recording_id = deployment.record("room", start_at=begin, duration=7)

    until(lambda: redis.client.hlen("unacked"), 10, "a message is held")
    redis.kill()
    time.sleep(1)
    redis.start()
    recording = deployment.is_in(recording_id, "stopped", 30)

    (stop,) = deployment.calls("stop", "room")
    assert recording.reason == "stopped on time"
    assert stop["at_unix"] - begin - 7 < 10
    assert worker.is_alive
    assert beat.is_alive
    assert len(deployment.simulator.sessions("room")) == 1


@pytest.mark.slow
def test_our_worker_outlives_a_frozen_redis(redis: RedisServer, deployment: Deployment) -> None:
    """Redis says nothing for longer than a socket's patience; what was due is done afterwards."""
    worker, beat = deployment.up()
    deployment.simulator.fault("query", "delay", seconds=1.0, times=None)
    recording_id = deployment.record("room", duration=10)
    deployment.is_in(recording_id, "recording")
    until(lambda: redis.client.hlen("unacked"), 10, "a message is held")

    redis.freeze()
    time.sleep(7)
    redis.thaw()
    deployment.is_in(recording_id, "stopped", 15)

    assert worker.is_alive
    assert beat.is_alive
    assert deployment.simulator.report()["sessions_running"] == 0


def test_a_redis_that_forgets_everything_loses_nothing(
    redis: RedisServer, deployment: Deployment
) -> None:
    """FLUSHALL again and again while ten recordings begin and end: each is made, once."""
    deployment.up()
    begin = time.time() + 3
    ids = [deployment.record(f"room-{number}", start_at=begin, duration=8) for number in range(10)]

    while time.time() < begin + 3.5:
        redis.client.flushall()
        time.sleep(0.35)
    recordings = deployment.all_final(30)

    report = deployment.simulator.report()
    assert {one.id for one in recordings} == set(ids)
    assert {one.state.value for one in recordings} == {"stopped"}
    assert report["sessions_started"] == 10
    assert report["sessions_running"] == 0


def test_a_worker_asked_to_end_ends_at_once_while_redis_is_away(
    redis: RedisServer, deployment: Deployment
) -> None:
    """SIGTERM during an outage: no hanging process is left behind."""
    worker = deployment.worker()
    redis.kill()
    time.sleep(1)

    worker.send(signal.SIGTERM)

    worker.wait(20)
    redis.start()
