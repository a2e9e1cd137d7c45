"""What other services rely on: plain tasks by name, refused at once or done once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import requests
from celery import Celery
from deployment import CANARIES, SOON, Deployment, free_port, until


def _recording(deployment: Deployment, channel: str, **arguments: Any) -> str:
    """Have a recording that runs."""
    recording_id = deployment.record(channel, **arguments)
    deployment.is_in(recording_id, "recording")
    return recording_id


def test_stop_ends_a_recording_at_once_and_may_be_repeated(standing: Deployment) -> None:
    """A plain stop waits for nothing; a second one changes nothing."""
    recording_id = _recording(standing, "stopped-by-hand", duration=600)

    asked_at = time.time()
    standing.send("stop", recording_id=recording_id)
    recording = standing.is_in(recording_id, "stopped")
    standing.send("stop", recording_id=recording_id)
    standing.record("after-the-second-stop", duration=0.1)

    (stop,) = standing.calls("stop", "stopped-by-hand")
    assert stop["at_unix"] - asked_at < SOON
    assert recording.reason == "stopped on request"
    assert standing.find(recording_id) == recording


def test_cancel_calls_a_recording_off_before_it_began(standing: Deployment) -> None:
    """What was to begin later never begins, and no call is made for it."""
    recording_id = standing.record("cancelled", start_at=time.time() + 3600, duration=60)

    standing.send("cancel", recording_id=recording_id)
    recording = standing.is_in(recording_id, "cancelled")

    assert recording.reason
    assert standing.calls("acquire", "cancelled") == []


def test_extend_moves_the_stop_while_it_records(standing: Deployment) -> None:
    """The stop leaves at the new instant, not at the old one."""
    recording_id = _recording(standing, "extended", duration=8)
    stop_at = time.time() + 10

    standing.send("extend", recording_id=recording_id, stop_at=stop_at)
    standing.is_in(recording_id, "stopped")

    (stop,) = standing.calls("stop", "extended")
    assert -0.05 < stop["at_unix"] - stop_at < SOON


def test_update_and_update_layout_reach_the_running_session(standing: Deployment) -> None:
    """What a caller asks for is told to the remote side once, in its spelling."""
    recording_id = _recording(standing, "updated", duration=600)
    subscribed = {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["#allstream#"]}}}

    standing.send("update", recording_id=recording_id, request=subscribed)
    standing.send("update_layout", recording_id=recording_id, request={"mixedVideoLayout": 1})
    until(lambda: standing.calls("updateLayout", "updated"), 5, "the layout is told")
    until(lambda: standing.calls("update", "updated"), 5, "the update is told")
    standing.send("stop", recording_id=recording_id)
    standing.is_in(recording_id, "stopped")

    events = standing.events(recording_id)
    (update,) = standing.calls("update", "updated")
    (layout,) = standing.calls("updateLayout", "updated")
    (session,) = standing.simulator.sessions("updated")
    assert update["status"] == layout["status"] == 200
    assert session["layout"]["mixedVideoLayout"] == 1
    assert {"session.updated", "session.layout_updated"} <= set(events)


def test_bad_arguments_are_one_failed_task_that_lists_every_fault(standing: Deployment) -> None:
    """The task fails at once, its error names each fault, and nothing was stored or sent."""
    bad = {"chanel": "misspelt", "duration": "long", "mode": "Mix", "uid": 0, "channel": "no-good"}
    with _failures(standing.broker) as failures:
        task_id = standing.send("record", **bad)
        until(lambda: task_id in failures, 5, "the task failed")

    told = failures[task_id]
    assert "InvalidInputError" in told
    for path in ("chanel", "duration", "mode", "uid"):
        assert f"{path}: " in told
    assert standing.store.recent(channel="no-good") == []
    assert not any(canary in told for canary in CANARIES)


@contextmanager
def _failures(broker: str) -> Iterator[dict[str, str]]:
    """Collect the events of failed tasks, by the task's id."""
    failures: dict[str, str] = {}
    with Celery(broker=broker) as client, client.connection() as connection:
        receiver = client.events.Receiver(
            connection,
            handlers={"task-failed": lambda event: failures.update({event["uuid"]: str(event)})},
        )

        def listen() -> None:
            while not receiver.should_stop:
                with suppress(TimeoutError):
                    receiver.capture(limit=None, timeout=1, wakeup=False)

        listening = threading.Thread(target=listen)
        listening.start()
        time.sleep(0.3)  # until it is subscribed
        try:
            yield failures
        finally:
            receiver.should_stop = True
            listening.join()


def test_one_key_from_many_clients_at_once_makes_one_recording(standing: Deployment) -> None:
    """Twelve messages of the same key, sent together by two clients, are one recording."""
    with Celery(broker=standing.broker) as one, Celery(broker=standing.broker) as other:
        wanted = {"channel": "keyed", "duration": 2, "key": "meeting-7"}
        with ThreadPoolExecutor(6) as pool:
            for client in [one, other] * 6:
                pool.submit(client.send_task, "recording_tasks.record", kwargs=wanted)
        recording_id = standing.accepted("keyed").id
        standing.is_in(recording_id, "stopped")

    assert len(standing.store.recent(channel="keyed")) == 1
    assert len(standing.simulator.sessions("keyed")) == 1


def test_a_message_that_comes_twice_makes_one_recording(standing: Deployment) -> None:
    """Without a key, the task's own id keeps a redelivered message from recording twice."""
    for _ in range(2):
        standing.client.send_task(
            "recording_tasks.record",
            kwargs={"channel": "redelivered", "duration": 2},
            task_id="one-and-the-same",
        )
    recording_id = standing.accepted("redelivered").id
    standing.is_in(recording_id, "stopped")

    assert len(standing.store.recent(channel="redelivered")) == 1
    assert len(standing.simulator.sessions("redelivered")) == 1


def test_an_edit_that_comes_twice_does_not_undo_a_later_one(standing: Deployment) -> None:
    """A message is known by its task's id: handed over again, it is no new word."""
    recording_id = _recording(standing, "edited", duration=600)
    begin = int(time.time())

    for message, seconds in [("one", 900), ("two", 300), ("one", 900)]:
        standing.client.send_task(
            "recording_tasks.extend",
            (recording_id,),
            {"stop_at": begin + seconds},
            task_id=f"{recording_id}-{message}",
        )
        ends = [begin + seconds, begin + 300]
        until(lambda ends=ends: _end(standing, recording_id) in ends, 5, "it is heard")  # type: ignore[misc]
    standing.send("stop", recording_id=recording_id)
    standing.is_in(recording_id, "stopped")

    assert standing.events(recording_id).count("recording.extended") == 2


def _end(standing: Deployment, recording_id: str) -> float:
    stop_at = standing.find(recording_id).stop_at
    return stop_at.timestamp() if stop_at is not None else 0.0


def test_who_asked_for_it_is_told_the_end(standing: Deployment) -> None:
    """The task that `notify` names is sent to its queue, once, with the recording's end."""
    notify = {"task": "mine.told", "queue": "mine"}
    recording_id = standing.record("told", duration=1, notify=notify)
    with standing.client.connection() as connection, connection.SimpleQueue("mine") as mine:
        told = mine.get(timeout=10)
        with pytest.raises(mine.Empty):
            mine.get(timeout=1.5)  # another sweep has been

    assert told.headers["task"] == "mine.told"
    assert told.payload[0] == [recording_id]
    assert told.payload[1] == {"state": "stopped", "reason": standing.find(recording_id).reason}


def test_flower_shows_the_tasks_to_who_may_see_them(standing: Deployment) -> None:
    """Pages and API ask for a password; the tasks carry readable ids and no secret."""
    port = free_port()
    options = [f"--port={port}", "--address=127.0.0.1", "--basic-auth=ops:canary-flower"]
    flower = standing.celery("flower", *options)
    url = f"http://127.0.0.1:{port}"
    until(lambda: _status(f"{url}/healthcheck") == 200, 20, "flower is up")
    people = requests.Session()
    people.auth = ("ops", "canary-flower")
    until(lambda: people.get(f"{url}/api/tasks", timeout=5).json(), 10, "events are seen")
    recording_id = standing.record("flowered", duration=3)
    standing.is_in(recording_id, "stopped")

    def steps_shown() -> set[str]:
        tasks = people.get(f"{url}/api/tasks", timeout=5).json().values()
        return {one["name"] for one in tasks if recording_id in str(one["args"])}

    wanted = {f"recording_tasks.{step}" for step in ("acquire", "start", "query", "stop")}
    until(lambda: wanted <= steps_shown(), 5, "every step is shown with its recording's id")
    pages = [people.get(f"{url}/{path}", timeout=5) for path in ("workers", "tasks", "api/tasks")]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert [_status(f"{url}/{path}") for path in ("workers", "tasks", "api/tasks")] == [401] * 3
    everything = flower.text + "".join(page.text for page in pages)
    assert not any(canary in everything for canary in CANARIES)


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=5).status_code
    except requests.ConnectionError:
        return 0
