"""What was decided on what nobody held is written as a whole, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from shelf import FAR, LATER, NINE, at_once, claim, only, order, planned, put

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.lifecycle import freed
from recording_tasks.models import Entry, Recording, RecordingState, Session, SessionState, Step
from recording_tasks.store import Seen, Store

pytest_plugins = ("stores",)

LINE = Entry(at=NINE, event="session.acquired", session_number=1)


def taken(store: Store, name: str = "r") -> Seen:
    """Put a recording whose acquire is under way."""
    put(store, name)
    claim(store, only(store, name))
    seen = store.take(f"{name}-1", 1, Step.ACQUIRE, latest_slot=FAR, lease_until=LATER)
    assert seen is not None
    return seen


def settled(seen: Seen) -> tuple[Recording, Session]:
    """Decide what an answer of acquire makes of them."""
    recording = replace(seen.recording, state=RecordingState.STARTING)
    session = replace(
        freed(seen.session), state=SessionState.ACQUIRED, step=Step.START, resource_id="ticket"
    )
    return recording, session


def save(store: Store, seen: Seen) -> Seen | None:
    recording, session = settled(seen)
    return store.save_unless_changed(seen, recording, session, [LINE])


def events(store: Store) -> list[str]:
    return [entry.event for entry in store.timeline_of("r")]


def test_what_nobody_changed_is_written_as_a_whole(store: Store) -> None:
    """The recording, the session under its next epoch, and the line that tells of it."""
    seen = taken(store)

    saved = save(store, seen)

    recording, session = settled(seen)
    assert saved is not None
    assert (saved.recording, saved.session) == (recording, replace(session, epoch=2))
    assert (store.find("r"), only(store)) == (saved.recording, saved.session)
    assert events(store) == ["session.acquired"]


def test_what_was_written_may_be_built_upon_at_once(store: Store) -> None:
    """What comes back stands for what is there now; what was seen before is worth nothing."""
    seen = taken(store)
    first = save(store, seen)
    assert first is not None

    again = store.save_unless_changed(
        first, first.recording, replace(first.session, attempts=7), []
    )
    stale = save(store, seen)

    assert again is not None
    assert stale is None
    assert (only(store).attempts, only(store).epoch) == (7, 3)


def test_what_needs_no_change_is_as_it_was_seen(store: Store) -> None:
    """Nothing is written, and the next one still finds it unchanged."""
    put(store)
    seen = store.see_latest("r")
    assert seen is not None

    same = store.save_unless_changed(seen, seen.recording, seen.session, [])

    assert same == seen
    assert store.see_latest("r") == seen


def extend(store: Store) -> None:
    with store.writing() as writing:
        held = writing.lock_latest("r")
        assert held is not None
        recording, session = held
        writing.save(recording, replace(recording, stop_at=LATER.replace(hour=23)))
        writing.save_session(session, replace(session, stop_at=LATER.replace(hour=23)))


def ask_for_an_update(store: Store) -> None:
    with store.writing() as writing:
        recording = writing.lock("r")
        assert recording is not None
        writing.save(recording, replace(recording, update={"a": 1}, update_version=1))


def claim_anew(store: Store) -> None:
    claim(store, only(store))


def renew(store: Store) -> None:
    with store.writing() as writing:
        assert writing.renew("r-1", 1, LATER.replace(hour=23))


def write_by_hand(store: Store) -> None:
    with store.database.begin() as connection:
        connection.execute(sa.text("UPDATE recordings SET reason = 'by hand' WHERE id = 'r'"))


EDITS = [extend, ask_for_an_update, claim_anew, renew, write_by_hand]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_between_reading_and_writing_is_not_lost(
    store: Store, edit: Callable[[Store], None]
) -> None:
    """Whoever made it and whatever it changed, one that keeps the epoch included."""
    seen = taken(store)
    edit(store)
    after = store.find("r"), only(store)

    saved = save(store, seen)

    assert saved is None
    assert (store.find("r"), only(store)) == after
    assert after != (seen.recording, seen.session)
    assert events(store) == []


@pytest.mark.parametrize("is_changed", [False, True])
def test_who_waited_for_a_lock_looks_again(rivals: tuple[Store, Store], is_changed: bool) -> None:
    """The marks are compared with what the other has committed meanwhile, not with the past."""
    store, other = rivals
    seen = taken(store)
    with ThreadPoolExecutor(1) as pool:
        with other.writing() as writing:
            held = writing.lock_with_session("r-1")
            assert held is not None
            if is_changed:
                writing.save_session(held[1], replace(held[1], stop_at=LATER.replace(hour=23)))
                writing.flush()
            saving = pool.submit(save, store, seen)
            until_it_waits(other)
        saved = saving.result(timeout=20)

    assert (saved is None) is is_changed
    assert only(store).state is (SessionState.PLANNED if is_changed else SessionState.ACQUIRED)
    assert events(store) == ([] if is_changed else ["session.acquired"])


def until_it_waits(store: Store) -> None:
    query = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(2000):
        with store.database.read() as connection:
            if connection.execute(query).scalar_one():
                return
    pytest.fail("nobody waits")


def test_of_many_who_saw_the_same_one_writes(store: Store) -> None:
    """Eight at the same moment: one answer is applied, and told once."""
    seen = taken(store)

    saved = at_once(8, lambda _: save(store, seen))

    assert sum(one is not None for one in saved) == 1
    assert only(store).epoch == 2
    assert events(store) == ["session.acquired"]


def test_writers_with_and_without_locks_never_wait_for_each_other_in_a_ring(store: Store) -> None:
    """All lock the recording before its session: forty writes by eight, and no deadlock."""
    put(store)

    def write(number: int) -> None:
        for _ in range(5):
            if number % 2:
                extend(store)
            else:
                seen = store.see_latest("r")
                assert seen is not None
                session = replace(seen.session, attempts=seen.session.attempts + 1)
                recording = replace(seen.recording, failed_in_a_row=session.attempts)
                store.save_unless_changed(seen, recording, session, [LINE])

    at_once(8, write)

    recording = store.find("r")
    assert recording is not None
    assert recording.failed_in_a_row == only(store).attempts == len(events(store))


# -- what goes wrong ---------------------------------------------------------------------


NOTHING: Any = None
BAD_LINE = replace(LINE, event=NOTHING)
REFUSED = (sa.exc.IntegrityError, psycopg.IntegrityError)


def test_an_error_in_the_middle_leaves_everything_as_it_was(store: Store) -> None:
    """A line that the database refuses takes the session and the recording back with it."""
    seen = taken(store)

    with pytest.raises(REFUSED):
        store.save_unless_changed(seen, *settled(seen), [LINE, BAD_LINE])
    left = store.find("r"), only(store), events(store)
    saved = save(store, seen)

    assert left == (seen.recording, seen.session, [])
    assert saved is not None


def test_a_recording_is_stored_with_all_that_belongs_to_it_or_not_at_all(store: Store) -> None:
    """Its line is refused: there is no recording, and no session of none."""
    with pytest.raises(REFUSED):
        store.add(order(key="k"), planned(), [BAD_LINE])

    assert store.find("r") is None
    assert store.sessions_of("r") == []


def test_of_many_with_one_key_one_is_stored(store: Store) -> None:
    """Without a word of it before: the others learn it from the key."""
    added = at_once(
        8, lambda number: store.add(order(f"r{number}", key="same"), planned(f"r{number}"), [LINE])
    )

    assert sorted(added) == [False] * 7 + [True]
    found = store.find_by_key("same")
    assert found is not None
    assert found.id == f"r{added.index(True)}"
    assert [len(store.sessions_of(f"r{number}")) for number in range(8)] == [
        int(is_added) for is_added in added
    ]


def test_recordings_without_a_key_are_all_stored(store: Store) -> None:
    """No key is not one key."""
    assert store.add(order("a"), planned("a"), [LINE])
    assert store.add(order("b"), planned("b"), [LINE])
    assert (store.find("a"), only(store, "a")) == (order("a"), planned("a"))


def test_after_the_server_dropped_us_one_call_fails_and_the_next_works(
    rivals: tuple[Store, Store],
) -> None:
    """A restart leaves a pool of dead connections; they are not found one error at a time."""
    store, other = rivals
    seen = taken(store)
    held = threading.Barrier(4)

    def connect(_: int) -> None:
        with store.database.read():
            held.wait(timeout=20)

    at_once(4, connect)
    with other.database.read() as connection:
        dropped = connection.execute(
            sa.text(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()

    with pytest.raises(StoreUnavailableError):
        save(store, seen)
    saved = save(store, seen)

    assert dropped >= 4
    assert saved is not None


def test_a_server_that_only_reads_is_one_that_is_away(rivals: tuple[Store, Store]) -> None:
    """We came to a standby: try again later."""
    store, standby = rivals
    seen = taken(store)
    with standby.database.read() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = on")

    with pytest.raises(StoreUnavailableError):
        save(standby, seen)

    assert save(store, seen) is not None
