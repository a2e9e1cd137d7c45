"""A recording's life against Agora: on time, in every mode, through failovers and early ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from desk import NINE, Desk
from request_examples import web

from recording_tasks.models import RecordingState, SessionState, Step
from recording_tasks.simulator import Simulator

WEB = web()
MIX = {"recordingConfig": {"channelType": 1}, "recordingFileConfig": {"avFileType": ["hls"]}}
INDIVIDUAL = {"recordingConfig": {"channelType": 1, "subscribeUidGroup": 0}}


@pytest.mark.parametrize(
    ("mode", "request_"), [("mix", MIX), ("individual", INDIVIDUAL), ("web", WEB)]
)
def test_a_recording_is_acquired_started_watched_and_stopped(
    desk: Desk, mode: str, request_: dict[str, Any]
) -> None:
    """From nine to ten past nine, in every mode, with its files at the end."""
    start_at = (NINE + timedelta(seconds=60)).isoformat()
    recording_id = desk.record(start_at=start_at, mode=mode, request=request_)

    recording = desk.until_final(recording_id)

    assert (recording.state, recording.reason) == (RecordingState.STOPPED, "stopped on time")
    (session,) = desk.sessions(recording_id)
    assert session.files
    assert desk.running() == 0
    methods = [call["method"] for call in desk.calls()]
    assert methods[:3] == ["acquire", "start", "query"]
    assert methods[-1] == "stop"
    at = {call["method"]: call["simulated_at"] for call in desk.calls()}
    begin = desk.calls("acquire")[0]["simulated_at"] - 58
    assert at["start"] - begin == pytest.approx(60, abs=0.3)
    assert at["stop"] - begin == pytest.approx(660, abs=0.3)


def test_one_that_begins_now_does_not_wait_for_a_sweep(desk: Desk) -> None:
    """The call that is due comes with the acceptance, and the start follows it."""
    recording_id = desk.record()

    assert desk.latest(recording_id).state is SessionState.STARTED
    assert desk.seconds() < 0.5


def test_a_late_wish_is_recorded_from_now_on(desk: Desk) -> None:
    """The message came five minutes after nine: better late than missed."""
    desk.clock.sleep(300)

    recording_id = desk.record(
        start_at=NINE.isoformat(),
        stop_at=(NINE + timedelta(seconds=600)).isoformat(),
        duration=None,
    )
    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert desk.seconds() == pytest.approx(600, abs=5)


def test_a_recording_that_nobody_began_in_its_window_is_missed(desk: Desk) -> None:
    """Everything was down from nine to ten: someone is told, and nothing is called."""
    recording_id = desk.record(start_at=(NINE + timedelta(seconds=60)).isoformat())
    desk.clock.sleep(3600)

    desk.beat()

    recording = desk.find(recording_id)
    assert recording.state is RecordingState.MISSED
    assert recording.reason
    assert desk.calls() == []


def test_an_open_recording_runs_until_it_is_stopped(desk: Desk) -> None:
    """No stop time: six hours, queried all the while, and stopped at once when asked."""
    recording_id = desk.record(duration=None)
    desk.until_recording(recording_id)

    desk.go_on(1800)
    desk.stop(recording_id)

    assert desk.find(recording_id).state is RecordingState.STOPPED
    assert desk.find(recording_id).reason == "stopped on request"
    assert 13 <= len(desk.calls("query")) <= 18
    assert desk.running() == 0


def test_an_open_recording_ends_when_agora_ends_it(desk: Desk, agora: Simulator) -> None:
    """Everybody has left, and its session idles out: no other one waits in the empty channel."""
    recording_id = desk.record(duration=None)
    desk.until_recording(recording_id)

    agora.channel("lesson", users=[])
    recording = desk.until_final(recording_id, within=1200)

    assert recording.state is RecordingState.STOPPED
    assert "ended early" in str(recording.reason)
    assert len(desk.sessions(recording_id)) == 1
    assert desk.running() == 0


def test_a_failover_does_not_end_the_session(desk: Desk, agora: Simulator) -> None:
    """404 for 75 seconds, and the same session records on."""
    recording_id = desk.record()
    desk.until_recording(recording_id)

    agora.disturb("failover", seconds=75)
    desk.go_on(300)

    assert len(desk.sessions(recording_id)) == 1
    assert desk.latest(recording_id).suspected_at is None
    assert "session.suspected" in desk.events(recording_id) or len(desk.calls("query")) >= 3
    desk.until_final(recording_id)
    assert agora.report()["sessions_started"] == 1


def test_a_failover_at_the_end_does_not_leave_it_running(desk: Desk, agora: Simulator) -> None:
    """The stop meets 404 and is repeated until the session is back."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    desk.go_on(590 - desk.seconds())

    agora.disturb("failover", seconds=60)
    desk.until_final(recording_id)

    assert desk.running() == 0
    assert desk.latest(recording_id).state is SessionState.STOPPED
    assert agora.report()["ended_by_cause"] == {"stopped": 1}


@pytest.mark.parametrize("kind", ["abnormal_exit", "kick"])
def test_a_session_that_is_gone_for_good_is_replaced_with_another_uid(
    desk: Desk, agora: Simulator, kind: str
) -> None:
    """The recording goes on in a second session until its own end."""
    recording_id = desk.record()
    first = desk.until_recording(recording_id)

    agora.disturb(kind)
    desk.until(lambda: desk.latest(recording_id).confirmed_at is not None and _second(desk))
    recording = desk.until_final(recording_id)

    before, after = desk.sessions(recording_id)
    assert before.state is SessionState.ENDED
    assert before.reason
    assert before.uid == first.uid != after.uid
    assert recording.state is RecordingState.STOPPED
    assert desk.running() == 0


def _second(desk: Desk) -> bool:
    return int(desk.simulator.report()["sessions_started"]) == 2


def test_a_session_that_ends_early_can_end_the_recording(desk: Desk, agora: Simulator) -> None:
    """on_early_exit=finish: nothing takes over, and the reason tells."""
    recording_id = desk.record(on_early_exit="finish")
    desk.until_recording(recording_id)

    agora.disturb("kick")
    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert "ended early" in str(recording.reason)
    assert len(desk.sessions(recording_id)) == 1


def test_wrong_bucket_keys_end_in_a_reason_that_names_them(make_desk: Callable[..., Desk]) -> None:
    """Agora takes the start, and forgets it: seven sessions, and then someone must look."""
    desk = make_desk(RECORDING_STORAGE__DEFAULT__SECRET_KEY="bad-key")
    recording_id = desk.record(duration=7200)

    recording = desk.until_final(recording_id, within=7000)

    assert recording.state is RecordingState.FAILED
    assert "bucket keys" in str(recording.reason)
    assert len(desk.sessions(recording_id)) == 7
    assert desk.running() == 0


@pytest.mark.parametrize("duration", [60, 150, 320, 600])
def test_what_never_works_has_the_same_reason_when_its_time_is_over_before(
    make_desk: Callable[..., Desk], duration: int
) -> None:
    """Also where another session was planned, and its turn never came."""
    desk = make_desk(RECORDING_STORAGE__DEFAULT__SECRET_KEY="bad-key")

    recording = desk.until_final(desk.record(duration=duration), within=1000)

    assert recording.state is RecordingState.FAILED
    assert "bucket keys" in str(recording.reason)
    assert desk.running() == 0


def test_nobody_in_the_channel_is_a_stop_with_a_reason(desk: Desk, agora: Simulator) -> None:
    """206/435 at the stop: nothing was recorded, and nothing runs."""
    agora.channel("lesson", users=[])
    recording_id = desk.record(duration=20)

    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert "nobody sent a stream" in str(recording.reason)
    assert desk.running() == 0


def test_the_same_key_is_one_recording(desk: Desk) -> None:
    """Also when it is asked for with other arguments, or when it is over."""
    first = desk.record(key="k")
    second = desk.record(key="k", channel="other")
    desk.until_final(first)
    third = desk.record(key="k")

    assert first == second == third
    assert len(desk.calls("acquire")) == 1


def test_a_task_that_is_delivered_twice_calls_once(desk: Desk) -> None:
    """The second finds its claim begun, and drops out."""
    accepted = desk.recorder.record({"channel": "lesson", "duration": 60})
    (one,) = accepted.dispatches

    desk.deliver([one, one])

    assert len(desk.calls("acquire")) == 1
    assert len(desk.calls("start")) == 1


def test_a_message_that_was_lost_is_sent_again(desk: Desk) -> None:
    """The broker forgot it: a later sweep claims the call anew, and once."""
    accepted = desk.recorder.record({"channel": "lesson", "duration": 60})

    desk.until_state(accepted.recording_id, SessionState.STARTED)

    assert desk.seconds() < 5
    assert len(desk.calls("start")) == 1


def test_a_message_that_comes_after_its_replacement_calls_nothing(desk: Desk) -> None:
    """A late delivery finds its epoch gone."""
    accepted = desk.recorder.record({"channel": "lesson", "duration": 60})
    desk.until_state(accepted.recording_id, SessionState.STARTED)
    calls = len(desk.calls())

    desk.deliver(accepted.dispatches)

    assert len(desk.calls()) == calls


def test_a_plain_task_hastens_a_query(desk: Desk) -> None:
    """Somebody wants to know now: the next sweep asks."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    before = len(desk.calls("query"))

    desk.recorder.hasten(recording_id, Step.QUERY)
    desk.beat()

    assert len(desk.calls("query")) == before + 1


def test_a_herd_shares_one_quota_and_starts_on_time(make_desk: Callable[..., Desk]) -> None:
    """Forty begin together: their acquires are early, and the starts have the instant."""
    desk = make_desk(
        RECORDING_API_RATE="10",
        RECORDING_API_MARGIN_SECONDS="0.06",
        RECORDING_API_TOLERANCE_SECONDS="0.05",
    )
    start_at = NINE + timedelta(seconds=60)
    ids = [desk.record(channel=f"c{n}", start_at=start_at.isoformat()) for n in range(40)]

    desk.until(lambda: len(desk.calls("start")) == 40, within=80)

    begin = desk.simulator.now() - desk.seconds()
    starts = sorted(call["simulated_at"] - begin - 60 for call in desk.calls("start"))
    acquires = sorted(call["simulated_at"] - begin - 60 for call in desk.calls("acquire"))
    assert starts[0] >= -0.01
    assert starts[-1] <= 4 * 1.06 + 0.5
    assert acquires[-1] <= -1
    most = max(sum(at <= other < at + 1 for other in starts) for at in starts)
    assert most <= 10
    assert len(ids) == 40


def test_stops_go_before_the_starts_of_their_instant(make_desk: Callable[..., Desk]) -> None:
    """Ten lessons end where ten others begin: nobody pays for what is over."""
    desk = make_desk(RECORDING_API_RATE="10")
    change = NINE + timedelta(seconds=60)
    for number in range(10):
        desk.record(channel=f"ends-{number}", start_at=NINE.isoformat(), duration=60)
        desk.record(channel=f"begins-{number}", start_at=change.isoformat())

    desk.until(lambda: len(desk.calls("start")) == 20, within=90)

    stops = sorted(call["simulated_at"] for call in desk.calls("stop"))
    starts = sorted(call["simulated_at"] for call in desk.calls("start"))[10:]
    assert len(stops) == 10
    assert stops[-1] < starts[0]


def test_one_that_may_not_begin_late_is_missed(desk: Desk) -> None:
    """The rule is the recording's own: a minute late is too late for this one."""
    start_at = (NINE + timedelta(seconds=60)).isoformat()
    strict = desk.record(start_at=start_at, start_within=60, channel="strict")
    patient = desk.record(start_at=start_at, channel="patient")
    desk.clock.sleep(60 + 61)

    desk.until_recording(patient)

    missed = desk.find(strict)
    assert missed.state is RecordingState.MISSED
    assert missed.reason == "nothing could start it as soon after its instant as was asked for"
    assert desk.calls("acquire")[0]["cname"] == "patient"


def test_one_that_may_begin_a_little_late_does_and_says_so(desk: Desk) -> None:
    """Half a minute late, inside what was asked for; the timeline tells by how much."""
    start_at = (NINE + timedelta(seconds=60)).isoformat()
    recording_id = desk.record(start_at=start_at, start_within=60)
    desk.clock.sleep(60 + 30)

    desk.until_recording(recording_id)

    (line,) = [
        entry for entry in desk.store.timeline_of(recording_id) if entry.event == "session.started"
    ]
    assert 30 <= line.facts["late_seconds"] <= 33
