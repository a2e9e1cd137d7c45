"""What a sweep finds, over SQLite and over PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from shelf import FAR, LATER, NINE, only, order, planned, put

from recording_tasks.models import (
    SessionState,
    Step,
)
from recording_tasks.store import Store, Work
from recording_tasks.store.schema import sessions

pytest_plugins = ("stores",)

LONG = timedelta(hours=1)


# -- what is due -------------------------------------------------------------------------


def due(store: Store, now: datetime = NINE, most: int = 100) -> list[str]:
    with store.writing() as writing:
        return sorted(session.id for session in writing.due("default", now, now, most))


def test_what_is_due_is_found_and_the_rest_is_left(store: Store) -> None:
    """Due, not claimed, not over, and of this app."""
    later, over = NINE + timedelta(seconds=1), SessionState.STOPPED
    put(store, "due")
    put(store, "leased-before", lease_until=NINE)
    put(store, "later", due_at=later)
    put(store, "claimed", lease_until=later)
    put(store, "over", state=over, step=Step.REST)
    put(store, "elsewhere", {"app": "school"}, app="school")

    assert due(store) == ["due-1", "leased-before-1"]


@pytest.mark.parametrize("column", ["state", "step", "mode"])
def test_a_row_that_cannot_be_read_holds_up_no_other(
    store: Store, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    """A newer version beside us wrote a word that we do not know; it is said once."""
    newer = f"newer{id(store)}"  # what was said of another one is not said of this one
    put(store, newer)
    put(store, "ours")
    with store.database.begin() as connection:
        change = sa.update(sessions).where(sessions.c.id == f"{newer}-1")
        connection.execute(change.values({column: f"from-the-future-{column}"}))

    found = [due(store), due(store)]

    assert found == [["ours-1"], ["ours-1"]]
    assert caplog.text.count(f"'from-the-future-{column}' is not a valid") == 1
    assert f"row.unreadable id={newer}-1" in caplog.text


def test_a_stop_is_due_whatever_else_the_session_waits_for(store: Store) -> None:
    """Its next query is two minutes off; its end is now."""
    running: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY, "due_at": FAR}
    put(store, "ends", stop_at=NINE, **running)
    put(store, "goes-on", stop_at=LATER, **running)
    put(store, "never-began", stop_at=NINE, due_at=FAR)

    assert due(store) == ["ends-1", "never-began-1"]


def test_of_the_starts_of_one_instant_the_oldest_resource_comes_first(store: Store) -> None:
    """In a herd of a thousand, what comes last by chance would be too old by then."""
    acquired: dict[str, Any] = {"state": SessionState.ACQUIRED, "step": Step.START}
    for n in (2, 0, 3, 1):
        put(store, f"r{n}", acquired_at=NINE - timedelta(seconds=60 - n), **acquired)

    with store.writing() as writing:
        found = writing.due("default", NINE, NINE, 3)

    assert [session.id for session in found] == ["r0-1", "r1-1", "r2-1"]


def test_what_waits_because_of_its_end_hides_no_stop(store: Store) -> None:
    """Hundreds of unsettled stops and unaccounted sessions leave room for a new stop."""
    for n in range(5):
        put(store, f"s{n}", state=SessionState.STOPPING, step=Step.STOP, due_at=FAR, stop_at=NINE)
        put(
            store, f"u{n}", state=SessionState.UNACCOUNTED, step=Step.REST, due_at=FAR, stop_at=NINE
        )
    running: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY, "due_at": FAR}
    put(store, "ends", stop_at=NINE, **running)

    assert due(store, most=3) == ["ends-1"]


def test_what_is_asked_for_once_more_hides_no_stop(store: Store) -> None:
    """Hundreds that were given up for a 404 are to be stopped again while no stop gets through."""
    for n in range(5):
        put(store, f"g{n}", state=SessionState.ENDED, step=Step.STOP, due_at=FAR, stop_at=NINE)
    running: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY, "due_at": FAR}
    put(store, "ends", stop_at=NINE, **running)

    assert due(store, most=3) == ["ends-1"]


def test_a_stop_in_doubt_is_due_whatever_else_the_session_waited_for(store: Store) -> None:
    """Its worker died in it, and the next message is lost: it stands where it stood before."""
    in_doubt: dict[str, Any] = {"state": SessionState.STOPPING, "step": Step.QUERY, "due_at": FAR}
    put(store, "ends", stop_at=NINE, **in_doubt)

    assert due(store) == ["ends-1"]


def test_what_was_never_begun_hides_no_stop(store: Store) -> None:
    """Nobody worked for a day: hundreds of recordings are missed, and one that runs must end."""
    for n in range(5):
        put(store, f"m{n}", due_at=FAR, stop_at=NINE - timedelta(hours=1))
    running: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY, "due_at": FAR}
    put(store, "ends", stop_at=NINE, **running)

    assert due(store, most=3) == ["ends-1", "m0-1", "m1-1", "m2-1"]


def test_every_lane_gets_its_share(store: Store) -> None:
    """A storm of queries hides no acquire."""
    running: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY}
    for n in range(6):
        put(store, f"q{n}", due_at=NINE - timedelta(hours=1), **running)
    put(store, "new")

    found = due(store, most=2)

    assert "new-1" in found
    assert len(found) == 3


def test_apps_with_work_are_those_with_something_due(store: Store) -> None:
    """A sweep does not look into apps at rest."""
    for app, due_at in (("default", NINE), ("school", LATER)):
        with store.writing() as writing:
            writing.lock_quota(app)
            writing.add(order(app, app=app), planned(app, app=app, due_at=due_at, stop_at=FAR), [])

    assert apps_with_work(store, NINE) == ["default"]
    assert apps_with_work(store, LATER) == ["default", "school"]


def apps_with_work(store: Store, until: datetime) -> list[str]:
    return [work.app for work in store.apps_with_work(until, until)]


def test_starts_are_looked_for_further_ahead_than_the_rest(store: Store) -> None:
    """A herd is acquired minutes before; a query is not."""
    soon = NINE + timedelta(minutes=3)
    steps = {"a": Step.ACQUIRE, "q": Step.QUERY, "s": Step.START, "u": Step.UPDATE}
    for app, step in steps.items():
        with store.writing() as writing:
            writing.lock_quota(app)
            session = planned(app, app=app, due_at=soon, stop_at=FAR, step=step)
            writing.add(order(app, app=app), session, [])

    near = store.apps_with_work(NINE, NINE + timedelta(minutes=4))
    far = store.apps_with_work(soon, soon)

    assert near == [Work(app="a", has_starts=True), Work(app="s", has_starts=True)]
    assert [(work.app, work.has_starts) for work in far] == [
        ("a", True),
        ("q", False),
        ("s", True),
        ("u", False),
    ]


def test_an_end_alone_is_work(store: Store) -> None:
    """Nothing is due but a stop."""
    put(store, due_at=FAR, stop_at=NINE)

    assert apps_with_work(store, NINE) == ["default"]


def test_the_starts_that_lie_ahead_come_in_their_order(store: Store) -> None:
    """With and without a resource; what runs is none of them."""
    for n, step in enumerate((Step.ACQUIRE, Step.START, Step.QUERY)):
        start_at = NINE - timedelta(seconds=n)
        put(store, f"r{n}", step=step, start_at=start_at)

    with store.writing() as writing:
        ahead = writing.upcoming(["default"], LATER, most=10)

    assert [(one.session_id, one.step) for one in ahead] == [
        ("r1-1", Step.START),
        ("r0-1", Step.ACQUIRE),
    ]


def test_sessions_that_somebody_has_are_not_read_to_be_claimed(store: Store) -> None:
    """Claimed or over: left out."""
    put(store, "free")
    put(store, "held", lease_until=LATER)
    put(store, "over", state=SessionState.FAILED, step=Step.REST)

    with store.writing() as writing:
        found = writing.sessions_by_id(["free-1", "held-1", "over-1", "none-1"], NINE, 9)

    assert [session.id for session in found] == ["free-1"]


def test_of_a_backlog_the_first_are_read_to_be_claimed(store: Store) -> None:
    """As many as the quota could carry, in the order of their starts."""
    for n in range(5):
        put(store, f"r{n}", start_at=NINE - timedelta(seconds=n))

    with store.writing() as writing:
        found = writing.sessions_by_id([f"r{n}-1" for n in range(5)], NINE, 2)

    assert [session.id for session in found] == ["r4-1", "r3-1"]


def test_whether_the_sweeps_are_behind_is_told_by_what_is_due_and_not_claimed(
    store: Store,
) -> None:
    """A stop, a start or an acquire; not a query, nor what lies ahead, nor what somebody has."""
    runs: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY, "due_at": NINE}
    put(store, "polled", **{**runs, "due_at": NINE - LONG}, stop_at=LATER)
    put(store, "ahead", due_at=LATER)
    put(store, "held", due_at=NINE, lease_until=LATER)

    def is_behind() -> bool:
        with store.writing() as writing:
            return writing.is_behind("default", NINE)

    before = is_behind()
    put(store, "elsewhere", {"app": "school"}, app="school", due_at=NINE)
    still = is_behind()
    put(store, "due", due_at=NINE)

    assert (before, still, is_behind()) == (False, False, True)


def test_a_stop_that_is_overdue_is_being_behind(store: Store) -> None:
    """Its row says when it is to end, not that its next step is a stop."""
    runs: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY, "due_at": FAR}
    put(store, "ends", stop_at=NINE, **runs)

    with store.writing() as writing:
        assert writing.is_behind("default", NINE)


def test_hastening_brings_only_the_asked_step_forward(store: Store) -> None:
    """Not a step that is claimed, nor another one."""
    put(store, "q", step=Step.QUERY, state=SessionState.RECORDING, due_at=FAR)
    put(store, "s", due_at=FAR)

    with store.writing() as writing:
        made = [writing.make_due(name, Step.QUERY, NINE) for name in ("q", "s", "none")]

    assert made == [True, False, False]
    assert (only(store, "q").due_at, only(store, "s").due_at) == (NINE, FAR)


def test_uids_in_use_are_those_of_open_sessions(store: Store) -> None:
    """Of this channel and app."""
    put(store, "a", uid="1")
    put(store, "b", uid="2", state=SessionState.STOPPED, step=Step.REST)
    put(store, "c", {"channel": "other"}, uid="3", channel="other")

    with store.writing() as writing:
        uids = writing.uids_of("default", "lesson")

    assert uids == {"1"}


def test_an_awaited_query_is_found_behind_any_number_of_polls(store: Store) -> None:
    """It has a lane of its own: whether a session began is not asked last."""
    polled: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY}
    for n in range(6):
        put(store, f"p{n}", due_at=NINE - LONG, confirmed_at=NINE - LONG, **polled)
    put(store, "new", state=SessionState.STARTED, step=Step.QUERY)
    put(store, "doubted", confirmed_at=NINE - LONG, suspected_at=NINE, **polled)

    found = due(store, most=2)

    assert {"new-1", "doubted-1"} < set(found)
    assert len(found) == 4


def test_what_agora_is_asked_about_is_counted(store: Store) -> None:
    """Running sessions of this app, and its quota with them."""
    runs: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY, "due_at": FAR}
    put(store, "recording", confirmed_at=NINE, **runs)
    put(store, "started", **runs)
    put(store, "ahead")
    put(store, "over", state=SessionState.STOPPED, step=Step.REST)
    put(store, "elsewhere", {"app": "school"}, app="school", **runs)
    with store.writing() as writing:
        writing.save_quota("default", {"factor": 0.5})

    assert store.live("default") == (2, {"factor": 0.5})
    assert store.live("unheard-of") == (0, {})
    assert store.live_together("default", ["default", "unheard-of"]) == (2, {"factor": 0.5})
    assert store.live_together("account", ["unheard-of"]) == (0, {})
