"""What callers ask for while a recording waits, is called, runs or is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from lives import NINE, NO_ANSWER, Life, order, refusal, seconds

from recording_tasks.errors import Remedy, WrongStateError
from recording_tasks.lifecycle import called_off, extended, layout_asked, unclaimed, update_asked
from recording_tasks.models import (
    Acquired,
    Observed,
    RecordingState,
    SessionState,
    Started,
    Step,
    Stopped,
)

TEN = NINE + timedelta(hours=1)
ELEVEN = NINE + timedelta(hours=2)


def call_off(life: Life, event: str = "recording.stop_asked") -> None:
    life.apply(called_off(life.recording, life.session, event, life.moment()))


def extend(life: Life, stop_at: object) -> None:
    life.apply(extended(life.recording, life.session, stop_at, life.now))  # type: ignore[arg-type]


def test_a_recording_that_never_began_is_called_off_at_once() -> None:
    """Nothing is called; the recording is cancelled with a reason."""
    life = Life()

    call_off(life, "recording.cancel_asked")

    assert life.session.state is SessionState.FAILED
    assert life.recording.state is RecordingState.CANCELLED
    assert life.recording.reason == "called off before it recorded"


def test_a_running_recording_is_stopped_at_once() -> None:
    """The stop is due now, and what was recorded remains."""
    life = Life().run()

    call_off(life)
    life.call(Stopped(), expect=Step.STOP)

    assert life.recording.state is RecordingState.STOPPED
    assert life.recording.reason == "stopped on request"


def test_a_stop_during_a_start_waits_for_its_answer() -> None:
    """It may run already: its sid must be had first, and then it is stopped."""
    life = Life().acquire().until_due()
    taken = life.sending(Step.START)

    call_off(life)

    assert life.session.epoch == taken.epoch
    assert life.session.state is SessionState.ACQUIRED
    assert life.recording.state is not RecordingState.CANCELLED
    life.call(Started(sid="sid"), expect=Step.START)
    assert life.step() is Step.STOP


def test_a_stop_during_an_acquire_never_starts() -> None:
    """The resource comes too late, and lapses."""
    life = Life().until_due()
    life.sending(Step.ACQUIRE)

    call_off(life)
    life.put(claimed=None, is_sending=False)
    life.put(state=SessionState.ACQUIRED, step=Step.START, acquired_at=life.now)

    assert life.step() is Step.REST
    life.lapse()
    assert life.recording.state is RecordingState.CANCELLED


def test_a_claim_that_was_not_begun_is_void_after_a_stop() -> None:
    """The task finds its epoch gone."""
    life = Life().until_due()
    life.put(epoch=4, claimed=Step.ACQUIRE, slot_at=life.now, lease_until=life.now + seconds(3))

    call_off(life)

    assert life.session.claimed is None
    assert life.session.epoch > 4


def test_stopping_twice_changes_nothing_the_second_time() -> None:
    """A caller who hammers stop does not take the claimed stop away from its worker."""
    life = Life().run()
    call_off(life)
    life.put(epoch=9, claimed=Step.STOP, slot_at=life.now, lease_until=life.now + seconds(3))
    before = (life.recording, life.session, list(life.timeline))

    life.wait(1)
    call_off(life)

    assert (life.recording, life.session, life.timeline) == before


def test_stopping_what_is_over_changes_nothing() -> None:
    """Safe to repeat for ever."""
    life = Life().run()
    call_off(life)
    life.call(Stopped())
    before = life.recording

    life.wait(3600)
    call_off(life)

    assert life.recording == before


@pytest.mark.parametrize("stop_at", [NINE + timedelta(minutes=30), ELEVEN, None])
def test_the_stop_time_moves_while_it_runs(stop_at: object) -> None:
    """Later, earlier, or open: recording and session agree on it."""
    life = Life().run()

    extend(life, stop_at)

    assert life.recording.stop_at == stop_at
    assert life.session.stop_at == stop_at


def test_an_extension_takes_a_claimed_stop_back() -> None:
    """The stop was given to a worker but not begun: the last accepted word wins."""
    life = Life().run()
    life.now = TEN
    life.put(epoch=9, claimed=Step.STOP, slot_at=TEN, lease_until=TEN + seconds(3))

    extend(life, ELEVEN)

    assert life.session.epoch == 10
    assert life.session.claimed is None
    assert life.step() is Step.QUERY


def test_an_extension_is_refused_once_the_stop_is_under_way() -> None:
    """What was sent cannot be taken back."""
    life = Life().run()
    life.now = TEN
    life.sending(Step.STOP)

    with pytest.raises(WrongStateError):
        extend(life, ELEVEN)


def test_an_extension_is_refused_while_the_stop_is_repeated() -> None:
    """It may have been carried out."""
    life = Life().run()
    life.now = TEN
    life.call(NO_ANSWER, expect=Step.STOP)

    with pytest.raises(WrongStateError):
        extend(life, ELEVEN)


def test_an_extension_is_taken_while_a_dead_session_is_cleared_away() -> None:
    """That stop ends a session that never recorded; the recording goes on in the next one."""
    life = Life().acquire().start().wait(90)
    life.call(Observed(status=1), expect=Step.QUERY)

    extend(life, ELEVEN)
    life.call(Stopped(is_empty=True), expect=Step.STOP)

    assert life.session.number == 2
    assert life.session.stop_at == ELEVEN


def test_an_extension_after_a_stop_takes_the_stop_back() -> None:
    """Its end is then on time, not on request."""
    life = Life().run()
    call_off(life)

    extend(life, ELEVEN)
    life.now = ELEVEN
    life.call(Stopped(), expect=Step.STOP)

    assert life.recording.reason == "stopped on time"


@pytest.mark.parametrize("edit", [update_asked, layout_asked])
def test_an_update_is_told_at_once_while_it_runs(edit: object) -> None:
    """It interrupts the two minutes between queries."""
    life = Life().run()

    life.apply(edit(life.recording, life.session, {}, life.now))  # type: ignore[operator]

    assert life.session.step in {Step.UPDATE, Step.UPDATE_LAYOUT}
    assert life.session.due_at == life.now


def test_an_update_during_a_query_is_told_after_it() -> None:
    """The answer under way does not lose it."""
    life = Life().run().until_due()
    life.sending(Step.QUERY)

    life.apply(update_asked(life.recording, life.session, {"a": 1}, life.now))
    life.put(is_sending=False)
    life.call(Observed(status=5), expect=Step.QUERY)

    assert life.step() is Step.UPDATE


def test_an_update_before_the_start_is_told_after_it() -> None:
    """A session to come hears of it once it records."""
    life = Life()
    life.apply(update_asked(life.recording, life.session, {"a": 1}, life.now))

    life.run()

    assert life.step() is Step.UPDATE


@pytest.mark.parametrize("state", [RecordingState.STOPPING, RecordingState.STOPPED])
def test_an_update_of_what_is_over_is_refused(state: RecordingState) -> None:
    """Nobody would hear it."""
    life = Life(order(state=state))

    with pytest.raises(WrongStateError):
        update_asked(life.recording, life.session, {}, life.now)


def test_an_extension_of_what_is_over_is_refused() -> None:
    """It would need a new recording."""
    life = Life(order(state=RecordingState.MISSED))

    with pytest.raises(WrongStateError):
        extend(life, ELEVEN)


def test_a_call_under_way_keeps_its_epoch() -> None:
    """Its answer must still find its session."""
    session = Life().sending(Step.ACQUIRE)

    assert unclaimed(session) == session


def test_an_outage_fills_no_timeline() -> None:
    """The same refusal an hour long is one line; another one is another."""
    life = Life(order(stop_at=ELEVEN)).until_due()
    while life.now < TEN:
        life.call(refusal(Remedy.SAME_AGAIN), expect=Step.ACQUIRE)
        life.until_due()

    life.call(Acquired(resource_id="resource"))

    assert life.events == ["session.acquire_refused", "session.acquired"]
