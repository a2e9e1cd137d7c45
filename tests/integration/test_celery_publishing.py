"""How long a publisher waits for a broker that is not there, and that plain clients are heard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
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
from recording_tasks.app import app
from recording_tasks.tasks import dispatch, stop

outcomes, longest = set(), 0
for send in (lambda: stop.delay("any"), lambda: app.send_task("recording_tasks.stop", ["any"])):
    began = time.monotonic()
    try:
        send()
        outcomes.add("sent")
    except Exception as error:
        outcomes.add(type(error).__name__)
    longest = max(longest, time.monotonic() - began)
now = datetime.now(UTC)
one = Dispatch(recording_id="any", step=Step.STOP, claim="1.1", slot_at=now, expires_at=now)
began = time.monotonic()
dispatch([one, one, one])
print("+".join(outcomes), longest, time.monotonic() - began)
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


def _asked_for(broker: str, folder: Path) -> tuple[str, int, float]:
    """Ask for a recording on the command line; give what it said, its code, and its time."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CELERY_BROKER_URL": broker,
        "RECORDING_DATABASE_URL": f"sqlite:///{folder}/{broker.partition(':')[0]}.db",
        "AGORA_APP_ID": "0" * 32,
        "AGORA_CUSTOMER_ID": "id",
        "AGORA_CUSTOMER_SECRET": "secret",
        "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
        "RECORDING_STORAGE__DEFAULT__REGION": "0",
        "RECORDING_STORAGE__DEFAULT__BUCKET": "lessons",
        "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "access",
        "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "secret",
    }
    program = str(Path(sys.executable).with_name("recording-tasks"))
    began = time.monotonic()
    done = subprocess.run(
        [program, "record", "lesson", "--duration", "60s", "--json"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr, done.returncode, time.monotonic() - began


def test_the_command_line_needs_no_broker(tmp_path: Path) -> None:
    """It writes into the database: a broker that refuses or says nothing holds nobody."""
    with black_hole() as silent, ThreadPoolExecutor() as pool:
        ports = (free_port(), silent)
        brokers = [f"{kind}://127.0.0.1:{port}/0" for kind in ("redis", "amqp") for port in ports]
        folders = [tmp_path / str(number) for number in range(len(brokers))]
        for folder in folders:
            folder.mkdir()
        done = list(pool.map(_asked_for, brokers, folders))

    for said, code, seconds in done:
        assert code == 0, said
        assert json.loads(said)["is_new"]
        assert seconds < 30


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
