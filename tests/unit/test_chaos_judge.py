"""What a chaos run is held to: its judge sees what is left running, and what has an excuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from chaos.callers import Asked
from chaos.judge import Verdict, judge
from chaos.network import Carried
from chaos.parts import Incident
from chaos.plan import Kind, Plan, Wish, make_plan
from chaos.run import Evidence

from recording_tasks.lifecycle import Rules, first_session
from recording_tasks.models import (
    Mode,
    OnEarlyExit,
    Recording,
    RecordingState,
)

BEGAN = 1_800_000_000.0
START, STOP = BEGAN + 10, BEGAN + 20
SID = "5" * 32
WISH = Wish(
    channel="room",
    asked_at=5,
    start_at=10,
    stop_at=20,
    is_twice=False,
    is_refused=False,
    users_until=26,
)


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _recording() -> Recording:
    return Recording(
        id="r",
        key="k",
        app="default",
        channel="room",
        mode=Mode.MIX,
        uid=None,
        start_at=_instant(START),
        stop_at=_instant(STOP),
        storage="default",
        request={},
        on_early_exit=OnEarlyExit.RESTART,
        notify={},
        labels={},
        state=RecordingState.STOPPED,
        reason="stopped on time",
        created_at=_instant(BEGAN + 5),
        session_count=1,
    )


def _session(**changes: Any) -> dict[str, Any]:
    session = {
        "cname": "room",
        "uid": "7",
        "sid": SID,
        "started_at": 0.0,
        "started_unix": START,
        "ended_unix": STOP,
        "end_cause": "stopped",
        "events": [],
    }
    return session | changes


def _start(**changes: Any) -> Carried:
    values: dict[str, Any] = {
        "at": START,
        "method": "start",
        "path": "/start",
        "cname": "room",
        "port": 1,
        "ended_at": START + 0.1,
        "status": 200,
        "sid": SID,
        "was_delivered": True,
    }
    return Carried(**(values | changes))


def _judged(
    session: Mapping[str, Any],
    carried: list[Carried],
    incidents: list[Incident] | None = None,
    **changes: Any,
) -> Verdict:
    recording = _recording()
    evidence = Evidence(
        plan=Plan(seed=1, seconds=30, wishes=(WISH,)),
        began=BEGAN,
        ended=BEGAN + 60,
        report={"refused_by_quota": 0, "queries_beside_stop": 0, "overlapping_channels": []},
        sessions=[dict(session)],
        calls=[],
        carried=carried,
        incidents=incidents or [],
        asked=[Asked(wish=WISH, recording_id="r", accepted_at=BEGAN + 5)],
        recordings=[recording],
        own_sessions={"r": [first_session(recording, "r-1", "7", Rules())]},
        timelines={"r": []},
        slowness=1.0,
        rested_after=5.0,
    )
    return judge(replace(evidence, **changes))


def test_a_recording_that_went_its_way_is_no_fault() -> None:
    """Started at its instant, stopped at its instant."""
    assert _judged(_session(), [_start()]).faults == []


IDLE = _session(end_cause="idle", ended_unix=STOP + 11)
DIED = Incident(kind=Kind.WORKER_KILLED, at=START + 3, back_at=START + 6)
AWAY = Incident(kind=Kind.DATABASE_KILLED, at=START, back_at=START + 2)


@pytest.mark.parametrize(
    "carried",
    [
        _start(),
        _start(is_followed=True, left_at=START + 0.3),
        _start(left_at=START + 9),
    ],
    ids=["kept its connection", "used it again", "left it much later"],
)
def test_a_session_that_was_heard_of_and_never_stopped_is_left_running(carried: Carried) -> None:
    """A worker had its sid, and nobody ever sent a stop."""
    assert len(_judged(IDLE, [carried]).left_running) == 1
    assert len(_judged(IDLE, [carried], [DIED]).left_running) == 1  # long after it was written


@pytest.mark.parametrize(
    ("carried", "incidents"),
    [
        (_start(was_delivered=False), []),
        (_start(left_at=START + 0.2), []),
        (_start(), [replace(DIED, at=START + 0.2)]),
        (_start(), [AWAY, DIED]),
    ],
    ids=["not delivered", "hung up", "died at once", "died before it could write"],
)
def test_one_that_no_living_worker_could_write_down_must_be_on_the_books(
    carried: Carried, incidents: list[Incident]
) -> None:
    """It is no fault where our books call it unaccounted, and one where they do not."""
    (said,) = _judged(IDLE, [carried], incidents).left_running

    assert said.endswith("not on our books as unaccounted")


def test_a_stop_that_came_late_is_too_late_and_not_missing() -> None:
    """The channel was empty before it: it ran on for all to see, and nobody had forgotten it."""
    stop = _start(method="stop", path=f"/sid/{SID}/stop", sid=None, at=STOP + 15)

    verdict = _judged(IDLE, [_start(), stop])

    assert verdict.left_running == []
    assert verdict.overrun == {"room": 11.0}


def test_seconds_are_the_longer_the_slower_the_machine_is() -> None:
    """Four seconds late is too much on an idle machine, and not on one that is half as fast."""
    late = _session(ended_unix=STOP + 4)

    assert _judged(late, [_start()]).overrun == {"room": 4.0}
    assert _judged(late, [_start()], slowness=2.0).faults == []


def test_what_was_accepted_and_is_nowhere_is_lost() -> None:
    """Whatever the machine, and whatever failed."""
    verdict = _judged(_session(), [_start()], recordings=[], own_sessions={}, slowness=9.0)

    assert verdict.lost == ["room: accepted, and not to be found"]


def test_a_step_that_stays_overdue_for_long_after_a_return_is_too_late() -> None:
    """Nothing else was away, something was overdue, and the first call came six seconds later."""
    back = Incident(kind=Kind.BROKER_KILLED, at=START - 9, back_at=START - 6, overdue=1)

    verdict = _judged(_session(), [_start()], [back])

    assert verdict.faults == ["too late: 6.0 s after: broker killed"]
    assert _judged(_session(), [_start()], [replace(back, overdue=0)]).faults == []


def test_a_plan_of_lone_outages_strikes_each_part_of_ours_in_turn() -> None:
    """One is long over when the next begins, and nothing else goes wrong."""
    plan = make_plan(3, 400, 50, alone=True)

    kinds = [one.kind for one in plan.strikes]
    gaps = [after.at - (one.at + one.seconds) for one, after in pairwise(plan.strikes)]
    assert len(kinds) >= 24
    assert set(kinds[:12]) == set(kinds[12:24])
    assert not any(kind.value.startswith("network") for kind in kinds)
    assert min(gaps) > 4
    assert not plan.disturbances
    assert [one.rule["cname"] for one in plan.answers] == ["bad-*"]
