"""How long a publisher waits for a broker that is not there, and that plain clients are heard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from celery import Celery
from deployment import ROOT, Deployment, free_port
from neighbours import black_hole, new_database

from recording_tasks.simulator import running

_PUBLISH = """
import sys, time
from datetime import UTC, datetime
from recording_tasks.models import Step
from recording_tasks.recorder import Dispatch
from recording_tasks.tasks import dispatch, stop

began = time.monotonic()
try:
    stop.delay("any")
    outcome = "sent"
except Exception as error:
    outcome = type(error).__name__
raised = time.monotonic() - began
now = datetime.now(UTC)
one = Dispatch(recording_id="any", step=Step.STOP, claim="1.1", slot_at=now, expires_at=now)
dispatch([one, one, one])
print(outcome, raised, time.monotonic() - began - raised)
"""


def _published(broker: str) -> tuple[str, float, float]:
    environ = {**os.environ, "CELERY_BROKER_URL": broker, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _PUBLISH],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    outcome, raised, dispatched = done.stdout.split()
    return outcome, float(raised), float(dispatched)


def _each_published(port: int) -> Iterator[tuple[str, float, float]]:
    """Publish over each broker at once."""
    brokers = [f"redis://127.0.0.1:{port}/0", f"amqp://a:b@127.0.0.1:{port}//"]
    with ThreadPoolExecutor() as pool:
        yield from pool.map(_published, brokers)


def test_a_broker_that_refuses_is_given_up_soon() -> None:
    """The caller of a task hears of it soon; a sweep goes on without having sent."""
    for outcome, raised, dispatched in _each_published(free_port()):
        assert outcome == "OperationalError"
        assert raised < 10
        assert dispatched < 10  # for all of them together


def test_a_broker_that_says_nothing_is_given_up_too() -> None:
    """A black hole takes connections and never answers; nobody waits for it for long."""
    with black_hole() as port:
        for outcome, raised, dispatched in _each_published(port):
            assert outcome == "OperationalError"
            assert raised < 15
            assert dispatched < 15


@pytest.fixture(params=["redis_url", "rabbitmq_url"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    broker = request.getfixturevalue(request.param)
    with (
        running(requests_per_second=1000) as simulator,
        new_database() as database,
        Deployment(tmp_path, broker=broker, database=database, simulator=simulator) as made,
    ):
        yield made


def test_a_plain_client_reaches_a_worker_that_was_given_no_options(deployment: Deployment) -> None:
    """Neither side names a queue, an exchange or a routing key; sent before there is a worker."""
    with Celery(broker=deployment.broker) as client:
        client.send_task("recording_tasks.record", kwargs={"channel": "early", "duration": 600})
        deployment.celery("worker")
        client.send_task("recording_tasks.record", args=["room"], kwargs={"duration": 600})

        assert deployment.accepted("early", 15).mode == "mix"
        assert deployment.accepted("room", 15).channel == "room"
