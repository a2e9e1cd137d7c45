"""When a worker dies or the database is away in the middle: it is made good, by whoever comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from desk import NINE, ClockedStore, Desk
from half_done import carry_out, claim_start, leaves_at_ten_past, take

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.models import RecordingState, SessionState, Step
from recording_tasks.monitoring import scrubbed
from recording_tasks.recorder import Dispatch, Recorder
from recording_tasks.simulator import Simulator
from recording_tasks.store import Store, Writing

MINUTES = 60.0


# -- workers that die --------------------------------------------------------------------


@pytest.mark.parametrize("was_sent", [False, True])
def test_a_worker_that_dies_in_a_start_loses_nothing(
    desk: Desk, agora: Simulator, was_sent: bool
) -> None:
    """Its lease runs out, and the same resource tells whether it had worked."""
    leaves_at_ten_past(agora)
    recording_id, _ = claim_start(desk)
    taken = take(desk, recording_id, Step.START)
    if was_sent:
        carry_out(desk, taken, Step.START)

    recording = desk.until_final(recording_id)
    desk.until(lambda: all(session.state.is_final for session in desk.sessions(recording_id)))

    assert recording.state is RecordingState.STOPPED
    assert len(desk.sessions(recording_id)) == (2 if was_sent else 1)
    assert desk.running() == 0


def test_a_worker_frozen_while_it_waits_for_its_slot_sends_nothing_late(
    desk: Desk, agora: Simulator
) -> None:
    """It wakes up after its lease, and another made the call meanwhile: its own never leaves."""
    leaves_at_ten_past(agora)
    start_at = (NINE + timedelta(seconds=1.5)).isoformat()
    (one,) = desk.recorder.record(
        {"channel": "lesson", "start_at": start_at, "duration": 600}
    ).dispatches
    assert desk.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)

    def frozen(seconds: float) -> None:
        desk.clock.sleep(seconds + 20)
        desk.until_recording(one.recording_id)

    worker = Recorder(desk.store, desk.settings, sleep=frozen)
    worker.run(one.recording_id, Step.START, one.start_claim)

    assert len(desk.calls("start")) == 1
    assert desk.latest(one.recording_id).state is SessionState.RECORDING


def test_an_outage_does_not_make_the_next_lost_message_cost_more(desk: Desk) -> None:
    """Its message was lost, all was down for half a minute, the next was lost too: soon again."""
    desk.recorder.record({"channel": "lesson", "duration": 600})
    desk.clock.sleep(30)
    (lost,) = desk.recorder.sweep()
    assert lost.step is Step.ACQUIRE

    desk.clock.sleep(5)

    assert [one.step for one in desk.recorder.sweep()] == [Step.ACQUIRE]


def test_a_start_whose_worker_died_is_not_hidden_by_a_new_resource(
    desk: Desk, agora: Simulator
) -> None:
    """All was down for five minutes in the middle of a start: it stays on the books."""
    leaves_at_ten_past(agora)
    recording_id, _ = claim_start(desk)
    carry_out(desk, take(desk, recording_id, Step.START), Step.START)
    desk.clock.sleep(5 * MINUTES)

    desk.until_final(recording_id)
    desk.until(lambda: all(session.state.is_final for session in desk.sessions(recording_id)))

    first, second = desk.sessions(recording_id)
    assert first.state is SessionState.EXPIRED
    assert second.uid != first.uid
    assert desk.running() == 0


def test_a_start_whose_worker_died_is_accounted_for_when_its_time_is_over(
    desk: Desk, agora: Simulator
) -> None:
    """Down from the start until after the end: the recording fails, its session is waited for."""
    leaves_at_ten_past(agora)
    recording_id, _ = claim_start(desk)
    carry_out(desk, take(desk, recording_id, Step.START), Step.START)
    desk.clock.sleep(11 * MINUTES)

    desk.beat()

    assert desk.latest(recording_id).state is SessionState.UNACCOUNTED
    desk.until(lambda: desk.latest(recording_id).state.is_final)
    assert desk.running() == 0


@pytest.mark.parametrize("was_sent", [False, True])
def test_a_worker_that_dies_in_a_stop_leaves_nothing_running(desk: Desk, was_sent: bool) -> None:
    """The stop is sent again; Agora says 49 or 404 if it had arrived."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    desk.recorder.stop(recording_id)
    taken = take(desk, recording_id, Step.STOP)
    if was_sent:
        carry_out(desk, taken, Step.STOP)

    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert desk.running() == 0


def test_a_stop_in_doubt_whose_next_message_is_lost_does_not_wait_for_a_query(desk: Desk) -> None:
    """One worker died in the stop, what was sent to another is lost: it is sent again at once."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    desk.recorder.stop(recording_id)
    take(desk, recording_id, Step.STOP)
    (lost,) = until_claimed(desk)
    lost_at = desk.clock.now

    (again,) = until_claimed(desk)

    assert lost.step is again.step is Step.STOP
    assert desk.clock.now - lost_at < timedelta(seconds=20)  # the next query is 100 s away


def test_a_slow_worker_that_was_given_up_brings_the_sid_after_all(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Its start worked, another worker met 201/7: the late answer lets the session be stopped."""
    desk = make_desk(RECORDING_READ_TIMEOUT_SECONDS="8")
    agora.fault("start", "delay", seconds=3, carry_out=True)
    recording_id, one = claim_start(desk)
    slow = threading.Thread(
        target=desk.recorder.run, args=(recording_id, Step.START, one.start_claim)
    )
    slow.start()
    while not agora.calls("start"):
        pass
    desk.clock.sleep(20)
    desk.until(lambda: len(desk.sessions(recording_id)) == 2, within=30)

    slow.join()
    desk.until(lambda: desk.sessions(recording_id)[0].state is SessionState.STOPPED)

    desk.until_final(recording_id)
    assert agora.report()["ended_by_cause"] == {"stopped": 2}
    assert desk.running() == 0


# -- the database ------------------------------------------------------------------------


class FlakyStore(ClockedStore):
    """A store whose database is away for the next so many writes."""

    away = 0

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Fail, or write."""
        if self.away > 0:
            self.away -= 1
            raise StoreUnavailableError("it is away")
        with super().writing() as writing:
            yield writing


def flaky(desk: Desk) -> FlakyStore:
    """Put a flaky store under the desk's recorder."""
    store = FlakyStore(desk.store.database, desk.clock)
    desk.store = store
    desk.recorder = desk.another()
    return store


def test_an_answer_survives_a_database_that_is_away(desk: Desk) -> None:
    """A sid cannot be had twice: it is held until it can be written."""
    store = flaky(desk)
    recording_id, one = claim_start(desk)
    store.away = 8

    desk.recorder.run(recording_id, Step.START, one.start_claim)

    assert store.away == 0
    assert desk.latest(recording_id).state is SessionState.STARTED
    desk.until_final(recording_id)
    assert desk.running() == 0


def test_an_acquired_resource_grows_old_while_its_answer_cannot_be_written(desk: Desk) -> None:
    """Kept for minutes, then written: no start is sent with a ticket that Agora took back."""
    store = flaky(desk)
    accepted = desk.recorder.record({"channel": "lesson", "duration": 3600})
    (one,) = accepted.dispatches
    desk.clock.sleep_until(one.slot_at)
    store.away = 320  # tries, a second apart

    desk.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)
    desk.until_recording(one.recording_id)

    _, acquire = desk.calls("acquire")
    (start,) = desk.calls("start")
    assert store.away == 0
    assert start["simulated_at"] - acquire["simulated_at"] < 240


def test_a_404_that_was_kept_for_minutes_is_no_proof_that_a_session_is_gone(
    desk: Desk, agora: Simulator
) -> None:
    """It was heard inside the failover window and written after it: the session is asked again."""
    recording_id = desk.record(duration=3600)
    desk.until_recording(recording_id)
    desk.clock.sleep_until(desk.latest(recording_id).due_at - timedelta(seconds=5))
    agora.disturb("failover", "lesson", seconds=60)
    desk.until(lambda: desk.latest(recording_id).suspected_at is not None)
    store = flaky(desk)
    (query,) = until_claimed(desk)
    desk.clock.sleep_until(query.slot_at)
    store.away = 150  # tries, a second apart

    desk.recorder.run(recording_id, query.step, query.claim)
    desk.go_on(120)

    assert store.away == 0
    assert len(desk.sessions(recording_id)) == 1
    assert desk.find(recording_id).state is RecordingState.RECORDING
    assert desk.latest(recording_id).suspected_at is None


def test_an_early_look_that_was_kept_for_minutes_is_no_proof_that_a_session_never_began(
    desk: Desk, agora: Simulator
) -> None:
    """It was still joining when it was asked; it records by the time that can be written."""
    agora.configure(join_seconds=8)
    recording_id = desk.record(duration=3600)
    (query,) = until_claimed(desk)
    store = flaky(desk)
    desk.clock.sleep_until(query.slot_at)
    store.away = 150  # tries, a second apart

    desk.recorder.run(recording_id, query.step, query.claim)
    desk.until_recording(recording_id)

    assert store.away == 0
    assert len(desk.sessions(recording_id)) == 1
    assert desk.calls("stop") == []


def until_claimed(desk: Desk) -> list[Dispatch]:
    """Beat without doing it, until something is claimed."""
    while not (claimed := desk.recorder.sweep()):
        desk.clock.sleep(1)
    return claimed


@pytest.mark.parametrize("step", [Step.ACQUIRE, Step.START])
def test_an_answer_that_is_given_up_is_told_with_what_is_to_be_done(
    desk: Desk, caplog: pytest.LogCaptureFixture, step: Step
) -> None:
    """Ten minutes and no database: one error names recording, session and sid, and all goes on."""
    store = flaky(desk)
    caplog.set_level("WARNING")
    desk.simulator.channel("lesson", users=[{"uid": "123", "joins": 0, "leaves": 1500}])
    accepted = desk.recorder.record({"channel": "lesson", "duration": 3600})
    (one,) = accepted.dispatches
    desk.clock.sleep_until(one.slot_at)
    claim = one.claim
    if step is Step.START:
        desk.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)
        claim = one.start_claim
    store.away = 100_000

    follows = desk.recorder.run(one.recording_id, step, claim)
    store.away = 0

    waited = (desk.clock.now - one.slot_at).total_seconds()
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    told = error.getMessage()
    sids = [session["sid"] for session in desk.simulator.sessions()]
    assert not follows
    assert 600 <= waited < 610
    assert told.startswith(f"answer.lost recording={one.recording_id} session={one.recording_id}-1")
    assert all(f"sid={sid}" in told for sid in sids)
    assert len(sids) == (step is Step.START)
    assert scrubbed({"message": told}) == {"message": told}
    desk.until_recording(one.recording_id)
    desk.stop(one.recording_id)
    desk.until(lambda: desk.running() == 0)


def test_a_wish_that_could_not_be_stored_is_an_error_and_no_trap(desk: Desk) -> None:
    """Trying again is safe, and what is accepted then is recorded."""
    store = flaky(desk)
    store.away = 1
    with pytest.raises(StoreUnavailableError):
        desk.recorder.record({"channel": "lesson"})
    assert store.recent() == []

    later = (NINE + timedelta(seconds=100)).isoformat()
    recording_id = desk.record(start_at=later)

    assert desk.until_final(recording_id).state is RecordingState.STOPPED


class ForgetfulStore(ClockedStore):
    """A store whose next transaction fails at its very end."""

    fails = 0

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Write, and lose it all at the commit."""
        with super().writing() as writing:
            yield writing
            if self.fails > 0:
                self.fails -= 1
                raise StoreUnavailableError("the commit failed")


def test_an_app_whose_first_recording_failed_to_commit_is_still_swept(desk: Desk) -> None:
    """The sweep must know the app, whatever became of the transaction that introduced it."""
    store = ForgetfulStore(desk.store.database, desk.clock)
    store.fails = 1
    desk.store, desk.recorder = store, Recorder(store, desk.settings, sleep=desk.clock.sleep)
    later = (NINE + timedelta(seconds=100)).isoformat()
    with pytest.raises(StoreUnavailableError):
        desk.recorder.record({"channel": "lesson", "start_at": later, "duration": 60})

    recording_id = desk.record(start_at=later, duration=60)

    assert desk.until_final(recording_id, within=300).state is RecordingState.STOPPED


def test_a_profile_that_is_gone_is_no_start_of_unknown_outcome(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Another worker lacks the storage: the recording waits for one that has it, and says why."""
    desk = make_desk()
    recording_id, one = claim_start(desk)
    poor = desk.another(storages={})

    poor.run(recording_id, Step.START, one.start_claim)
    desk.until_recording(recording_id)

    assert len(desk.sessions(recording_id)) == 1
    assert isinstance(desk.store, Store)
    assert agora.report()["sessions_started"] == 1
