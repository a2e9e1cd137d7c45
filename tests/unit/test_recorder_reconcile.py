"""What reconcile finds: sessions that came back, recordings that nobody attends to, strays."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from desk import Desk

from recording_tasks.models import RecordingState, SessionState
from recording_tasks.recorder.reconciling import Reconciled
from recording_tasks.simulator import Simulator
from recording_tasks.store import schema

NOTHING = Reconciled(rechecked=0, resumed=0, stopped=0, unheard=0)


def test_a_session_that_comes_back_after_it_was_given_up_is_stopped(
    desk: Desk, agora: Simulator
) -> None:
    """404 for three minutes: another session took over, and the first one runs again."""
    recording_id = desk.record(duration=1800)
    desk.until_recording(recording_id)
    agora.disturb("failover", seconds=240)
    desk.until(lambda: len(desk.sessions(recording_id)) == 2)
    assert desk.sessions(recording_id)[0].state is SessionState.ENDED
    desk.go_on(400)
    assert desk.running() == 2

    found = desk.recorder.reconcile()
    desk.go_on(30)

    assert found.rechecked == 1
    assert desk.running() == 1
    first, second = desk.sessions(recording_id)
    assert (first.state, second.state) == (SessionState.STOPPED, SessionState.RECORDING)
    assert desk.find(recording_id).state is RecordingState.RECORDING
    assert desk.recorder.reconcile() == NOTHING


def test_a_session_that_is_gone_is_stopped_once_more_and_no_more(
    desk: Desk, agora: Simulator
) -> None:
    """It had ended indeed: one further call, and its recording is left alone."""
    recording_id = desk.record(duration=1800)
    desk.until_recording(recording_id)
    agora.disturb("abnormal_exit")
    desk.until(lambda: len(desk.sessions(recording_id)) == 2)
    desk.go_on(400)
    first = desk.sessions(recording_id)[0]

    desk.recorder.reconcile()
    desk.go_on(600)
    desk.recorder.reconcile()
    desk.go_on(60)

    assert [call["sid"] for call in desk.calls("stop")] == [first.sid]
    assert desk.sessions(recording_id)[0].state is SessionState.ENDED
    assert len(desk.sessions(recording_id)) == 2


@pytest.mark.parametrize("lasts", [2, 600])
def test_a_recheck_without_an_answer_is_repeated(
    desk: Desk, agora: Simulator, lasts: float
) -> None:
    """Silence says nothing of whether it runs, however long it is."""
    recording_id = desk.record(duration=1800)
    desk.until_recording(recording_id)
    agora.disturb("failover", seconds=240)
    desk.until(lambda: len(desk.sessions(recording_id)) == 2)
    desk.go_on(400)

    agora.fault("stop", "refuse", status=503, times=None, lasts=lasts)
    desk.recorder.reconcile()
    desk.go_on(lasts + 360)

    assert desk.running() == 1


def test_a_recording_that_nothing_attends_to_goes_on(desk: Desk) -> None:
    """Its session was ended by hand in the database: another one records the rest."""
    recording_id = desk.record(duration=1800)
    desk.until_recording(recording_id)
    _write(
        desk,
        sa.update(schema.sessions).values(state="ended", step="rest", is_open=False, reason="gone"),
    )

    found = desk.recorder.reconcile()
    desk.go_on(30)

    assert found.resumed == 1
    assert len(desk.sessions(recording_id)) == 2
    assert desk.latest(recording_id).state is SessionState.RECORDING
    assert "recording.resumed" in desk.events(recording_id)


@pytest.mark.parametrize("stop_at", [None, "later"])
def test_a_session_of_a_recording_that_is_over_is_stopped(desk: Desk, stop_at: str | None) -> None:
    """Nobody wants it any more, and nobody was to stop it."""
    recording_id = desk.record(duration=1800)
    desk.until_recording(recording_id)
    over = {"state": "stopped", "reason": "by hand", "finished_at": desk.clock.now}
    _write(desk, sa.update(schema.recordings).values(over))
    if stop_at is None:
        _write(desk, sa.update(schema.sessions).values(stop_at=None))

    found = desk.recorder.reconcile()
    desk.go_on(10)

    assert found.stopped == 1
    assert desk.running() == 0
    assert desk.find(recording_id).reason == "by hand"


def test_sound_tables_are_left_alone(desk: Desk) -> None:
    """One to come, one that records, one that is over: nothing is found, nothing is written."""
    desk.record(channel="over", duration=5)
    desk.go_on(30)
    desk.record(channel="runs", duration=1800)
    desk.record(channel="comes", start_at="2026-11-22T09:00:00+00:00")
    desk.go_on(30)

    assert desk.recorder.reconcile() == NOTHING


def test_long_silence_is_counted(desk: Desk) -> None:
    """A quota that leaves no room for queries is seen by who watches the log."""
    recording_id = desk.record(duration=7200)
    desk.until_recording(recording_id)

    desk.clock.sleep(600)

    assert desk.recorder.reconcile().unheard == 1


def _write(desk: Desk, statement: sa.Update) -> None:
    with desk.store.database.begin() as connection:
        connection.execute(statement)


def test_a_row_that_cannot_be_read_holds_up_no_other(
    desk: Desk, agora: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A newer version beside us wrote the first; the second one is looked at all the same."""
    ids = [desk.record(channel=name, duration=1800) for name in ("newer", "ours")]
    for recording_id in ids:
        desk.until_recording(recording_id)
    agora.disturb("abnormal_exit")
    desk.until(lambda: all(len(desk.sessions(one)) == 2 for one in ids))
    desk.go_on(400)
    with desk.store.database.begin() as connection:
        change = sa.update(schema.sessions).where(schema.sessions.c.id == f"{ids[0]}-1")
        connection.execute(change.values(upload_status="from the future"))

    found = desk.recorder.reconcile()

    assert found.rechecked == 1
    assert "'from the future' is not a valid UploadStatus" in caplog.text
