"""What is removed of the past, and what never is, over SQLite and over PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from shelf import FAR, LATER, NINE, order, planned, put

from recording_tasks.models import Entry, RecordingState, SessionState, Step
from recording_tasks.store import Bygones, Store
from recording_tasks.store.bygones import PARTS
from recording_tasks.store.schema import metadata, recordings, sessions, timeline

pytest_plugins = ("stores",)

OVER: dict[str, Any] = {"state": RecordingState.STOPPED, "finished_at": LATER}
RESTS: dict[str, Any] = {"state": SessionState.STOPPED, "step": Step.REST}


def bury(store: Store, name: str = "r", at: datetime = LATER, **session: Any) -> None:
    """Put a recording that ended then."""
    put(store, name, {**OVER, "finished_at": at}, **{**RESTS, **session})
    with store.writing() as writing:
        writing.write(name, [Entry(at=NINE, event="recording.accepted", facts={"n": 1})])


def names(store: Store) -> list[str]:
    return sorted(recording.id for recording in store.recent(most=1000))


def counts(store: Store) -> list[int]:
    with store.database.read() as connection:
        return [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (recordings, sessions, timeline)
        ]


def test_what_was_over_before_then_is_removed_with_all_that_hangs_on_it(store: Store) -> None:
    """Its sessions and its timeline go; what ended at that instant or later stays."""
    bury(store, "old", LATER - timedelta(microseconds=1))
    bury(store, "young", LATER)

    removed = Bygones(store.database).remove(LATER, 100, None)

    assert removed == 1
    assert names(store) == ["young"]
    assert counts(store) == [1, 1, 1]


def test_the_oldest_are_removed_first_and_no_more_than_asked(store: Store) -> None:
    """A few at a time."""
    for n in range(5):
        bury(store, f"r{n}", LATER + timedelta(hours=n))

    removed = [Bygones(store.database).remove(FAR, 2, None) for _ in range(4)]

    assert removed == [2, 2, 1, 0]
    assert names(store) == []


@pytest.mark.parametrize(
    "needs",
    [
        {"state": SessionState.RECORDING, "step": Step.QUERY},
        {"state": SessionState.STOPPING, "step": Step.STOP},
        {"state": SessionState.UNACCOUNTED, "step": Step.REST},
        {"state": SessionState.ENDED, "step": Step.STOP},
        {"state": SessionState.ENDED, "step": Step.REST, "recheck_at": FAR},
    ],
    ids=["runs", "stopping", "unaccounted", "stopped once more", "given up for a 404"],
)
def test_a_recording_with_a_session_that_may_need_something_stays(
    store: Store, needs: dict[str, Any]
) -> None:
    """Also when it is another session than the last one."""
    bury(store, "kept", number=1, **needs)
    with store.writing() as writing:
        writing.add_session(planned("kept", 2, **RESTS))
    bury(store, "gone", LATER + timedelta(hours=1))

    assert Bygones(store.database).remove(FAR, 100, None) == 1

    assert names(store) == ["kept"]
    assert counts(store) == [1, 2, 1]


def test_a_recording_whose_asker_is_still_to_be_told_stays(store: Store) -> None:
    """Its row is what the notice is made of."""
    asked = {"notify": {"task": "lessons.ended"}}
    put(store, "told", {**OVER, **asked, "notified_at": LATER}, **RESTS)
    put(store, "untold", {**OVER, **asked}, **RESTS)

    assert Bygones(store.database).remove(FAR, 100, None) == 1

    assert names(store) == ["untold"]


def test_a_recording_that_is_not_over_stays(store: Store) -> None:
    """However long ago it was to end, and whatever stands in its columns."""
    put(store, "comes")
    put(store, "odd", {"finished_at": NINE}, **RESTS)

    assert Bygones(store.database).remove(FAR, 100, None) == 0
    assert names(store) == ["comes", "odd"]


def test_what_is_removed_is_handed_over_before(store: Store) -> None:
    """Whole: the recording, its sessions in their order, its timeline in its order."""
    bury(store)
    with store.writing() as writing:
        for number in range(2, 12):
            writing.add_session(planned("r", number, **RESTS))
        writing.write("r", [Entry(at=NINE - timedelta(seconds=1), event="first")])
    seen: list[Any] = []

    def keep(documents: Sequence[Any]) -> None:
        seen.extend(documents)
        assert names(store) == ["r"]

    Bygones(store.database).remove(FAR, 100, keep)

    (document,) = seen
    assert document["recording"]["labels"] == {"room": "7"}
    assert [session["number"] for session in document["sessions"]] == [*range(1, 12)]
    assert [line["event"] for line in document["timeline"]] == ["first", "recording.accepted"]
    assert json.dumps(document, default=str)
    assert names(store) == []


def test_what_could_not_be_handed_over_stays(store: Store) -> None:
    """The disk of the archive is full."""
    bury(store)

    def fails(_: Sequence[Any]) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Bygones(store.database).remove(FAR, 100, fails)

    assert counts(store) == [1, 1, 1]


def test_a_key_is_free_again_when_its_recording_is_gone(store: Store) -> None:
    """Until then it gives the recording that it gave before."""
    put(store, "first", {**OVER, "key": "monday"}, **RESTS)
    assert not store.add(order("again", key="monday"), planned("again"), [])

    Bygones(store.database).remove(FAR, 100, None)

    assert store.add(order("again", key="monday"), planned("again"), [])


def test_whatever_hangs_on_a_recording_is_removed_with_it() -> None:
    """A new table that points at recordings or sessions takes part, or this fails."""
    pointing = {
        table
        for table in metadata.tables.values()
        if {key.column.table for key in table.foreign_keys} & {recordings, sessions}
    }

    assert pointing == set(PARTS)


def test_two_at_once_remove_each_recording_once(rivals: tuple[Store, Store]) -> None:
    """Neither waits for the other: what one holds, the other leaves out."""
    first, second = rivals
    for n in range(20):
        bury(first, f"r{n:02}", LATER + timedelta(minutes=n))
    holds, may_go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def slowly(documents: Sequence[Any]) -> None:
        seen.extend(document["recording"]["id"] for document in documents)
        holds.set()
        assert may_go_on.wait(20)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(Bygones(first.database).remove, FAR, 10, slowly)
        assert holds.wait(20)
        quick = Bygones(second.database).remove(FAR, 100, None)
        may_go_on.set()
        assert (slow.result(20), quick) == (10, 10)

    assert seen == [f"r{n:02}" for n in range(10)]
    assert names(first) == []


def test_what_reconcile_holds_is_left_alone(rivals: tuple[Store, Store]) -> None:
    """It is about to have Agora asked once more."""
    ours, theirs = rivals
    bury(ours)
    with theirs.writing() as writing:
        assert writing.lock_with_session("r-1") is not None
        assert Bygones(ours.database).remove(FAR, 10, None) == 0

    assert Bygones(ours.database).remove(FAR, 10, None) == 1


def test_a_session_opened_at_that_moment_keeps_its_recording(rivals: tuple[Store, Store]) -> None:
    """What was committed while the purge looked is seen before anything is removed."""
    ours, theirs = rivals
    bury(ours)

    def open_it(_1: Any, _2: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT sessions.recording_id"):
            with theirs.database.begin() as connection:
                connection.execute(sa.update(sessions).values(is_open=True))

    sa.event.listen(ours.database.engine, "before_cursor_execute", open_it)
    try:
        assert Bygones(ours.database).remove(FAR, 10, None) == 0
    finally:
        sa.event.remove(ours.database.engine, "before_cursor_execute", open_it)

    assert counts(ours) == [1, 1, 1]
