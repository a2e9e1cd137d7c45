"""How a session begins: every documented answer of acquire and start leads where it should."""

from __future__ import annotations

from datetime import timedelta

import pytest
from lives import NINE, NO_ANSWER, Life, order, refusal, seconds

from recording_tasks.errors import Remedy
from recording_tasks.lifecycle import Refused, Signal
from recording_tasks.models import (
    Mode,
    RecordingState,
    SessionState,
    Started,
    Step,
)

MAYBE_STARTED = refusal(Remedy.SAME_RESOURCE, may_have_run=True, was_reached=True)


# -- acquire -----------------------------------------------------------------------------


def test_acquire_backs_off_while_agora_has_a_fault() -> None:
    """500/500, 500/501 and 500/504 are tried again, ever later, and nothing is given up."""
    life = Life()
    life.until_due()

    waits = []
    for _ in range(8):
        life.call(refusal(Remedy.SAME_AGAIN), expect=Step.ACQUIRE)
        waits.append((life.session.due_at - life.now).total_seconds())
        life.until_due()

    assert waits == [1, 3, 6, 10, 15, 30, 30, 30]
    assert life.session.state is SessionState.PLANNED


def test_an_overload_makes_acquire_wait_a_minute() -> None:
    """406 is our load's fault: nothing is acquired for a while, and every worker is told."""
    life = Life()
    life.until_due()

    change = life.call(refusal(Remedy.OVERLOADED), expect=Step.ACQUIRE)

    assert change.signal is Signal.OVERLOADED
    assert life.session.due_at == life.now + seconds(60)


@pytest.mark.parametrize("remedy", [Remedy.PARAMETERS, Remedy.REFUSED])
def test_what_agora_refuses_for_good_ends_the_recording_with_its_reason(remedy: Remedy) -> None:
    """Code 2 and its like are not repeated: a person must change what was asked for."""
    life = Life()
    life.until_due()

    life.call(refusal(remedy), expect=Step.ACQUIRE)

    assert life.session.state is SessionState.FAILED
    assert life.recording.state is RecordingState.FAILED
    assert life.recording.reason == f"refused: {remedy}"


def test_a_window_that_passes_without_a_start_is_missed() -> None:
    """When nothing could start it before its end, someone is told why."""
    life = Life()
    life.until_due().call(refusal(Remedy.SAME_AGAIN))
    life.now = NINE + timedelta(hours=1)

    needed = life.step()
    life.lapse()

    assert needed is Step.REST
    assert life.recording.state is RecordingState.MISSED
    assert life.recording.reason == "refused: same_again"


# -- start -------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [MAYBE_STARTED, NO_ANSWER])
def test_a_start_of_unknown_outcome_is_repeated_with_the_same_resource(answer: Refused) -> None:
    """206/65, 500/62 and a lost answer: the same resource after 3 s and 6 s, then another uid."""
    life = Life().acquire().until_due()
    resource_id = life.session.resource_id

    waits, resources = [], []
    for _ in range(2):
        life.call(answer, expect=Step.START)
        waits.append((life.session.due_at - life.now).total_seconds())
        resources.append(life.session.resource_id)
        life.until_due()
    life.call(answer, expect=Step.START)

    assert waits == [3, 6]
    assert resources == [resource_id, resource_id]
    assert life.sessions[1].state is SessionState.UNACCOUNTED
    assert life.session.number == 2
    assert life.session.uid != life.sessions[1].uid


def test_unsent_starts_do_not_use_up_the_repeats_of_an_unknown_one() -> None:
    """Tries that never left this host say nothing: 3 s and 6 s count from the first that did."""
    life = Life().acquire().until_due()
    for _ in range(4):
        life.call(refusal(Remedy.SAME_AGAIN), expect=Step.START)
        life.until_due()

    life.call(MAYBE_STARTED, expect=Step.START)

    assert life.session.state is SessionState.STARTING
    assert life.session.due_at == life.now + seconds(3)


def test_already_started_with_a_sid_is_a_start() -> None:
    """201/7 that carries the sid is as good as 200."""
    life = Life().acquire().until_due()
    life.call(MAYBE_STARTED)
    life.until_due()

    life.call(Started(sid="sid", was_running=True), expect=Step.START)

    assert (life.session.state, life.session.sid) == (SessionState.STARTED, "sid")


def test_already_started_without_a_sid_stays_on_the_books() -> None:
    """201/7 without a sid: it runs, nobody can stop it; it is kept until its idle time is over."""
    life = Life().acquire().until_due()

    life.call(Started(sid=None, was_running=True), expect=Step.START)

    first = life.sessions[1]
    assert first.state is SessionState.UNACCOUNTED
    assert first.gone_by == NINE + timedelta(hours=1) + seconds(300)
    assert life.session.state is SessionState.PLANNED


def test_an_unaccounted_session_lasts_as_long_as_its_own_idle_time() -> None:
    """What the request says of maxIdleTime counts, not our default."""
    life = Life(order(request={"recordingConfig": {"maxIdleTime": 3600}})).acquire().until_due()

    life.call(Started(sid=None, was_running=True))

    assert life.sessions[1].gone_by == NINE + timedelta(hours=2)


def test_an_unaccounted_page_lasts_as_long_as_agora_would_record_it() -> None:
    """A web page knows no idle time: it is recorded for maxRecordingHour."""
    service = {"serviceName": "web_recorder_service", "serviceParam": {"maxRecordingHour": 3}}
    request = {"extensionServiceConfig": {"extensionServices": [service]}}
    life = Life(order(mode=Mode.WEB, request=request)).acquire().until_due()

    life.call(Started(sid=None, was_running=True))

    assert life.sessions[1].gone_by == NINE + timedelta(hours=3)


def test_a_unaccounted_session_outlives_an_extension() -> None:
    """While the recording goes on, the channel is not empty: the session may still run."""
    life = Life().acquire().until_due()
    life.call(Started(sid=None, was_running=True))
    gone_by = life.sessions[1].gone_by
    assert gone_by is not None
    later = NINE + timedelta(hours=3)
    life.recording = order(state=RecordingState.RECORDING, session_count=2, stop_at=later)
    life.now = gone_by
    successor = life.sessions.pop(2)

    life.lapse()

    assert life.sessions[1].state is SessionState.UNACCOUNTED
    assert life.sessions[1].due_at == later + seconds(300)
    assert successor.number == 2


def test_an_unaccounted_session_expires_when_its_idle_time_is_over() -> None:
    """It leaves the books with a reason, and its recording stays as it ended."""
    life = Life().acquire().until_due()
    life.call(Started(sid=None, was_running=True))
    life.sessions.pop(2)
    life.recording = order(state=RecordingState.STOPPED, session_count=2)
    life.now = NINE + timedelta(hours=1) + seconds(300)

    life.lapse()

    assert life.session.state is SessionState.EXPIRED
    assert life.session.reason == "its idle time is over"
    assert life.recording.state is RecordingState.STOPPED


def test_a_conflict_leads_to_another_uid_and_another_resource() -> None:
    """400/53: the caller's uid records elsewhere; the recording goes on in a new session."""
    life = Life(order(uid="1000")).acquire().until_due()

    life.call(refusal(Remedy.OTHER_UID), expect=Step.START)

    assert life.sessions[1].state is SessionState.FAILED
    assert (life.session.state, life.session.step) == (SessionState.PLANNED, Step.ACQUIRE)
    assert life.session.uid != life.sessions[1].uid


def test_a_conflict_of_a_uid_that_we_chose_is_a_session_of_ours() -> None:
    """Nobody else has it: a start that Agora had refused was carried out after all."""
    life = Life().acquire().until_due()
    life.call(refusal(Remedy.NEW_RESOURCE), expect=Step.START)
    life.until_due().acquire().until_due()

    life.call(refusal(Remedy.OTHER_UID), expect=Step.START)

    assert life.sessions[1].state is SessionState.UNACCOUNTED
    assert (life.session.state, life.session.step) == (SessionState.PLANNED, Step.ACQUIRE)


def test_a_conflict_of_the_callers_uid_may_be_with_a_start_that_was_refused() -> None:
    """502, and then 53: nobody knows whose session it is, so it is kept on the books."""
    life = Life(order(uid="1000")).acquire().until_due()
    life.call(refusal(Remedy.NEW_RESOURCE), expect=Step.START)
    life.until_due().acquire().until_due()

    life.call(refusal(Remedy.OTHER_UID), expect=Step.START)

    assert life.sessions[1].state is SessionState.UNACCOUNTED
    assert life.session.uid != "1000"


def test_already_started_is_a_start_under_any_status() -> None:
    """Code 7 without its 201: what runs is not forgotten."""
    life = Life().acquire().until_due()

    life.call(refusal(Remedy.RUNS_ALREADY), expect=Step.START)

    assert life.sessions[1].state is SessionState.UNACCOUNTED
    assert not life.recording.state.is_final


@pytest.mark.parametrize("remedy", [Remedy.CREDENTIALS, Remedy.SLOW_DOWN, Remedy.SAME_AGAIN])
def test_a_start_that_never_arrived_in_its_window_is_missed(remedy: Remedy) -> None:
    """It had a resource, and nothing of it ever ran."""
    life = Life().acquire().until_due()
    life.call(refusal(remedy), expect=Step.START)
    life.now = NINE + timedelta(hours=1)

    life.lapse()

    assert life.recording.state is RecordingState.MISSED
    assert life.recording.reason == f"refused: {remedy}"


def test_a_conflict_after_an_unknown_start_keeps_that_start_on_the_books() -> None:
    """53 after 65 means that something of ours may run: it must not be forgotten."""
    life = Life().acquire().until_due()
    life.call(MAYBE_STARTED)
    life.until_due()

    life.call(refusal(Remedy.OTHER_UID), expect=Step.START)

    assert life.sessions[1].state is SessionState.UNACCOUNTED


@pytest.mark.parametrize("remedy", [Remedy.NEW_RESOURCE])
def test_a_useless_resource_is_replaced(remedy: Remedy) -> None:
    """433, 1001 and 502: acquire again, with the same uid, a second later."""
    life = Life().acquire().until_due()

    life.call(refusal(remedy), expect=Step.START)

    assert (life.session.state, life.session.resource_id) == (SessionState.PLANNED, None)
    assert life.session.number == 1
    assert life.session.due_at == life.now + seconds(1)
    life.until_due()
    assert life.step() is Step.ACQUIRE


def test_a_lasting_lack_of_workers_does_not_eat_the_quota() -> None:
    """502 for ten minutes: the pairs of acquire and start become rare, though acquire works."""
    life = Life()
    life.acquire().until_due()
    pairs = 0

    while life.now < NINE + timedelta(minutes=10):
        life.call(refusal(Remedy.NEW_RESOURCE), expect=Step.START)
        life.acquire().until_due()
        pairs += 1

    assert pairs < 40
    assert life.session.due_at - life.now <= seconds(30)


def test_a_stale_resource_is_never_used_for_a_start() -> None:
    """Four minutes after acquire, the start needs another resource."""
    life = Life().acquire()

    life.wait(4 * 60)

    assert life.step() is Step.START
    assert life.wait(0.001).step() is Step.ACQUIRE


def test_a_start_whose_worker_died_is_repeated_not_forgotten() -> None:
    """It may have been carried out: the same resource tells, and no new one hides it."""
    life = Life().acquire().until_due()
    life.sending(Step.START)

    life.wait(60)

    assert life.step() is Step.START


def test_a_start_whose_worker_died_long_ago_stays_on_the_books() -> None:
    """When its resource is too old to ask with, it is unaccounted; no acquire takes its place."""
    life = Life().acquire().until_due()
    life.sending(Step.START)
    life.wait(5 * 60)

    needed = life.step()
    life.lapse()

    assert needed is Step.REST
    assert life.sessions[1].state is SessionState.UNACCOUNTED
    assert life.session.number == 2


def test_a_start_whose_worker_died_before_the_end_is_still_asked_for() -> None:
    """Its time is over, yet it may run: its sid must be had, to stop it."""
    life = Life(order(stop_at=NINE + seconds(30))).acquire().until_due()
    life.sending(Step.START)

    life.wait(60)

    assert life.step() is Step.START
    life.call(Started(sid="sid"), expect=Step.START)
    assert life.step() is Step.STOP


def test_an_answer_after_its_session_was_given_up_does_not_bring_it_back() -> None:
    """Giving up takes the epoch along, so the answer is a late one."""
    life = Life().acquire().until_due()
    taken = life.sending(Step.START)
    life.wait(5 * 60)

    life.lapse()

    assert life.sessions[1].epoch > taken.epoch


def test_a_token_that_is_too_old_leads_to_a_new_resource_only_while_nothing_runs() -> None:
    """With an unknown start behind it, the session is kept on the books instead."""
    life = Life().acquire().until_due()
    life.call(MAYBE_STARTED)
    life.until_due()

    life.call(refusal(Remedy.NEW_RESOURCE), expect=Step.START)

    assert life.sessions[1].state is SessionState.UNACCOUNTED
