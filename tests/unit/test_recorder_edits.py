"""Changing one's mind: stop, cancel, extend, update — before, between and during the calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from desk import NINE, Desk
from half_done import claim_start, take

from recording_tasks.errors import InvalidInputError, UnknownRecordingError, WrongStateError
from recording_tasks.models import RecordingState, SessionState, Step
from recording_tasks.simulator import Simulator

SUBSCRIBE = {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["7"]}}}
LAYOUT = {"mixedVideoLayout": 1, "backgroundColor": "#112233"}
PUBLIC = {"recordingConfig": {"channelType": 1}}


def at(seconds: float) -> str:
    return (NINE + timedelta(seconds=seconds)).isoformat()


@contextmanager
def in_flight(desk: Desk, agora: Simulator, one: Any, step: Step, claim: str) -> Iterator[None]:
    """Keep a call on its way while something else happens."""
    method = step.value
    before = len(agora.calls(method))
    agora.fault(method, "delay", seconds=0.25, carry_out=True)
    worker = threading.Thread(target=desk.recorder.run, args=(one.recording_id, step, claim))
    worker.start()
    while len(agora.calls(method)) == before:
        assert worker.is_alive()
    yield
    worker.join()


def test_a_longer_recording_stops_later(desk: Desk) -> None:
    """The new stop time holds for the session that runs."""
    recording_id = desk.record()
    desk.until_recording(recording_id)

    desk.recorder.extend(recording_id, {"stop_at": at(1200)})
    desk.until_final(recording_id)

    assert desk.seconds() == pytest.approx(1200, abs=2)


def test_a_shorter_recording_stops_sooner(desk: Desk) -> None:
    """Also when its next query is far off."""
    recording_id = desk.record()
    desk.until_recording(recording_id)

    desk.recorder.extend(recording_id, {"stop_at": at(60)})
    desk.until_final(recording_id)

    assert desk.seconds() == pytest.approx(60, abs=2)


def test_a_duration_counts_from_the_start(desk: Desk) -> None:
    """Twenty minutes in all, said after five."""
    recording_id = desk.record()
    desk.go_on(300)

    desk.recorder.extend(recording_id, {"duration": 1200})

    stop_at = desk.find(recording_id).stop_at
    assert stop_at is not None
    assert (stop_at - NINE).total_seconds() == pytest.approx(1200, abs=1)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stop_at": at(-60)},
        {"stop_at": "soon"},
        {"stop_at": at(900), "duration": 5},
        {"duration": -1},
    ],
)
def test_a_bad_stop_time_is_refused(desk: Desk, arguments: dict[str, Any]) -> None:
    """And nothing changes."""
    recording_id = desk.record()
    before = desk.find(recording_id)

    with pytest.raises(InvalidInputError):
        desk.recorder.extend(recording_id, arguments)

    assert desk.find(recording_id) == before


def test_a_recording_is_cancelled_before_it_begins(desk: Desk) -> None:
    """Agora never hears of it."""
    recording_id = desk.record(start_at=at(600))

    desk.recorder.cancel(recording_id)
    desk.go_on(1300)

    assert desk.find(recording_id).state is RecordingState.CANCELLED
    assert desk.calls() == []


def test_a_cancelled_recording_that_runs_is_stopped(desk: Desk) -> None:
    """What it recorded remains."""
    recording_id = desk.record()
    desk.until_recording(recording_id)

    desk.recorder.cancel(recording_id)
    desk.until_final(recording_id)

    assert desk.find(recording_id).state is RecordingState.STOPPED
    assert desk.latest(recording_id).files
    assert desk.running() == 0


def test_stopping_twice_sends_one_stop(desk: Desk) -> None:
    """And stopping what is over sends none."""
    recording_id = desk.record()
    desk.until_recording(recording_id)

    desk.stop(recording_id)
    desk.stop(recording_id)
    desk.go_on(10)

    assert len(desk.calls("stop")) == 1
    assert desk.events(recording_id).count("recording.stop_asked") == 1


def test_two_who_stop_at_once_send_one_stop(desk: Desk) -> None:
    """The second claim takes the first one's place before it began."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    first = desk.recorder.stop(recording_id)

    second = desk.recorder.stop(recording_id)
    desk.deliver([*second, *first])

    assert len(desk.calls("stop")) == 1
    assert desk.running() == 0


@pytest.mark.parametrize("verb", ["stop", "cancel"])
def test_what_does_not_exist_cannot_be_stopped(desk: Desk, verb: str) -> None:
    """The error names the id."""
    with pytest.raises(UnknownRecordingError, match="no recording nothing"):
        getattr(desk.recorder, verb)("nothing")


@pytest.mark.parametrize("recording_id", ["a\0b", "\ud800", 7, None, {"a": 1}, ["a"]])
@pytest.mark.parametrize("verb", ["stop", "stop_now", "cancel", "find"])
def test_what_can_be_no_id_is_unknown_too(desk: Desk, verb: str, recording_id: Any) -> None:
    """A message may bring anything; the database is not asked what it cannot be asked."""
    with pytest.raises(UnknownRecordingError):
        getattr(desk.recorder, verb)(recording_id)


def test_a_claimed_acquire_is_void_after_a_cancel(desk: Desk) -> None:
    """Its message arrives, and calls nothing."""
    accepted = desk.recorder.record({"channel": "lesson", "duration": 60})

    desk.recorder.cancel(accepted.recording_id)
    desk.deliver(accepted.dispatches)

    assert desk.calls() == []
    assert desk.find(accepted.recording_id).state is RecordingState.CANCELLED


def test_a_claimed_start_is_void_after_a_cancel(desk: Desk) -> None:
    """The resource lapses unused."""
    accepted = desk.recorder.record({"channel": "lesson", "duration": 60})
    (one,) = accepted.dispatches
    desk.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)

    desk.recorder.cancel(one.recording_id)
    desk.recorder.run(one.recording_id, Step.START, one.start_claim)
    desk.go_on(5)

    assert desk.calls("start") == []
    assert desk.find(one.recording_id).state is RecordingState.CANCELLED


def test_a_claimed_query_gives_way_to_a_stop(desk: Desk) -> None:
    """The stop does not wait for it, and it is not sent."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    desk.recorder.hasten(recording_id, Step.QUERY)
    claimed = desk.recorder.sweep()
    before = len(desk.calls("query"))

    desk.stop(recording_id)
    desk.deliver(claimed)

    assert [one.step for one in claimed] == [Step.QUERY]
    assert len(desk.calls("query")) == before
    assert desk.find(recording_id).state is RecordingState.STOPPED


def test_a_claimed_stop_gives_way_to_an_extension(desk: Desk) -> None:
    """The last accepted word wins, as long as nothing was sent."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    desk.go_on(590 - desk.seconds())
    desk.clock.sleep_until(NINE + timedelta(seconds=599))
    claimed = desk.recorder.sweep()

    desk.recorder.extend(recording_id, {"stop_at": at(1200)})
    desk.deliver(claimed)
    desk.go_on(60)

    assert [one.step for one in claimed] == [Step.STOP]
    assert desk.calls("stop") == []
    assert desk.find(recording_id).state is RecordingState.RECORDING


def test_a_stop_during_an_acquire_starts_nothing(desk: Desk, agora: Simulator) -> None:
    """The resource comes too late."""
    accepted = desk.recorder.record({"channel": "lesson", "duration": 600})
    (one,) = accepted.dispatches

    with in_flight(desk, agora, one, Step.ACQUIRE, one.claim):
        desk.recorder.stop(one.recording_id)
    desk.until_final(one.recording_id)

    assert desk.calls("start") == []
    assert desk.find(one.recording_id).state is RecordingState.CANCELLED


def test_a_stop_during_a_start_stops_what_it_started(desk: Desk, agora: Simulator) -> None:
    """Its answer brings the sid, and the stop follows at once."""
    accepted = desk.recorder.record({"channel": "lesson", "duration": 600})
    (one,) = accepted.dispatches
    desk.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)

    with in_flight(desk, agora, one, Step.START, one.start_claim):
        desk.recorder.stop(one.recording_id)
    desk.until_final(one.recording_id, within=10)

    assert len(desk.calls("stop")) == 1
    assert desk.calls("query") == []
    assert desk.running() == 0


def test_an_extension_during_a_stop_is_refused(desk: Desk, agora: Simulator) -> None:
    """It is on its way, and cannot be taken back."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    (one,) = desk.recorder.stop(recording_id)

    with in_flight(desk, agora, one, Step.STOP, one.claim), pytest.raises(WrongStateError):
        desk.recorder.extend(recording_id, {"stop_at": at(3000)})

    assert desk.find(recording_id).state is RecordingState.STOPPED


def test_an_extension_after_a_stop_whose_worker_died_is_refused(desk: Desk) -> None:
    """Nobody knows whether it was sent: a query after a stop must not be."""
    recording_id = desk.record()
    desk.until_recording(recording_id)
    desk.recorder.stop(recording_id)
    session = desk.latest(recording_id)
    desk.store.take(
        session.id,
        session.epoch,
        Step.STOP,
        latest_slot=desk.clock.now + timedelta(seconds=9),
        lease_until=desk.clock.now + timedelta(seconds=30),
    )
    desk.clock.sleep(31)
    desk.recorder.sweep()

    with pytest.raises(WrongStateError):
        desk.recorder.extend(recording_id, {"stop_at": at(3000)})


def test_an_update_is_sent_once_and_at_once(desk: Desk) -> None:
    """With everything that was asked before it."""
    recording_id = desk.record(request=PUBLIC)
    desk.until_recording(recording_id)
    before = desk.seconds()

    desk.recorder.update(recording_id, SUBSCRIBE)
    desk.until(lambda: len(desk.calls("update")) == 1, within=5)
    desk.go_on(200)

    assert desk.seconds() - before < 210
    assert len(desk.calls("update")) == 1
    assert desk.latest(recording_id).update_version == 1


def test_two_updates_in_a_row_are_one_call(desk: Desk) -> None:
    """The second is merged into the first before that was sent."""
    recording_id = desk.record(request=PUBLIC)
    desk.until_recording(recording_id)

    desk.recorder.update(recording_id, SUBSCRIBE)
    video = {"streamSubscribe": {"videoUidList": {"subscribeVideoUids": ["8"]}}}
    desk.recorder.update(recording_id, video)
    desk.go_on(30)

    assert len(desk.calls("update")) == 1
    told = desk.find(recording_id).update
    assert told is not None
    assert set(told["streamSubscribe"]) == {"audioUidList", "videoUidList"}


def test_an_update_during_a_query_is_sent_after_it(desk: Desk, agora: Simulator) -> None:
    """The answer under way does not lose it."""
    recording_id = desk.record(request=PUBLIC)
    desk.until_recording(recording_id)
    desk.recorder.hasten(recording_id, Step.QUERY)
    (one,) = desk.recorder.sweep()

    with in_flight(desk, agora, one, Step.QUERY, one.claim):
        desk.recorder.update(recording_id, SUBSCRIBE)
    desk.go_on(5)

    assert len(desk.calls("update")) == 1


def test_an_update_during_an_update_is_sent_too(desk: Desk, agora: Simulator) -> None:
    """The version that was sent is not the last one that was asked."""
    recording_id = desk.record(request=PUBLIC)
    desk.until_recording(recording_id)
    desk.recorder.update(recording_id, SUBSCRIBE)
    (one,) = desk.recorder.sweep()

    with in_flight(desk, agora, one, Step.UPDATE, one.claim):
        desk.recorder.update(recording_id, SUBSCRIBE)
    desk.go_on(5)

    assert len(desk.calls("update")) == 2
    assert desk.latest(recording_id).update_version == 2


def test_an_update_that_cannot_be_told_hides_no_early_end(desk: Desk, agora: Simulator) -> None:
    """No update gets through for half an hour: the session is looked after all the same."""
    recording_id = desk.record(duration=3600)
    desk.until_recording(recording_id)
    agora.fault("update", "refuse", times=None, code=62, lasts=1800)
    desk.recorder.update(recording_id, SUBSCRIBE)
    desk.go_on(60)
    agora.disturb("abnormal_exit")

    desk.until(lambda: len(desk.sessions(recording_id)) == 2, within=240)
    desk.until_final(recording_id)

    assert desk.latest(recording_id).update_version == 1
    assert len(desk.calls("update")) < 150


def test_a_session_that_takes_over_hears_every_update(desk: Desk, agora: Simulator) -> None:
    """Subscription and layout are told to the second session as well."""
    recording_id = desk.record(request=PUBLIC)
    desk.until_recording(recording_id)
    desk.recorder.update(recording_id, SUBSCRIBE)
    desk.recorder.update_layout(recording_id, LAYOUT)
    desk.go_on(10)

    agora.disturb("kick")
    desk.until(lambda: desk.latest(recording_id).number == 2, within=600)
    desk.until(lambda: desk.latest(recording_id).layout_version == 1, within=60)

    assert len(desk.calls("update")) == 2
    assert len(desk.calls("updateLayout")) == 2
    assert desk.latest(recording_id).update_version == 1


@pytest.mark.parametrize("request_", [None, [], {}, {"unknown": 1}, {"streamSubscribe": 7}])
def test_a_bad_update_is_refused(desk: Desk, request_: Any) -> None:
    """And the recording goes on as before."""
    recording_id = desk.record(request=PUBLIC)

    with pytest.raises(InvalidInputError):
        desk.recorder.update(recording_id, request_)

    assert desk.find(recording_id).update_version == 0


def test_a_layout_is_for_mixed_recordings_only(desk: Desk) -> None:
    """All its faults are told together."""
    individual = {"recordingConfig": {"channelType": 1, "subscribeUidGroup": 0}}
    recording_id = desk.record(mode="individual", request=individual)

    with pytest.raises(InvalidInputError) as caught:
        desk.recorder.update_layout(recording_id, {"mixedVideoLayout": 77})

    assert len(caught.value.faults) == 2


def test_what_is_over_takes_no_update(desk: Desk) -> None:
    """Nobody would hear it."""
    recording_id = desk.record()
    desk.until_final(recording_id)

    with pytest.raises(WrongStateError):
        desk.recorder.update(recording_id, SUBSCRIBE)
    with pytest.raises(WrongStateError):
        desk.recorder.extend(recording_id, {"stop_at": at(9000)})
    assert desk.latest(recording_id).state is SessionState.STOPPED


@pytest.mark.parametrize("word", ["stop_now", "cancel"])
def test_a_stop_that_is_handed_over_again_does_not_undo_what_came_after_it(
    desk: Desk, word: str
) -> None:
    """Its worker died after it was written; meanwhile the caller had thought better of it."""
    recording_id, _ = claim_start(desk)
    take(desk, recording_id, Step.START)  # its start is under way, so it can still be extended
    getattr(desk.recorder, word)(recording_id, asked_by="first")
    desk.recorder.extend(recording_id, {"stop_at": at(2000)}, asked_by="second")
    again = {"is_again": True} if word == "stop_now" else {}

    getattr(desk.recorder, word)(recording_id, asked_by="first", **again)

    assert desk.find(recording_id).stop_at == NINE + timedelta(seconds=2000)
    assert not desk.find(recording_id).is_called_off


def test_an_edit_that_is_handed_over_again_does_not_undo_what_came_after_it(desk: Desk) -> None:
    """The last word wins, not the last delivery."""
    recording_id = desk.record(request=PUBLIC)
    desk.until_recording(recording_id)
    video = {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["8"]}}}
    recorder = desk.recorder
    recorder.extend(recording_id, {"stop_at": at(3000)}, asked_by="one")
    recorder.extend(recording_id, {"stop_at": at(900)}, asked_by="two")
    recorder.update(recording_id, SUBSCRIBE, asked_by="three")
    recorder.update(recording_id, video, asked_by="four")

    recorder.extend(recording_id, {"stop_at": at(3000)}, asked_by="one")
    recorder.update(recording_id, SUBSCRIBE, asked_by="three")

    recording = desk.find(recording_id)
    assert recording.stop_at == NINE + timedelta(seconds=900)
    assert (recording.update, recording.update_version) == (video, 2)
    desk.until_final(recording_id)
    recorder.extend(recording_id, {"stop_at": at(900)}, asked_by="two")  # known, so no error


def test_the_id_of_a_message_may_be_any_text(desk: Desk) -> None:
    """One that no database can store is not remembered, and the word counts."""
    recording_id = desk.record()

    desk.recorder.extend(recording_id, {"stop_at": at(3000)}, asked_by="a\0b")

    assert desk.find(recording_id).stop_at == NINE + timedelta(seconds=3000)
