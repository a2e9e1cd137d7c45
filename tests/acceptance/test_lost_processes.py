"""Workers and beats that are killed, frozen or asked to end, in the middle of what they do."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from deployment import LEASE_SECONDS, ROOT, SOON, Deployment, Process, until
from neighbours import RedisServer

from .conftest import Deploy

_TWO_BEATS = """
from celeryconfig import *

beat_schedule = {
    **beat_schedule,
    "show": {
        "task": "recording_tasks.record",
        "schedule": 4.0,
        "kwargs": {"channel": "show", "duration": 3.9},
    },
}
"""


def _holder(workers: list[Process], deployment: Deployment, method: str, channel: str) -> Process:
    """Find the worker that has a call under way."""
    until(lambda: deployment.calls(method, channel), 15, f"{method} is under way")
    (recording,) = deployment.store.recent(channel=channel)
    received = f"recording_tasks.{method}[{recording.id}"
    (holder,) = [worker for worker in workers if received in worker.text]
    return holder


def test_two_beats_make_one_recording_of_each_firing(deploy: Deploy, tmp_path: Path) -> None:
    """Two beats fire the same entry; one recording comes of it, also when one beat dies."""
    (tmp_path / "two_beats.py").write_text(_TWO_BEATS)
    deployment = deploy(CELERY_CONFIG_MODULE="two_beats", PYTHONPATH=f"{ROOT}:{tmp_path}")
    second = deployment.beat()
    _, first = deployment.up()

    def shows(count: int) -> bool:
        return len(deployment.store.recent(channel="show")) >= count

    until(lambda: shows(2), 15, "two firings")
    first.kill()
    until(lambda: shows(3), 10, "a firing after the death of a beat")
    shown = {one.key: one.start_at for one in deployment.store.recent(channel="show")}
    firings = {key: datetime.fromisoformat(key.removeprefix("beat:show:")) for key in shown if key}

    assert second.is_alive
    assert all(fired.timestamp() % 4 == 0 for fired in firings.values())
    waits = [shown[key] - fired for key, fired in firings.items()]
    assert all(timedelta() <= wait < timedelta(seconds=4) for wait in waits)
    assert len(shown) == len(deployment.store.recent(channel="show")) == len(firings)


def test_a_worker_asked_to_end_finishes_its_call(deploy: Deploy) -> None:
    """SIGTERM in mid-call: the call is settled, the worker ends, the other one goes on at once."""
    deployment = deploy()
    *workers, _ = deployment.up(workers=2)
    begin = time.time() + 2
    deployment.simulator.fault("start", "delay", seconds=1.2)
    recording_id = deployment.record("room", start_at=begin, duration=5)

    holder = _holder(workers, deployment, "start", "room")
    holder.ask_to_end()
    code = holder.wait(15)
    deployment.is_in(recording_id, "stopped")

    (stop,) = deployment.calls("stop", "room")
    assert code == 0
    assert len(deployment.calls("start", "room")) == 1
    assert stop["at_unix"] - begin - 5 < SOON
    assert deployment.events(recording_id).count("session.acquired") == 1


@pytest.mark.slow
def test_a_frozen_worker_that_wakes_up_does_no_harm(deploy: Deploy) -> None:
    """SIGSTOP for longer than its lease: another goes on, and the late answer spoils nothing."""
    deployment = deploy()
    *workers, _ = deployment.up(workers=2)
    leaving = [{"uid": "7", "leaves": 14}]
    deployment.simulator.channel("room", users=leaving)
    deployment.simulator.fault("start", "delay", seconds=0.4, carry_out=True)
    recording_id = deployment.record("room", duration=12)

    holder = _holder(workers, deployment, "start", "room")
    holder.freeze()
    time.sleep(LEASE_SECONDS + 2)
    holder.thaw()
    deployment.is_in(recording_id, "stopped", 20)
    until(lambda: not deployment.simulator.report()["sessions_running"], 12, "nothing runs")

    assert holder.is_alive
    assert deployment.simulator.report()["calls"]["stop"].get("429") is None
    assert _is_explained(deployment, recording_id)


def _is_explained(deployment: Deployment, recording_id: str) -> bool:
    """Whether sessions overlapped only where one of them was on the books as unaccounted."""
    overlapping = deployment.simulator.report()["overlapping_channels"]
    return not overlapping or "session.unaccounted" in deployment.events(recording_id)


@pytest.mark.slow
def test_a_beat_that_was_killed_catches_up_when_it_is_back(deploy: Deploy) -> None:
    """Five seconds after a new beat began, what became due meanwhile has been done."""
    deployment = deploy()
    _, beat = deployment.up()
    recording_id = deployment.record("room", duration=3.5)
    deployment.is_in(recording_id, "recording")

    beat.kill()
    time.sleep(4.5)
    assert not deployment.calls("stop", "room")
    back_at = time.time()
    deployment.beat()
    deployment.is_in(recording_id, "stopped")

    (stop,) = deployment.calls("stop", "room")
    assert stop["at_unix"] - back_at < SOON


def test_a_call_of_a_killed_worker_is_made_by_another(deploy: Deploy) -> None:
    """SIGKILL in mid-call: the stop is repeated at the latest two seconds after its lease."""
    deployment = deploy()
    *workers, _ = deployment.up(workers=2)
    deployment.simulator.fault("stop", "hang")
    recording_id = deployment.record("room", duration=3)

    holder = _holder(workers, deployment, "stop", "room")
    holder.kill()
    recording = deployment.is_in(recording_id, "stopped")

    first, second = deployment.calls("stop", "room")
    assert second["at_unix"] - first["at_unix"] <= LEASE_SECONDS + 2
    assert recording.reason == "stopped on time"
    assert deployment.simulator.report()["sessions_running"] == 0


@pytest.mark.slow
def test_work_goes_on_soon_after_a_long_outage_of_the_broker(
    deploy: Deploy, private_redis: RedisServer
) -> None:
    """Away for half a minute: it is found again at once, not after as long a pause."""
    deployment = deploy(broker=private_redis.url)
    deployment.up()
    recording_id = deployment.record("room", duration=30)
    deployment.is_in(recording_id, "recording")

    private_redis.kill()
    time.sleep(31)
    back_at = time.time()
    private_redis.start()
    deployment.is_in(recording_id, "stopped", 30)

    (stop,) = deployment.calls("stop", "room")
    assert stop["at_unix"] - back_at < SOON
