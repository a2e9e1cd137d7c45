"""How often running sessions are asked about: as the settings say, or as the quota allows."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from desk import NINE, Desk

from recording_tasks.models import RecordingState, SessionState
from recording_tasks.recorder.load import load_of
from recording_tasks.simulator import Simulator

COUNT = 20
FAR = NINE + timedelta(days=1)


def gaps_of(desk: Desk) -> list[float]:
    """Tell how far apart the polls of each session were; its first query is none."""
    asked: dict[str, list[float]] = defaultdict(list)
    for call in desk.calls("query"):
        asked[call["sid"]].append(call["simulated_at"])
    return [b - a for times in asked.values() for a, b in pairwise(times[1:])]


def test_few_are_asked_about_as_often_as_was_said(make_desk: Callable[..., Desk]) -> None:
    """Three sessions, every two minutes."""
    desk = make_desk()
    for number in range(3):
        desk.record(channel=f"room-{number}", duration=1200)

    desk.go_on(900)

    assert gaps_of(desk)
    assert all(119 <= gap <= 122 for gap in gaps_of(desk))
    assert desk.recorder.reconcile().stretched == ()


def test_many_are_asked_about_as_often_as_the_quota_allows_and_it_is_said(
    make_desk: Callable[..., Desk], caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty, of which one can be asked about every ten seconds: each every 212."""
    caplog.set_level(logging.WARNING)
    desk = make_desk(RECORDING_QUERY_SHARE="0.01")
    ids = [desk.record(channel=f"room-{number}", duration=3000) for number in range(COUNT)]

    desk.go_on(1500)

    load = load_of(desk.store, desk.settings, "default")
    assert (load.live, load.is_stretched) == (COUNT, True)
    assert load.every.total_seconds() == pytest.approx(212)
    late = [gap for gap in gaps_of(desk)[COUNT:] if not 195 <= gap <= 240]
    assert gaps_of(desk)[COUNT:]
    assert late == []
    found = desk.recorder.reconcile()
    assert found.stretched == (load,)
    assert found.figures()["stretched"] == {
        "default": {"live": 20, "every_seconds": 212, "most_seconds": 120}
    }
    assert "queries.stretched app=default live=20 every_seconds=212 most_seconds=120" in caplog.text
    assert {desk.latest(one).state for one in ids} == {SessionState.RECORDING}


def test_what_is_asked_for_now_leaves_what_is_overdue_its_slots(
    desk: Desk, agora: Simulator
) -> None:
    """A herd is being started: a storm of new recordings comes after it, and not in between."""
    agora.configure(pcw=500)
    start_at = (NINE + timedelta(seconds=60)).isoformat()
    herd = [
        desk.record(channel=f"room-{n}", start_at=start_at, duration=600) for n in range(3 * COUNT)
    ]
    desk.go_on(62)

    accepted = [desk.recorder.record({"channel": f"now-{n}", "duration": 600}) for n in range(10)]
    ids = [one.recording_id for one in accepted]
    desk.until(lambda: all(desk.find(one).state is RecordingState.RECORDING for one in ids))

    assert [dispatch for one in accepted for dispatch in one.dispatches] == []
    lates = [(desk.latest(one).started_at or FAR) - desk.latest(one).start_at for one in herd]
    assert max(lates) < timedelta(seconds=1.05 * len(herd) / 10 + 0.25)


def test_what_was_just_started_is_confirmed_at_once_however_many_run(
    make_desk: Callable[..., Desk],
) -> None:
    """The first query, five seconds after the start, does not wait behind the polls."""
    desk = make_desk(RECORDING_QUERY_SHARE="0.01")
    for number in range(COUNT):
        desk.record(channel=f"room-{number}", duration=3000)
    desk.go_on(600)

    new = desk.record(channel="new", duration=300)
    desk.until_recording(new)

    session = desk.latest(new)
    assert session.started_at is not None
    assert session.confirmed_at is not None
    assert (session.confirmed_at - session.started_at).total_seconds() < 7
