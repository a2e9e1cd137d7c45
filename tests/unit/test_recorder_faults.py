"""When Agora, the network, a worker or the database fails: nothing lost, nothing left running."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from desk import NINE, Desk
from half_done import claim_start, leaves_at_ten_past
from request_examples import web

from recording_tasks.limiter import Quota
from recording_tasks.models import RecordingState, SessionState, Step
from recording_tasks.recorder import Dispatch
from recording_tasks.simulator import Simulator

MINUTES = 60.0
WEB = {"mode": "web", "request": web(maxRecordingHour=1)}


# -- starts of unknown outcome -----------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "lose_answer"},
        {"action": "refuse", "code": 65, "carry_out": True},
        {"action": "refuse", "code": 62, "carry_out": True},
        {"action": "refuse", "status": 502, "carry_out": True},
        {"action": "hang", "carry_out": True},
    ],
    ids=["lost", "65", "62", "502", "hang"],
)
def test_a_start_that_worked_unheard_is_kept_on_the_books_until_it_has_ended(
    desk: Desk, agora: Simulator, fault: dict[str, Any]
) -> None:
    """201/7 tells no sid: another session records, and the first is waited for."""
    leaves_at_ten_past(agora)
    agora.fault("start", **fault)

    recording_id = desk.record()
    recording = desk.until_final(recording_id)
    desk.until(lambda: all(session.state.is_final for session in desk.sessions(recording_id)))

    first, second = desk.sessions(recording_id)
    assert (first.state, second.state) == (SessionState.EXPIRED, SessionState.STOPPED)
    assert recording.state is RecordingState.STOPPED
    assert second.confirmed_at is not None
    assert second.confirmed_at - NINE < timedelta(seconds=40)
    assert desk.running() == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "reset"},
        {"action": "refuse", "code": 65},
        {"action": "refuse", "code": 62},
        {"action": "hang"},
    ],
    ids=["reset", "65", "62", "hang"],
)
def test_a_start_that_did_not_work_is_repeated_with_the_same_resource(
    desk: Desk, agora: Simulator, fault: dict[str, Any]
) -> None:
    """Twice in vain, and then it works: one resource, one session, nothing on the books."""
    agora.fault("start", times=2, **fault)

    recording_id = desk.record()
    desk.until_recording(recording_id)

    assert len(desk.calls("acquire")) == 1
    assert len({call["resource_id"] for call in desk.calls("start")}) == 1
    waits = [call["simulated_at"] for call in desk.calls("start")]
    gaps = [round(b - a) for a, b in pairwise(waits)]
    assert gaps == [3, 6]
    desk.until_final(recording_id)
    assert desk.running() == 0


def test_already_started_with_a_sid_goes_on_as_if_nothing_was(desk: Desk, agora: Simulator) -> None:
    """Where Agora tells the sid with 201/7, there is no doubt left."""
    agora.configure(already_started_body="full")
    agora.fault("start", "lose_answer")

    recording_id = desk.record()
    desk.until_final(recording_id)

    assert len(desk.sessions(recording_id)) == 1
    assert agora.report()["sessions_started"] == 1
    assert desk.running() == 0


def test_a_conflict_is_solved_with_another_uid(desk: Desk) -> None:
    """The caller's uid records already: 53, and the recording goes on with one of ours."""
    first = desk.record(uid="777")
    second = desk.record(uid="777")

    desk.until_recording(second)

    uids = [session.uid for session in desk.sessions(second)]
    assert uids[0] == "777" != uids[1]
    desk.until_final(first)
    desk.until_final(second)
    assert desk.running() == 0


@pytest.mark.parametrize("uid", [None, "777"], ids=["our uid", "the caller's"])
def test_a_refused_start_that_worked_after_all_is_found_by_its_uid(
    desk: Desk, agora: Simulator, caplog: pytest.LogCaptureFixture, uid: str | None
) -> None:
    """502, and the next start of this uid meets 53: the first one runs, and somebody is told."""
    caplog.set_level(logging.WARNING)
    leaves_at_ten_past(agora)
    agora.fault("start", "refuse", code=502, carry_out=True)

    recording_id = desk.record(uid=uid)
    desk.until_recording(recording_id)
    first, second = desk.sessions(recording_id)
    desk.until_final(recording_id)
    desk.until(lambda: all(session.state.is_final for session in desk.sessions(recording_id)))

    assert (first.state, second.state) == (SessionState.UNACCOUNTED, SessionState.RECORDING)
    assert {first.uid, second.uid} == {call["uid"] for call in desk.calls("start")}
    assert f"session.unaccounted recording={recording_id} session=1" in caplog.text
    assert desk.running() == 0


def test_a_range_of_uids_that_is_too_small_holds_nothing_up(make_desk: Callable[..., Desk]) -> None:
    """All of them are in use in this channel: a further recording takes one beside the range."""
    desk = make_desk(RECORDING_UID_RANGE="100-101")

    ids = [desk.record() for _ in range(3)]

    uids = {desk.latest(recording_id).uid for recording_id in ids}
    assert {"100", "101"} < uids
    assert len(uids) == 3


@pytest.mark.parametrize("code", [433, 1001, 502])
def test_a_resource_that_agora_does_not_take_is_replaced(
    desk: Desk, agora: Simulator, code: int
) -> None:
    """Acquire again, and the recording begins a second or two late."""
    agora.fault("start", "refuse", code=code)

    recording_id = desk.record()
    desk.until_recording(recording_id)

    resources = [call["resource_id"] for call in desk.calls("start")]
    assert len(set(resources)) == 2
    assert len(desk.sessions(recording_id)) == 1


def test_no_start_is_sent_with_an_old_resource(desk: Desk) -> None:
    """Everything was down for five minutes between acquire and start."""
    recording_id, _ = claim_start(desk)
    desk.clock.sleep(5 * MINUTES)

    desk.until_recording(recording_id)

    acquired = {call["number"]: call["simulated_at"] for call in desk.calls("acquire")}
    (start,) = desk.calls("start")
    assert len(acquired) == 2
    assert start["simulated_at"] - max(acquired.values()) < 240


def test_a_claim_that_waited_too_long_does_not_start_with_an_old_resource(desk: Desk) -> None:
    """The task was in the broker for five minutes: it acquires anew instead."""
    recording_id, one = claim_start(desk)
    desk.clock.sleep(5 * MINUTES)

    desk.recorder.run(recording_id, Step.START, one.start_claim)

    assert desk.calls("start") == []
    assert desk.latest(recording_id).state is SessionState.PLANNED
    desk.until_recording(recording_id)


# -- stops -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "lose_answer"},
        {"action": "hang", "carry_out": True},
        {"action": "refuse", "code": 65, "carry_out": True},
        {"action": "refuse", "code": 62, "carry_out": True},
        {"action": "refuse", "code": 65, "times": 5},
        {"action": "refuse", "status": 503, "times": 5},
        {"action": "reset", "times": 5},
        {"action": "refuse", "code": 50, "carry_out": True},
        {"action": "refuse", "code": 49, "carry_out": True},
    ],
    ids=["lost", "hang", "65", "62", "65-again", "503", "reset", "50", "49"],
)
def test_whatever_happens_to_a_stop_nothing_is_left_running(
    desk: Desk, agora: Simulator, fault: dict[str, Any]
) -> None:
    """It is repeated until Agora says that it is over; then the recording is."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    agora.fault("stop", **fault)

    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert desk.running() == 0
    assert agora.report()["queries_after_stop"] == 0
    assert agora.report()["queries_beside_stop"] == 0


def test_an_outage_at_the_end_is_outlived(desk: Desk, agora: Simulator) -> None:
    """No stop arrives for five minutes: it is sent until one does."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    agora.fault("*", "reset", times=None, lasts=600 + 5 * MINUTES)

    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert desk.running() == 0
    assert desk.events(recording_id).count("session.stop_unsettled") == 1


# -- everybody waits ---------------------------------------------------------------------


def test_wrong_credentials_hold_everything_until_they_work_again(
    desk: Desk, agora: Simulator
) -> None:
    """401 for four minutes: a call in a while asks, and then nothing was lost."""
    running = desk.record(channel="running", duration=3600)
    desk.until_recording(running)
    agora.fault("*", "refuse", status=401, times=None, lasts=4 * MINUTES)
    before = len(desk.calls())
    waiting = desk.record(channel="waiting", duration=3600)
    ending = desk.recorder
    ending.stop(running)

    desk.go_on(4 * MINUTES)

    assert 5 <= len(desk.calls()) - before <= 4 * MINUTES / 5 + 3
    desk.until_recording(waiting)
    assert desk.find(running).state is RecordingState.STOPPED
    desk.stop(waiting)
    assert desk.running() == 0


def test_the_app_is_not_opened_by_silence(desk: Desk, agora: Simulator) -> None:
    """A probe without an answer proves nothing: the next one comes in its turn."""
    recording_id = desk.record(duration=3600)
    desk.until_recording(recording_id)
    agora.fault("query", "refuse", status=401)
    desk.until(lambda: _probe_at(desk) is not None)
    agora.fault("*", "reset", times=None, lasts=60)

    desk.go_on(55)

    assert _probe_at(desk) is not None


@pytest.mark.parametrize(
    ("fault", "soonest", "latest"),
    [
        ({"action": "refuse", "status": 429}, 1, 6),
        ({"action": "refuse", "status": 502}, 1, 8),
        ({"action": "reset", "times": 2}, 1, 6),
        ({"action": "refuse", "code": 500}, 0, 2),
    ],
    ids=["429", "502", "reset", "500"],
)
def test_an_app_does_not_stay_closed_for_a_probe_that_met_another_fault(
    desk: Desk, agora: Simulator, fault: dict[str, Any], soonest: float, latest: float
) -> None:
    """The credentials work again: an answer that tells opens it; after another, it asks soon."""
    recording_id = desk.record(duration=3600)
    desk.until_recording(recording_id)
    agora.fault("query", "refuse", status=401)
    desk.until(lambda: _probe_at(desk) is not None)
    agora.fault("query", **fault)
    met = len(desk.calls("query")) + 1
    desk.until(lambda: len(desk.calls("query")) >= met)
    met_at = desk.clock.now

    desk.until(lambda: _probe_at(desk) is None)

    assert soonest <= (desk.clock.now - met_at).total_seconds() <= latest


def _probe_at(desk: Desk) -> float | None:
    with desk.store.writing() as writing:
        return Quota.from_json(writing.lock_quota("default") or {}).probe_at


def test_a_429_slows_everybody_down_and_loses_nothing(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """The call is made again, the whole app sends less, and the rate comes back."""
    desk = make_desk(RECORDING_API_RATE="10")
    agora.fault("acquire", "refuse", status=429, times=2)

    recording_id = desk.record()
    desk.until_recording(recording_id)

    with desk.store.writing() as writing:
        quota = Quota.from_json(writing.lock_quota("default") or {})
    assert quota.factor < 1.0
    assert len(desk.sessions(recording_id)) == 1
    desk.until_final(recording_id)
    assert desk.running() == 0


def test_an_overload_holds_acquires_and_lets_stops_pass(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """406 while two sessions run: a third waits until one was stopped."""
    agora.configure(pcw=2)
    desk = make_desk()
    first, _ = desk.record(channel="a", duration=120), desk.record(channel="b", duration=3600)

    third = desk.record(channel="c", duration=3600)
    desk.until_recording(third)

    assert desk.find(first).state is RecordingState.STOPPED
    assert len(desk.calls("acquire")) <= 6
    assert "session.acquire_refused" in desk.events(third)


@pytest.mark.parametrize("rate", ["0", "10"])
def test_an_outage_of_acquire_is_not_hammered(
    make_desk: Callable[..., Desk], agora: Simulator, rate: str
) -> None:
    """500/500 for two minutes: seven or eight tries, ever further apart."""
    desk = make_desk(RECORDING_API_RATE=rate)
    agora.fault("acquire", "refuse", code=500, times=None, lasts=120)

    recording_id = desk.record()
    desk.until_recording(recording_id)

    assert len(desk.calls("acquire")) <= 10


@pytest.mark.parametrize("fault", [{"code": 65}, {"code": 62}, {"status": 504}], ids=str)
def test_an_outage_of_start_is_outlived(
    desk: Desk, agora: Simulator, fault: dict[str, int]
) -> None:
    """No start is heard of for 40 minutes: the rest of the hour is recorded, and none left."""
    agora.fault("start", "refuse", times=None, lasts=40 * MINUTES, **fault)

    recording_id = desk.record(duration=3600)
    desk.until(lambda: desk.find(recording_id).state is RecordingState.RECORDING)
    late = desk.seconds()
    recording = desk.until_final(recording_id)

    assert late < 43 * MINUTES
    assert recording.state is RecordingState.STOPPED
    assert len(desk.calls("start")) < 90  # three of each session, ever wider apart
    assert desk.running() == 0


def test_an_outage_of_start_leaves_no_crowd_of_web_pages(desk: Desk, agora: Simulator) -> None:
    """Each page may be recorded for hours, and nobody could stop it: seven are enough."""
    agora.fault("start", "refuse", times=None, code=62, lasts=40 * MINUTES)

    recording = desk.until_final(desk.record(duration=3600, **WEB))

    assert recording.state is RecordingState.FAILED
    assert len(desk.sessions(recording.id)) == 7


def test_sessions_that_surely_run_without_a_sid_are_no_crowd(desk: Desk, agora: Simulator) -> None:
    """Each start is answered too late, and then 201/7 without a sid: seven at once are enough."""

    def lose_its_answer(one: Dispatch) -> None:
        session = desk.latest(one.recording_id)
        if session.claimed is Step.START and session.state is SessionState.ACQUIRED:
            agora.fault("start", "lose_answer")

    desk.before = lose_its_answer
    recording = desk.until_final(desk.record(duration=3600))

    assert recording.state is RecordingState.FAILED
    assert recording.reason is not None
    assert recording.reason.startswith("given up after 7 sessions")
    assert len(desk.sessions(recording.id)) == 7
    assert desk.running() == 7


def test_a_query_that_fails_now_and_then_ends_nothing(desk: Desk, agora: Simulator) -> None:
    """5xx, lost answers and odd bodies: the session is stopped at its own time."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    agora.fault("query", "refuse", status=503, times=2)
    agora.fault("query", "lose_answer", times=3)

    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert len(desk.sessions(recording_id)) == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [({"status": 401}, "credentials"), ({"code": 406}, "too many sessions")],
    ids=["401", "406"],
)
def test_one_that_was_held_back_for_all_its_time_says_by_what(
    desk: Desk, agora: Simulator, fault: dict[str, int], says: str
) -> None:
    """It was never asked for itself: another one's answer held the whole app."""
    agora.fault("acquire", "refuse", times=None, lasts=5 * MINUTES, **fault)
    desk.record(channel="first", duration=3600)
    late = {"start_at": (NINE + timedelta(seconds=20)).isoformat(), "duration": 5}
    missed = desk.record(channel="second", **late)

    recording = desk.until_final(missed)

    assert recording.state is RecordingState.MISSED
    assert says in (recording.reason or "")


def test_how_long_an_app_waits_after_a_406_is_a_setting(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """A short one does not cost recordings that have room again."""
    desk = make_desk(RECORDING_OVERLOAD_SECONDS="4")
    agora.fault("acquire", "refuse", code=406)
    desk.record(channel="first", duration=600)
    late = {"start_at": (NINE + timedelta(seconds=3)).isoformat(), "duration": 20}
    second = desk.record(channel="second", **late)

    assert desk.until_final(second).state is RecordingState.STOPPED
