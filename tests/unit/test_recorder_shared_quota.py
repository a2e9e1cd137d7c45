"""Somebody else eats half of the quota while we record: nothing is lost, and little refused."""

from __future__ import annotations

from datetime import timedelta

from desk import NINE, Desk
from shared_quota import StrictWindow, evenly

from recording_tasks.models import RecordingState
from recording_tasks.recorder import Dispatch
from recording_tasks.simulator import Simulator

MINUTE = 60.0


class SharedGateway:
    """Agora's strict count before a desk's calls, with another client's calls in between."""

    def __init__(self, desk: Desk, agora: Simulator, others: list[float]) -> None:
        self._desk, self._agora = desk, agora
        self._window, self._others = StrictWindow(), others
        self.refused: list[float] = []
        self.let_through: list[float] = []
        desk.before, desk.after = self.open, self.close

    def open(self, one: Dispatch) -> None:
        """Have the next call refused when it is one too many."""
        now = self._desk.seconds()
        while self._others and self._others[0] <= now:
            self._window.admit(self._others.pop(0))
        self._seen = self._agora.report()["call_count"]
        if self._window.is_full(now):
            self._agora.fault("*", "refuse", status=429)

    def close(self) -> None:
        """Count the call, if there was one."""
        now = self._desk.seconds()
        self._agora.clear_faults()
        if self._agora.report()["call_count"] == self._seen:
            return
        is_refused = not self._window.admit(now)
        (self.refused if is_refused else self.let_through).append(now)


def test_no_recording_is_lost_and_few_calls_are_refused(desk: Desk, agora: Simulator) -> None:
    """Eight herds, one a minute; after the first, less than 2 % of the calls are refused."""
    agora.configure(pcw=500)
    gateway = SharedGateway(desk, agora, list(evenly(5, 0, 900)))
    ids = [
        desk.record(
            channel=f"lesson-{minute}-{number}",
            start_at=(NINE + timedelta(minutes=1 + minute)).isoformat(),
            duration=150,
        )
        for minute in range(8)
        for number in range(12)
    ]

    desk.until(lambda: all(desk.find(one).state.is_final for one in ids))

    done = [desk.find(one) for one in ids]
    assert {one.state for one in done} == {RecordingState.STOPPED}
    assert all(one.has_recorded for one in done)
    assert desk.running() == 0
    steady = [at for at in gateway.refused if at > 2 * MINUTE]
    through = [at for at in gateway.let_through if at > 2 * MINUTE]
    assert len(through) > 400
    assert len(steady) < 0.02 * (len(steady) + len(through))
    lates = [
        session.started_at - session.start_at
        for one in ids
        for session in desk.sessions(one)
        if session.started_at is not None
    ]
    assert len(lates) == len(ids)
    assert max(lates[24:]) < timedelta(seconds=10)


def test_after_an_outage_the_stops_go_first(desk: Desk, agora: Simulator) -> None:
    """Nothing could be claimed for three minutes; starts that are due wait for the stops."""
    agora.configure(pcw=500)
    for number in range(15):
        desk.record(channel=f"ends-{number}", duration=300)
        start_at = (NINE + timedelta(seconds=300)).isoformat()
        desk.record(channel=f"begins-{number}", start_at=start_at, duration=3000)
    desk.go_on(240)

    before = len(desk.calls())
    desk.clock.sleep(180)
    desk.until(lambda: len(desk.calls("start")) == 30)

    methods = [call["method"] for call in desk.calls()[before:]]
    assert methods[:15] == ["stop"] * 15
    assert methods.count("start") == 15
