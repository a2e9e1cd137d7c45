"""What is in the broker, and what is not: no long waits, no secrets, nothing but JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from deployment import CANARIES, Deployment
from kombu.serialization import registry
from neighbours import RedisServer, new_database
from wiretap import Wiretap, tapped

from recording_tasks.simulator import running


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory, redis: RedisServer
) -> Iterator[Deployment]:
    """A worker that tells events and answers, and a beat."""
    with (
        running(requests_per_second=1000, join_seconds=0.1) as simulator,
        new_database() as database,
        Deployment(
            tmp_path_factory.mktemp("messages"),
            broker=redis.url,
            database=database,
            simulator=simulator,
            CELERY_RESULT_BACKEND=redis.url,
            RECORDING_API_RATE="200",
        ) as made,
    ):
        made.up("-E")
        yield made


def _queued(redis: RedisServer) -> str:
    """What lies in the broker's queues, and what a worker holds."""
    queues = ("celery", "recording_tasks.sweep", "recording_tasks.calls")
    held: Any = redis.client.hvals("unacked")
    waiting: list[Any] = [line for name in queues for line in redis.client.lrange(name, 0, -1)]
    return "\n".join(str(line) for line in [*held, *waiting])


def test_a_recording_an_hour_ahead_leaves_no_message_in_the_broker(
    redis: RedisServer, deployment: Deployment
) -> None:
    """A long wait is a row: the broker holds nothing of it, and no call was made."""
    with tapped(redis) as tap:
        recording_id = deployment.record("later", start_at=time.time() + 3600, duration=600)
        time.sleep(2.5)

        about_it = [one for one in tap.messages if recording_id in json.dumps(tap.arguments(one))]
    assert about_it == []
    assert recording_id not in _queued(redis)
    assert deployment.find(recording_id).state.value == "scheduled"
    assert deployment.calls("acquire", "later") == []


def test_no_message_waits_for_more_than_a_few_seconds(
    redis: RedisServer, deployment: Deployment
) -> None:
    """Of all that is published for recordings near and far, no ETA is far ahead."""
    with tapped(redis) as tap:
        begin = time.time()
        for number, ahead in enumerate((0, 1, 3, 5, 8, 60, 3600)):
            deployment.send("record", channel=f"near-{number}", start_at=begin + ahead, duration=3)
        time.sleep(6)
        etas = tap.eta_seconds()

    assert {task.rpartition(".")[2] for task, _ in etas} >= {"acquire", "start", "stop"}
    assert max(ahead for _, ahead in etas) <= 6.0


def _life(deployment: Deployment, channel: str) -> None:
    """Everything that can happen to a recording, refusals included."""
    recording_id = deployment.record(channel, duration=60, labels={"team": "a"})
    deployment.is_in(recording_id, "recording")
    subscribed = {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["#allstream#"]}}}
    deployment.send("update", recording_id=recording_id, request=subscribed)
    deployment.send("record", channel="", duration=-1)
    deployment.send("stop", recording_id=recording_id)
    deployment.is_in(recording_id, "stopped")
    refused = deployment.record(f"{channel}-bad", duration=3)
    deployment.is_in(refused, "failed")


def test_no_secret_passes_through_the_broker_or_into_a_log(
    redis: RedisServer, deployment: Deployment
) -> None:
    """Messages, events, results, logs and the database hold no key and no customer secret."""
    deployment.simulator.fault("acquire", "refuse", code=433, cname="canary-bad", times=1)
    with tapped(redis) as tap:
        _life(deployment, "canary")
        time.sleep(1)

    passed = tap.text
    stored = [
        repr((one, deployment.store.sessions_of(one.id), deployment.store.timeline_of(one.id)))
        for one in deployment.store.recent(most=1000)
    ]
    logs = [log.read_text() for log in deployment.folder.glob("*.log")]
    assert len(tap.messages) > 5
    assert "task-succeeded" in passed  # events did pass
    assert "celery-task-meta" in passed  # and results
    for canary in CANARIES:
        assert canary not in passed
        assert not any(canary in text for text in (*stored, *logs))


def test_messages_carry_nothing_but_ids_and_claims(
    redis: RedisServer, deployment: Deployment
) -> None:
    """What goes from the sweep to the workers names a recording and a claim, and no more."""
    with tapped(redis) as tap:
        recording_id = deployment.record("lean", duration=2)
        deployment.is_in(recording_id, "stopped")

    by_task = _by_task(tap, recording_id)
    assert set(by_task) == {"acquire", "start", "query", "stop"}
    for message in (one for several in by_task.values() for one in several):
        args, kwargs, _ = tap.arguments(message)
        assert args == [recording_id]
        assert set(kwargs) == {"claim"}


def test_acquire_and_start_are_one_canvas(redis: RedisServer, deployment: Deployment) -> None:
    """The start of a recording that begins now is acquire's child in the chain acquire | start."""
    with tapped(redis) as tap:
        recording_id = deployment.record("chained", duration=3)
        deployment.is_in(recording_id, "stopped")

    by_task = _by_task(tap, recording_id)
    (acquire,), (start,) = by_task["acquire"], by_task["start"]
    assert start["headers"]["root_id"] == acquire["headers"]["root_id"]
    assert start["headers"]["parent_id"] == acquire["headers"]["id"]
    _, _, embedded = tap.arguments(acquire)
    assert [one["task"] for one in embedded["chain"]] == ["recording_tasks.start"]


def _by_task(tap: Wiretap, recording_id: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for message in tap.messages:
        if recording_id in json.dumps(tap.arguments(message)):
            found.setdefault(message["headers"]["task"].rpartition(".")[2], []).append(message)
    return found


class _Bomb:
    """A pickle that leaves a mark where it is loaded."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self._mark, "w")


def test_a_pickled_message_is_refused_without_harm(deployment: Deployment, tmp_path: Path) -> None:
    """What is not JSON is not even read, and the worker goes on with the next message."""
    mark = tmp_path / "exploded"
    registry.enable("pickle")
    client = Celery(broker=deployment.broker)
    try:
        client.send_task(
            "recording_tasks.record", kwargs={"channel": _Bomb(str(mark))}, serializer="pickle"
        )
    finally:
        registry.disable("pickle")
        client.close()

    recording_id = deployment.record("after-the-bomb", duration=1)
    deployment.is_in(recording_id, "stopped")
    assert not mark.exists()


def test_an_error_survives_the_way_through_a_result_backend(deployment: Deployment) -> None:
    """A caller that keeps results gets our own error, with every fault, not its base class."""
    caller = Celery(broker=deployment.broker, backend=deployment.broker)
    caller.conf.result_accept_content = ["json"]

    result = caller.send_task(
        "recording_tasks.record", kwargs={"channel": "", "duration": -1, "modus": "mix"}
    )
    error = result.get(timeout=10, propagate=False)
    unknown = caller.send_task("recording_tasks.stop", kwargs={"recording_id": "none-such"})
    missing = unknown.get(timeout=10, propagate=False)
    caller.close()

    assert type(error).__name__ == "InvalidInputError"
    assert len(error.faults) == 3
    assert any("did you mean mode?" in fault for fault in error.faults)
    assert type(missing).__name__ == "UnknownRecordingError"
    assert missing.recording_id == "none-such"


def test_an_accepted_recording_gives_its_id_as_the_result(deployment: Deployment) -> None:
    """A caller that asks for the result gets the recording's id."""
    caller = Celery(broker=deployment.broker, backend=deployment.broker)

    given = caller.send_task("recording_tasks.record", kwargs={"channel": "asked", "duration": 1})
    recording_id = given.get(timeout=10)
    caller.close()

    assert deployment.find(recording_id).channel == "asked"
