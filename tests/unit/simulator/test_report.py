"""What the simulator tells of itself afterwards."""

from __future__ import annotations

import time

import pytest

from recording_tasks.simulator import Simulator
from recording_tasks.simulator.report import max_concurrent

from .api import Api


def test_calls_are_counted_by_method_and_answer(simulator: Simulator, api: Api) -> None:
    """The HTTP status, and the code where there is one."""
    recorded = api.started()
    api.query(recorded)
    api.stop(recorded)
    api.stop(recorded)
    api.send("GET", "/nonsense")

    report = simulator.report()

    assert report["calls"] == {
        "acquire": {"200": 1},
        "start": {"200": 1},
        "query": {"200": 1},
        "stop": {"206/435": 1, "400/49": 1},
        "unknown": {"404": 1},
    }
    assert report["call_count"] == 6


def test_peaks_are_of_a_sliding_second(simulator: Simulator, api: Api) -> None:
    """Accepted ones never exceed the quota; arrivals may."""
    simulator.configure(requests_per_second=5)
    for _ in range(8):
        api.acquire()

    report = simulator.report()

    assert report["peak_accepted_per_second"] == {simulator.app_id: 5}
    assert report["peak_arrivals_per_second"] == {simulator.app_id: 8}
    assert report["refused_by_quota"] == 3


def test_sessions_and_minutes_are_summed(simulator: Simulator, api: Api) -> None:
    """Ended ones to their end, running ones until now."""
    one = api.started(cname="a")
    api.started(cname="b")
    simulator.advance(90)
    api.stop(one)
    simulator.advance(60)

    report = simulator.report()

    assert report["sessions_started"] == 2
    assert report["sessions_running"] == 1
    assert [session["cname"] for session in report["running"]] == ["b"]
    assert report["ended_by_cause"] == {"stopped": 1}
    assert report["minutes_billed"] == pytest.approx(4)


def test_a_channel_recorded_twice_at_once_is_told(simulator: Simulator, api: Api) -> None:
    """With both sessions and their times."""
    first = api.started(uid="1")
    simulator.advance(50)
    second = api.started(uid="2")
    api.started(cname="other")
    simulator.advance(10)
    api.stop(first)
    third = api.started(uid="3")

    report = simulator.report()

    assert report["max_concurrent_per_channel"] == 2
    [overlap] = report["overlapping_channels"]
    assert (overlap["cname"], overlap["max_concurrent"]) == ("room", 2)
    sids = [interval["sid"] for interval in overlap["intervals"]]
    assert sids == [first.sid, second.sid, third.sid]


def test_one_after_the_other_is_no_overlap() -> None:
    """Also when one begins as the other ends."""
    assert max_concurrent([(0, 10), (10, 20)]) == 1
    assert max_concurrent([(0, 10), (9, 20), (9.5, 9.7)]) == 3
    assert max_concurrent([]) == 0


def test_every_call_is_logged(simulator: Simulator, api: Api) -> None:
    """When it came in real and simulated time, what about, and what it heard."""
    recorded = api.started(cname="a", uid="5")
    simulator.advance(100)
    before = time.time()
    api.query(recorded)

    [call] = simulator.calls("query")

    assert before - 0.1 <= call["at_unix"] <= time.time()
    assert call["simulated_at"] == pytest.approx(simulator.now())
    assert (call["cname"], call["uid"], call["sid"]) == ("a", "5", recorded.sid)
    assert (call["status"], call["code"], call["outcome"]) == (200, None, "200")
    assert call["latency_ms"] < 1000


def test_the_log_can_be_narrowed(simulator: Simulator, api: Api) -> None:
    """By method, by channel, and to what is new."""
    api.started(cname="a")
    api.started(cname="b")

    assert [c["method"] for c in simulator.calls(cname="b")] == ["acquire", "start"]
    assert [c["cname"] for c in simulator.calls("start")] == ["a", "b"]
    assert [c["number"] for c in simulator.calls(since=3)] == [4]


def test_a_reset_forgets_everything(simulator: Simulator, api: Api) -> None:
    """Sessions, calls, faults, channels, settings, and the clock."""
    api.started()
    simulator.advance(1000)
    simulator.configure(pcw=0)
    simulator.channel("*", users=[])
    simulator.fault("*", "refuse", code=2, times=None)

    simulator.reset()

    assert simulator.sessions() == simulator.calls() == []
    assert abs(simulator.now() - time.time()) < 60
    recorded = api.started()
    simulator.advance(10)
    assert api.stop(recorded).status == 200
