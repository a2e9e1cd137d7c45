"""Recordings that outlive their sessions: another session takes over before the first one ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from desk import Desk

from recording_tasks.models import RecordingState, SessionState
from recording_tasks.simulator import Simulator

HOUR = 3600
ONE_HOUR = {"acquire": {"resourceExpiredHour": 1}}  # nobody could stop a session after an hour


def _lives(desk: Desk) -> list[tuple[float, float]]:
    """When each session began and ended at Agora, in seconds after nine."""
    begin = desk.simulator.now() - desk.seconds()
    sessions = desk.simulator.sessions("lesson")
    return sorted((one["started_at"] - begin, one["ended_at"] - begin) for one in sessions)


def test_sessions_of_an_hour_record_three_hours_without_a_gap(desk: Desk) -> None:
    """Each begins minutes before the one before it must end, with a uid of its own."""
    recording_id = desk.record(duration=3 * HOUR, request=ONE_HOUR)

    recording = desk.until_final(recording_id, within=4 * HOUR)

    assert (recording.state, recording.reason) == (RecordingState.STOPPED, "stopped on time")
    lives = _lives(desk)
    assert len(lives) == 4
    assert lives[0][0] < 5
    assert lives[-1][1] == pytest.approx(3 * HOUR, abs=2)
    for (_, end), (begin, _) in pairwise(lives):
        assert 200 < end - begin < 300
    assert all(end - begin < HOUR for begin, end in lives)
    assert len({session.uid for session in desk.sessions(recording_id)}) == 4
    assert desk.running() == 0


def test_a_token_that_ends_is_relieved_by_another_one(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Agora cannot renew a token: another session with another one takes over before."""
    certificate = "CA11ab1eCA11ab1eCA11ab1eCA11ab1e"
    agora.configure(app_certificate=certificate)
    desk = make_desk(AGORA_APP_CERTIFICATE=certificate, RECORDING_TOKEN_SECONDS="1800")
    desk.keep_agoras_time()
    recording_id = desk.record(duration=HOUR)

    recording = desk.until_final(recording_id, within=2 * HOUR)

    assert recording.reason == "stopped on time"
    lives = _lives(desk)
    assert len(lives) == 3
    for (_, end), (begin, _) in pairwise(lives):
        assert 200 < end - begin < 300
    assert {one["end_cause"] for one in agora.sessions("lesson")} == {"stopped"}


def test_one_that_ends_with_its_session_is_not_relieved(desk: Desk) -> None:
    """It stops before its session must: nothing else is begun."""
    recording_id = desk.record(duration=HOUR - 120, request=ONE_HOUR)

    desk.until_final(recording_id, within=2 * HOUR)

    assert len(desk.sessions(recording_id)) == 1


def test_one_that_is_extended_is_relieved_in_time(desk: Desk) -> None:
    """Its stop moved beyond what its session lasts."""
    recording_id = desk.record(duration=1800, request=ONE_HOUR)
    desk.go_on(1200)

    desk.recorder.extend(recording_id, {"duration": 2 * HOUR})
    desk.until_final(recording_id, within=3 * HOUR)

    assert len(_lives(desk)) == 3
    assert _lives(desk)[-1][1] == pytest.approx(2 * HOUR, abs=2)


@pytest.mark.parametrize("word", ["stop", "cancel", "extend"])
def test_an_end_in_the_overlap_stops_both(desk: Desk, word: str) -> None:
    """While two sessions record, whoever ends the recording ends both."""
    recording_id = desk.record(duration=2 * HOUR, request=ONE_HOUR)
    desk.until(lambda: desk.running() == 2, within=HOUR)
    desk.go_on(20)

    end: dict[str, Any] = {"duration": desk.seconds() + 15}
    match word:
        case "stop":
            desk.stop(recording_id)
        case "cancel":
            desk.recorder.cancel(recording_id)
        case _:
            desk.recorder.extend(recording_id, end)
    desk.go_on(25)

    assert desk.running() == 0
    assert desk.find(recording_id).state is RecordingState.STOPPED
    assert all(session.state.is_final for session in desk.sessions(recording_id))


def test_a_relief_that_cannot_begin_leaves_the_first_one_recording(
    desk: Desk, agora: Simulator
) -> None:
    """Agora is away when the second one is due: the first one goes on, the second comes later."""
    recording_id = desk.record(duration=2 * HOUR, request=ONE_HOUR)
    desk.go_on(HOUR - 320)

    agora.fault("acquire", "refuse", status=503, times=None, lasts=150)
    recording = desk.until_final(recording_id, within=2 * HOUR)

    assert recording.state is RecordingState.STOPPED
    lives = _lives(desk)
    assert lives[1][0] < lives[0][1]


def test_a_recording_that_is_relieved_is_shown_as_recording(desk: Desk) -> None:
    """One of its sessions records all the time."""
    recording_id = desk.record(duration=2 * HOUR, request=ONE_HOUR)
    desk.until_recording(recording_id)
    seen = set()

    def is_over() -> bool:
        seen.add(desk.find(recording_id).state)
        return RecordingState.STOPPED in seen

    desk.until(is_over, within=3 * HOUR)

    assert seen == {RecordingState.RECORDING, RecordingState.STOPPED}
    states = [session.state for session in desk.sessions(recording_id)]
    assert states == [SessionState.STOPPED] * 3
