"""As many sessions at once as Agora grants: who is one too many waits in order, and says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from desk import NINE, Desk

from recording_tasks.models import RecordingState, SessionState
from recording_tasks.simulator import Simulator

MINUTE = 60


def begins_at(desk: Desk, minute: float, channel: str, **arguments: object) -> str:
    """Ask for a recording from a minute past nine on."""
    start_at = (NINE + timedelta(minutes=minute)).isoformat()
    return desk.record(channel=channel, start_at=start_at, **arguments)


def started_after(desk: Desk, recording_id: str) -> float:
    """Tell how many seconds after nine a recording's session was started."""
    at = desk.latest(recording_id).started_at
    assert at is not None
    return (at - NINE).total_seconds()


@pytest.fixture(params=["10", "0"], ids=["with a quota", "without a quota"])
def crowded(request: pytest.FixtureRequest, make_desk: Callable[..., Desk]) -> Desk:
    """A desk that may have two sessions at once."""
    return make_desk(RECORDING_MAX_SESSIONS="2", RECORDING_API_RATE=request.param)


def test_what_is_one_too_many_goes_on_when_a_session_ends(crowded: Desk, agora: Simulator) -> None:
    """Nothing is asked of Agora before, it is said once, and the start says how late it is."""
    agora.configure(pcw=2)
    first = begins_at(crowded, 1, "first", duration=2 * MINUTE)
    begins_at(crowded, 1, "second", duration=20 * MINUTE)
    third = begins_at(crowded, 1.1, "third", duration=10 * MINUTE)

    crowded.until_final(first)
    crowded.until_recording(third)

    assert 186 <= started_after(crowded, third) <= 190
    assert crowded.events(third).count("session.waiting") == 1
    assert "session.acquire_refused" not in crowded.events(third)
    (line,) = [one for one in crowded.store.timeline_of(third) if one.event == "session.started"]
    assert line.facts["late_seconds"] >= 114
    assert crowded.find(third).reason is None
    assert crowded.latest(third).reason is None


def test_those_who_wait_go_in_the_order_of_their_starts(crowded: Desk) -> None:
    """Not in the order in which they were asked for."""
    for name in ("first", "second"):
        begins_at(crowded, 1, name, duration=4 * MINUTE)
    later = begins_at(crowded, 3, "later", duration=10 * MINUTE)
    sooner = begins_at(crowded, 2, "sooner", duration=5 * MINUTE)
    last = begins_at(crowded, 4, "last", duration=10 * MINUTE)

    crowded.until_recording(last)

    starts = [started_after(crowded, one) for one in (sooner, later, last)]
    assert starts == sorted(starts)
    assert starts[1] <= 5 * MINUTE + 10  # two ended, so two went on
    assert 7 * MINUTE <= starts[2] <= 7 * MINUTE + 10


def test_hundreds_that_wait_say_so_a_few_at_a_time(make_desk: Callable[..., Desk]) -> None:
    """One write must not hold them all; each says it once."""
    desk = make_desk(RECORDING_MAX_SESSIONS="2")
    orders = [{"channel": f"room-{n}", "duration": 30 * MINUTE} for n in range(120)]
    ids = [desk.recorder.record(one, at_once=False).recording_id for one in orders]

    said: list[int] = []
    for _ in range(4):
        desk.beat()
        said.append(sum(desk.events(one).count("session.waiting") for one in ids))

    assert max(b - a for a, b in pairwise([0, *said])) <= 50
    assert said[-1] == 118


def test_who_waits_for_too_long_is_missed_and_its_reason_tells_why(crowded: Desk) -> None:
    """`start_within` bounds this wait as any other."""
    for name in ("first", "second"):
        begins_at(crowded, 1, name, duration=10 * MINUTE)
    late = begins_at(crowded, 2, "late", duration=10 * MINUTE, start_within=30)

    recording = crowded.until_final(late)

    assert recording.state is RecordingState.MISSED
    assert "no more than 2 may run at once" in str(recording.reason)
    assert not [call for call in crowded.calls("acquire") if call["cname"] == "late"]


def test_what_is_asked_for_now_does_not_overtake(crowded: Desk) -> None:
    """There is room again, and somebody who was to begin before waits for it."""
    ids = [crowded.record(channel=f"room-{n}", duration=10 * MINUTE) for n in range(3)]
    crowded.go_on(20)
    crowded.stop(ids[0])

    new = crowded.record(channel="new", duration=10 * MINUTE)
    crowded.until_recording(ids[2])
    crowded.go_on(30)

    assert crowded.latest(ids[2]).state is SessionState.RECORDING
    assert crowded.latest(new).state is SessionState.PLANNED
    assert "session.waiting" in crowded.events(new)


def test_a_resource_that_grew_too_old_keeps_its_room(make_desk: Callable[..., Desk]) -> None:
    """The only session that may run does not wait for its own end."""
    desk = make_desk(RECORDING_MAX_SESSIONS="1", RECORDING_RESOURCE_SECONDS="20")
    accepted = desk.recorder.record({"channel": "lesson", "duration": 600})
    (one,) = accepted.dispatches
    assert desk.recorder.run(one.recording_id, one.step, one.claim)
    desk.clock.sleep(60)  # nobody took the start

    desk.until_recording(accepted.recording_id)

    assert len(desk.calls("acquire")) == 2


def test_starts_that_nobody_heard_of_hold_no_room_for_hours(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Start was away for ten minutes and nothing runs: the rest of the hour is recorded."""
    desk = make_desk(RECORDING_MAX_SESSIONS="2")
    agora.fault("start", "refuse", times=None, code=62, lasts=10 * MINUTE)
    recording_id = desk.record(duration=60 * MINUTE)

    desk.until(
        lambda: desk.find(recording_id).state is RecordingState.RECORDING, within=15 * MINUTE
    )

    states = [session.state for session in desk.sessions(recording_id)]
    assert states.count(SessionState.UNACCOUNTED) > 2


def test_without_a_bound_nobody_waits(desk: Desk) -> None:
    """Agora alone says then how many are too many."""
    ids = [desk.record(channel=f"room-{n}", duration=600) for n in range(5)]

    desk.go_on(30)

    assert {desk.latest(one).state for one in ids} == {SessionState.RECORDING}
