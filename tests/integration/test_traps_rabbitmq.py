"""What RabbitMQ does to workers: connections dropped, messages handed over twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment import Deployment, until
from kombu.connection import Connection
from kombu.entity import Queue
from neighbours import Proxy, new_database

from recording_tasks.simulator import running


@pytest.fixture
def proxy(rabbitmq_url: str) -> Iterator[Proxy]:
    with Proxy(5672) as made:
        yield made


@pytest.fixture
def deployment(tmp_path: Path, rabbitmq_url: str, proxy: Proxy) -> Iterator[Deployment]:
    """A worker and a beat that reach the broker through the proxy."""
    through = rabbitmq_url.replace(":5672/", f":{proxy.port}/")
    assert through != rabbitmq_url
    with (
        running(requests_per_second=1000, join_seconds=0.1) as simulator,
        new_database() as database,
        Deployment(
            tmp_path,
            broker=rabbitmq_url,
            database=database,
            simulator=simulator,
            RECORDING_API_RATE="200",
        ) as made,
    ):
        worker, _ = made.up(CELERY_BROKER_URL=through)
        yield made
        assert worker.is_alive


def test_a_dropped_connection_under_running_calls_changes_nothing(
    deployment: Deployment, proxy: Proxy
) -> None:
    """Connections break while calls run and starts are held: one session, stopped on time."""
    begin = time.time() + 2
    deployment.simulator.fault("*", "delay", seconds=0.7, times=None)
    recording_id = deployment.record("room", start_at=begin, duration=6)

    for wanted in ("acquire", "start", "query"):
        until(lambda name=wanted: deployment.calls(name, "room"), 10, f"{wanted} is under way")  # type: ignore[misc]
        proxy.cut()
    recording = deployment.is_in(recording_id, "stopped")

    (session,) = deployment.simulator.sessions("room")
    (stop,) = deployment.calls("stop", "room")
    assert recording.reason == "stopped on time"
    assert session["end_cause"] == "stopped"
    assert stop["at_unix"] - begin - 6 < 10


def test_a_worker_goes_on_consuming_after_many_dropped_connections(
    deployment: Deployment, proxy: Proxy
) -> None:
    """Connections break again and again under many calls; the worker never falls silent."""
    deployment.simulator.fault("*", "delay", seconds=0.5, times=None)
    for number in range(8):
        deployment.record(f"room-{number}", duration=600)

    for _ in range(6):
        time.sleep(0.8)
        proxy.cut()
    time.sleep(1)
    recording_id = deployment.record("afterwards", duration=1)

    deployment.is_in(recording_id, "stopped", 10)


def test_who_asked_is_told_in_a_queue_of_its_own_making(
    deployment: Deployment, rabbitmq_url: str
) -> None:
    """A queue that we would declare otherwise takes the notice all the same."""
    mine = Queue("mine", queue_arguments={"x-queue-type": "quorum"})
    with Connection(rabbitmq_url) as connection:
        queue = mine(connection.default_channel)
        queue.declare()
        notify = {"task": "mine.told", "queue": "mine"}
        recording_id = deployment.record("asked", duration=1, notify=notify)
        told = until(queue.get, 10, "the notice")

    assert told.headers["task"] == "mine.told"
    assert told.payload[0] == [recording_id]
    assert told.payload[1]["state"] == "stopped"


def test_a_message_handed_over_twice_makes_one_call(deployment: Deployment, proxy: Proxy) -> None:
    """Acks are lost after the work was done: what comes again is dropped by the fence."""
    begin = time.time() + 1.5
    recording_id = deployment.record("twice", start_at=begin, duration=4)
    until(lambda: deployment.calls("start", "twice"), 10, "start is made")

    proxy.hold()
    time.sleep(0.5)
    proxy.cut()
    proxy.let_go()
    deployment.is_in(recording_id, "stopped")

    assert len(deployment.calls("acquire", "twice")) == 1
    assert len(deployment.calls("start", "twice")) == 1
    assert len(deployment.calls("stop", "twice")) == 1
