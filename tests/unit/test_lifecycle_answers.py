"""Every documented answer leads where the documents say: retries, other uids, suspicion, ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from lives import NINE, NO_ANSWER, NOT_FOUND, RECORDS, Life, order, refusal, seconds

from recording_tasks.errors import Remedy
from recording_tasks.lifecycle import Answer, Call, Signal, settle, sid_learned
from recording_tasks.models import (
    Acquired,
    File,
    Mode,
    Observed,
    OnEarlyExit,
    RecordingState,
    SessionState,
    Started,
    Step,
    Stopped,
    UploadStatus,
)

MAYBE_STARTED = refusal(Remedy.SAME_RESOURCE, may_have_run=True, was_reached=True)


def test_a_recording_goes_from_acquire_to_stop_at_its_instants() -> None:
    """Acquire two seconds ahead, start on the instant, query after 5 s and 2 min, stop on time."""
    life = Life()

    instants = []
    answers: list[Answer] = [
        Acquired(resource_id="resource"),
        Started(sid="sid"),
        RECORDS,
        RECORDS,
    ]
    for answer in answers:
        life.until_due()
        instants.append((life.step(), (life.now - NINE).total_seconds()))
        life.call(answer)
    life.now = NINE + timedelta(hours=1)
    life.call(Stopped(files=(File(name="a.m3u8"),), upload_status=UploadStatus.UPLOADED))

    assert instants == [
        (Step.ACQUIRE, -2.0),
        (Step.START, 0.0),
        (Step.QUERY, 5.0),
        (Step.QUERY, 125.0),
    ]
    assert life.session.state is SessionState.STOPPED
    assert life.session.upload_status is UploadStatus.UPLOADED
    assert (life.recording.state, life.recording.reason) == (
        RecordingState.STOPPED,
        "stopped on time",
    )


# -- everybody waits ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remedy", "signal"),
    [
        (Remedy.CREDENTIALS, Signal.CLOSED),
        (Remedy.ACCOUNT, Signal.CLOSED),
        (Remedy.SLOW_DOWN, Signal.SLOW_DOWN),
    ],
)
def test_an_answer_to_all_changes_no_state(remedy: Remedy, signal: Signal) -> None:
    """401 and 429 say nothing of the session: acquired stays acquired, recording recording."""
    acquired = Life().acquire().until_due()
    running = Life().run().until_due()

    changes = [acquired.call(refusal(remedy)), running.call(refusal(remedy))]

    assert [change.signal for change in changes] == [signal, signal]
    assert acquired.session.state is SessionState.ACQUIRED
    assert running.session.state is SessionState.RECORDING
    assert acquired.session.resource_id is not None


@pytest.mark.parametrize(
    "remedy", [Remedy.SUSPECT, Remedy.SETTLED, Remedy.OTHER_UID, Remedy.PARAMETERS]
)
def test_any_answer_of_the_service_shows_that_the_credentials_work(remedy: Remedy) -> None:
    """A probe that meets a 404 has found out what it was for."""
    life = Life().run().until_due()

    change = life.call(refusal(remedy))

    assert change.signal is Signal.FINE


def test_an_error_with_a_code_of_the_service_shows_it_too() -> None:
    """500/500 or 206/65: something is wrong there, and it is not who we are."""
    life = Life().run().until_due()

    coded = life.call(replace(refusal(Remedy.SAME_AGAIN), is_coded=True))
    plain = life.until_due().call(refusal(Remedy.SAME_AGAIN))

    assert (coded.signal, plain.signal) == (Signal.FINE, None)


def test_no_answer_shows_nothing_of_the_credentials() -> None:
    """A probe that got no answer leaves the circuit as it is."""
    life = Life().run().until_due()

    change = life.call(NO_ANSWER)

    assert change.signal is None


# -- confirmation ------------------------------------------------------------------------


def test_a_session_is_asked_at_5_10_20_and_every_15_seconds_and_given_up_after_90() -> None:
    """Status 0 to 3 until 90 s after the start: it is stopped, and another uid takes over."""
    life = Life().acquire().start()

    instants = []
    while life.session.state is SessionState.STARTED:
        life.until_due()
        instants.append((life.now - NINE).total_seconds())
        life.call(Observed(status=2), expect=Step.QUERY)
    life.call(Stopped(is_empty=True), expect=Step.STOP)

    assert instants == [5, 10, 20, 35, 50, 65, 80, 90]
    assert life.sessions[1].state is SessionState.STOPPED
    assert "never seen to record" in str(life.sessions[1].reason)
    assert life.session.number == 2
    assert life.session.uid != life.sessions[1].uid


@pytest.mark.parametrize("status", [4, 5])
def test_status_4_and_5_confirm(status: int) -> None:
    """Both mean that it records."""
    life = Life().acquire().start().until_due()

    life.call(Observed(status=status))

    assert life.session.state is SessionState.RECORDING
    assert life.recording.state is RecordingState.RECORDING


def test_a_page_in_progress_confirms() -> None:
    """A web session may tell its state without a number."""
    life = Life(order(mode=Mode.WEB)).acquire().start().until_due()

    life.call(Observed(status=None, services={"web_recorder_service": "inProgress"}))

    assert life.session.state is SessionState.RECORDING


@pytest.mark.parametrize("status", [6, 7, 8, 20])
def test_a_status_of_leaving_ends_the_session_and_not_the_recording(status: int) -> None:
    """6 to 8 and 20 (abnormal exit): it ended without us, and goes on with another uid."""
    life = Life().run().until_due()

    life.call(Observed(status=status))

    assert life.sessions[1].state is SessionState.ENDED
    assert life.session.state is SessionState.PLANNED
    assert life.session.start_at == life.now + seconds(1)


def test_a_page_that_exited_ends_the_session() -> None:
    """The web recorder's own exit is the end, whatever the number says."""
    life = Life(order(mode=Mode.WEB)).run().until_due()

    life.call(Observed(status=5, services={"web_recorder_service": "exit"}))

    assert life.sessions[1].state is SessionState.ENDED


def test_a_push_that_exited_does_not_end_the_page() -> None:
    """A failed CDN push is ignored by Agora: the page is recorded on, and must be stopped."""
    life = Life(order(mode=Mode.WEB)).run().until_due()
    services = {"web_recorder_service": "inProgress", "rtmp_publish_service": "exit"}

    life.call(Observed(status=5, services=services))

    assert life.session.state is SessionState.RECORDING


def test_a_session_that_ended_early_can_end_the_recording() -> None:
    """With on_early_exit=finish nothing takes over."""
    life = Life(order(on_early_exit=OnEarlyExit.FINISH)).run().until_due()

    life.call(Observed(status=8))

    assert life.recording.state is RecordingState.STOPPED
    assert str(life.recording.reason).startswith("ended early")
    assert list(life.sessions) == [1]


def test_sessions_that_never_record_are_replaced_ever_later_and_then_given_up() -> None:
    """Wrong bucket keys or a bad token cannot restart for ever; the reason says what to check."""
    life = Life(order(stop_at=None))

    delays = []
    while not life.recording.state.is_final:
        life.acquire().start()
        while life.session.state is SessionState.STARTED and not life.recording.state.is_final:
            life.until_due().call(NOT_FOUND)
        delays.append((life.session.start_at - life.now).total_seconds())

    assert len(life.sessions) == 7
    assert delays[:6] == [5, 15, 30, 60, 120, 300]
    assert life.recording.state is RecordingState.FAILED
    assert "bucket keys" in str(life.recording.reason)


# -- suspicion ---------------------------------------------------------------------------


def test_a_404_is_a_suspicion_for_90_seconds() -> None:
    """Asked again after 5, 10 and 15 s; only then the session is gone and another takes over."""
    life = Life().run().until_due()
    first = life.now

    asked = []
    while life.sessions[1].state is SessionState.RECORDING:
        asked.append((life.now - first).total_seconds())
        life.call(NOT_FOUND, expect=Step.QUERY)
        life.until_due()

    assert asked == [0, 5, 15, 30, 45, 60, 75, 90]
    assert life.sessions[1].state is SessionState.ENDED
    assert life.session.number == 2


def test_a_session_that_comes_back_within_the_window_lives_on() -> None:
    """A failover: 404 for 85 s, then status 5; the next suspicion has its own 90 s."""
    life = Life().run().until_due()
    first = life.now
    while life.now < first + seconds(75):
        life.call(NOT_FOUND)
        life.until_due()

    life.call(RECORDS)

    assert life.session.state is SessionState.RECORDING
    assert life.session.suspected_at is None
    assert life.session.reason is None
    assert life.session.due_at == life.now + seconds(120)


def test_a_404_on_an_update_is_a_suspicion_too() -> None:
    """The update is repeated until the session is back or gone."""
    life = Life().run()
    life.recording = order(state=RecordingState.RECORDING, update={}, update_version=1)
    life.put(step=Step.UPDATE, due_at=life.now)

    life.call(NOT_FOUND, expect=Step.UPDATE)

    assert life.session.state is SessionState.RECORDING
    assert life.session.suspected_at == life.now
    assert life.session.due_at == life.now + seconds(5)


@pytest.mark.parametrize("step", [Step.QUERY, Step.UPDATE])
def test_exiting_ends_the_session_at_once(step: Step) -> None:
    """501 says that it is on its way out: waiting for a failover would lose 90 s."""
    life = Life().run()
    life.recording = order(state=RecordingState.RECORDING, update={}, update_version=1)
    life.put(step=step, due_at=life.now)

    life.call(refusal(Remedy.EXITING), expect=step)

    assert life.sessions[1].state is SessionState.ENDED
    assert life.session.number == 2


@pytest.mark.parametrize("remedy", [Remedy.SAME_AGAIN, Remedy.PARAMETERS, Remedy.REFUSED])
def test_a_query_that_fails_otherwise_ends_nothing(remedy: Remedy) -> None:
    """50x and our own mistakes leave the state unknown, and the session running."""
    life = Life().run().until_due()

    for _ in range(20):
        life.call(refusal(remedy), expect=Step.QUERY)
        life.until_due()

    assert life.session.state is SessionState.RECORDING


# -- update ------------------------------------------------------------------------------


def test_an_update_is_told_once_and_the_queries_go_on() -> None:
    """Its version is remembered; the next step is a query again."""
    life = Life().run()
    life.recording = order(state=RecordingState.RECORDING, update={}, update_version=3)
    life.put(step=Step.UPDATE, due_at=life.now)

    life.call(refusal(Remedy.SAME_AGAIN), expect=Step.UPDATE, version=3)
    life.until_due().call(refusal(Remedy.PARAMETERS), expect=Step.UPDATE, version=3)

    assert life.session.update_version == 3
    assert life.session.step is Step.QUERY
    assert life.session.state is SessionState.RECORDING


def test_a_successor_hears_every_update() -> None:
    """A session that takes over knows nothing: it is told after it records."""
    life = Life().run()
    life.recording = order(state=RecordingState.RECORDING, update={}, update_version=3)
    life.until_due().call(Observed(status=8))

    life.run()

    assert (life.session.number, life.session.step) == (2, Step.UPDATE)


# -- stop --------------------------------------------------------------------------------


def stopping() -> Life:
    """Give a recording at its end."""
    life = Life().run()
    life.now = NINE + timedelta(hours=1)
    return life


def test_nothing_recorded_is_a_stop_and_says_so() -> None:
    """206/435: it stopped; nobody had sent a stream."""
    life = stopping()

    life.call(Stopped(is_empty=True), expect=Step.STOP)

    assert life.session.state is SessionState.STOPPED
    assert life.recording.state is RecordingState.STOPPED
    assert "nobody sent a stream" in str(life.recording.reason)


def test_nothing_recorded_under_another_status_is_the_same() -> None:
    """Code 435 without its 206: there is nothing more to stop."""
    life = Life().run()
    life.now = NINE + timedelta(hours=1)

    life.call(refusal(Remedy.EMPTY), expect=Step.STOP)

    assert life.session.state is SessionState.STOPPED
    assert life.recording.state is RecordingState.STOPPED
    assert "nothing was recorded" in str(life.recording.reason)


def test_a_stop_that_was_under_way_is_settled() -> None:
    """400/49: it had begun to exit."""
    life = stopping()

    life.call(refusal(Remedy.SETTLED), expect=Step.STOP)

    assert life.session.state is SessionState.STOPPED
    assert life.recording.state is RecordingState.STOPPED


def test_a_stop_that_reached_agora_is_done_when_the_session_is_gone() -> None:
    """206/65 and then 404: no need to wait for a failover."""
    life = stopping()
    life.call(refusal(Remedy.SAME_AGAIN, was_reached=True), expect=Step.STOP)
    life.until_due()

    life.call(NOT_FOUND, expect=Step.STOP)

    assert life.session.state is SessionState.STOPPED
    assert life.now == NINE + timedelta(hours=1) + seconds(1)


def test_a_404_on_the_first_stop_is_a_suspicion_for_90_seconds() -> None:
    """During a failover a running session answers 404: its stop is repeated until it is sure."""
    life = stopping()

    while not life.session.state.is_final:
        life.call(NOT_FOUND, expect=Step.STOP)
        life.until_due()

    assert life.session.state is SessionState.ENDED
    assert life.session.ended_at == NINE + timedelta(hours=1) + seconds(90)
    assert life.recording.state is RecordingState.STOPPED


def test_a_stop_finds_the_session_after_its_failover() -> None:
    """404, 404, 200: it was stopped for good."""
    life = stopping()
    for _ in range(2):
        life.call(NOT_FOUND, expect=Step.STOP)
        life.until_due()

    life.call(Stopped(), expect=Step.STOP)

    assert life.session.state is SessionState.STOPPED


def test_a_stop_is_repeated_until_it_is_settled() -> None:
    """504/62, no answer, 5xx: again after 1, 3, 6 s …, however the queries fared before."""
    life = Life().run()
    for _ in range(5):
        life.until_due().call(refusal(Remedy.SAME_AGAIN), expect=Step.QUERY)
    life.now = NINE + timedelta(hours=1)

    waits = []
    for _ in range(7):
        life.call(NO_ANSWER, expect=Step.STOP)
        waits.append((life.session.due_at - life.now).total_seconds())
        life.until_due()

    assert waits == [1, 3, 6, 10, 15, 30, 30]
    assert life.session.state is SessionState.STOPPING


def test_nothing_but_a_stop_follows_a_stop() -> None:
    """A query beside or after a stop spoils it."""
    life = stopping()

    life.call(NO_ANSWER, expect=Step.STOP)

    assert [life.wait(wait).step() for wait in (0, 1, 60, 3600)] == [Step.STOP] * 4


def test_a_stop_is_given_up_only_when_agora_takes_none_any_more() -> None:
    """After the time for which a session can be controlled, repeating is of no use."""
    life = stopping()
    life.call(NO_ANSWER, expect=Step.STOP)
    assert life.session.controllable_until is not None
    life.now = life.session.controllable_until

    life.call(NO_ANSWER, expect=Step.STOP)

    assert life.session.state is SessionState.ENDED
    assert "could not be stopped" in str(life.session.reason)


def test_a_session_that_was_never_seen_and_is_gone_at_its_stop_has_failed() -> None:
    """No status 4 or 5, no file, and nothing to stop: someone must look at the bucket keys."""
    life = Life(order(stop_at=NINE + seconds(4))).acquire().start()
    life.now = NINE + seconds(4)

    while not life.session.state.is_final:
        life.call(NOT_FOUND, expect=Step.STOP)
        life.until_due()

    assert life.recording.state is RecordingState.FAILED
    assert "never seen to record" in str(life.recording.reason)


def test_the_reason_of_a_session_that_was_given_up_survives_a_bumpy_stop() -> None:
    """What a person must check is more than the last refusal."""
    life = Life(order(stop_at=None)).acquire().start().wait(90)
    life.call(Observed(status=1), expect=Step.QUERY)
    life.call(NO_ANSWER, expect=Step.STOP)
    life.until_due()

    life.call(Stopped(), expect=Step.STOP)

    assert "bucket keys" in str(life.sessions[1].reason)


# -- a sid that comes late ---------------------------------------------------------------


def test_control_of_a_session_counts_from_its_start_however_late_that_is_written() -> None:
    """The database was away for nine minutes: another session must not take over too late."""
    life = Life(order(request={"acquire": {"resourceExpiredHour": 1}})).acquire().until_due()
    asked_at, session = life.now, life.sending(Step.START)
    life.wait(540)

    call = Call(step=Step.START, answer=Started(sid="sid"), asked_at=asked_at)
    life.apply(settle(life.recording, session, call, life.moment()))

    assert life.session.controllable_until == asked_at + timedelta(hours=1)
    assert life.session.ends_at == asked_at + timedelta(hours=1)


def test_a_late_sid_of_a_session_in_doubt_makes_it_the_recordings_own() -> None:
    """A notification brings what the lost answer would have told."""
    life = Life().acquire().until_due()
    life.call(MAYBE_STARTED)

    life.apply(sid_learned(life.recording, life.session, "sid", life.moment()))

    assert (life.session.state, life.session.sid) == (SessionState.STARTED, "sid")
    assert life.step() is Step.QUERY


def test_a_late_sid_of_a_session_that_was_replaced_stops_it() -> None:
    """Two at a time are one too many: the unaccounted one can be stopped at last."""
    life = Life().acquire().until_due()
    life.call(Started(sid=None, was_running=True))
    successor = life.sessions.pop(2)

    life.apply(sid_learned(life.recording, life.session, "sid", life.moment()))

    assert life.step() is Step.STOP
    life.call(Stopped(), expect=Step.STOP)
    assert life.session.state is SessionState.STOPPED
    assert life.recording.state is RecordingState.STARTING
    assert successor.number == 2


def test_the_timeline_tells_each_state_once() -> None:
    """A person reads one line for each thing that happened."""
    life = Life(order(stop_at=NINE)).acquire()
    life.now = NINE

    life.lapse()

    assert life.events == ["session.acquired", "session.failed", "recording.missed"]
