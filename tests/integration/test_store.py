"""What is written is read again, over SQLite and over PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
import sqlalchemy as sa
from shelf import LATER, NINE, at_once, only, order, planned, put

from recording_tasks.models import (
    Entry,
    File,
    RecordingState,
    SessionState,
    Step,
    UploadStatus,
)
from recording_tasks.store import Store, Writing

pytest_plugins = ("stores",)


# -- rows --------------------------------------------------------------------------------


def test_a_recording_comes_back_as_it_was_written(store: Store) -> None:
    """Every field, microseconds and nested JSON null included."""
    recording = order(
        key="k",
        uid="7",
        notify={"task": "t"},
        update={"streamSubscribe": None},
        update_version=2,
        layout={"layoutConfig": []},
        layout_version=1,
        has_recorded=True,
        failed_in_a_row=3,
        is_called_off=True,
        reason="why",
        finished_at=LATER,
    )
    with store.writing() as writing:
        writing.add(recording, planned(), [])

    assert store.find("r") == recording
    assert store.find_by_key("k") == recording


def test_a_session_comes_back_as_it_was_written(store: Store) -> None:
    """Every field, files and all."""
    file = File(name="a.m3u8", track_type="audio", uid="0", is_playable=True, slice_start_ms=7)
    session = planned(
        state=SessionState.STOPPING,
        step=Step.STOP,
        epoch=4,
        claimed=Step.STOP,
        slot_at=NINE,
        lease_until=LATER,
        is_sending=True,
        is_probe=True,
        attempts=2,
        resource_id="x" * 400,
        acquired_at=NINE,
        start_sent_at=NINE,
        sid="sid",
        started_at=NINE,
        confirmed_at=NINE,
        queried_at=NINE,
        suspected_at=NINE,
        stop_reached=True,
        is_given_up=True,
        ended_at=LATER,
        controllable_until=LATER,
        gone_by=LATER,
        update_version=1,
        layout_version=2,
        status=5,
        files=(file, File(name="b.mp4")),
        upload_status=UploadStatus.BACKUPED,
        reason="why",
    )
    with store.writing() as writing:
        writing.add(order(), session, [])

    assert only(store) == session


def test_instants_of_any_offset_are_the_same_instant(store: Store) -> None:
    """They come back aware and in UTC, and are compared as instants, not as text."""
    tokyo = timezone(timedelta(hours=9))
    put(store, recording={"start_at": NINE.astimezone(tokyo)}, due_at=NINE.astimezone(tokyo))

    found = store.find("r")
    with store.writing() as writing:
        due = writing.due("default", NINE, NINE, 10)

    assert found is not None
    assert found.start_at == NINE
    assert found.start_at.utcoffset() == timedelta(0)
    assert [session.id for session in due] == ["r-1"]


def test_a_missing_value_is_null_and_never_the_word(store: Store) -> None:
    """`update IS NULL` finds what was never updated, in both databases."""
    put(store, "never")
    put(store, "once", recording={"update": {"a": None}})

    with store.database.begin() as connection:
        query = sa.text('SELECT id FROM recordings WHERE "update" IS NULL')
        found = list(connection.execute(query).scalars())

    assert found == ["never"]
    recording = store.find("once")
    assert recording is not None
    assert recording.update == {"a": None}


def test_only_what_changed_is_written(store: Store) -> None:
    """Two who change different things do not undo each other; the rest stays as it is."""
    put(store)
    with store.writing() as writing:
        held = writing.lock_latest("r")
        assert held is not None
        recording, session = held
        writing.save(recording, replace(recording, reason="new"))
        writing.save_session(session, replace(session, attempts=5))

    found = store.find("r")
    assert found is not None
    assert (found.reason, found.labels) == ("new", {"room": "7"})
    assert only(store).attempts == 5


def test_a_timeline_keeps_its_order(store: Store) -> None:
    """Lines of one instant stay as they were written, over any number of writes."""
    put(store)
    names = [f"event-{n}" for n in range(12)]
    with store.writing() as writing:
        writing.write("r", [Entry(at=NINE, event=name, facts={"n": None}) for name in names[:6]])
    with store.writing() as writing:
        later = NINE + timedelta(seconds=1)
        writing.write("r", [Entry(at=later, event=name) for name in names[6:]])

    assert [entry.event for entry in store.timeline_of("r")] == names


def test_a_wish_is_known_by_the_message_that_brought_it(store: Store) -> None:
    """Of this recording, and by its whole id."""
    put(store)
    facts = {"asked_by": "one", "stop_at": None}
    with store.writing() as writing:
        writing.write("r", [Entry(at=NINE, event="recording.extended", facts=facts)])

    assert store.is_heeded("r", "one")
    assert not store.is_heeded("r", "on")
    assert not store.is_heeded("other", "one")


def test_what_fails_halfway_leaves_nothing(store: Store) -> None:
    """One transaction: a recording without its session cannot exist."""

    def half(writing: Writing) -> None:
        writing.add(order(), planned(), [Entry(at=NINE, event="e")])
        raise KeyError

    with pytest.raises(KeyError), store.writing() as writing:
        half(writing)

    assert store.find("r") is None
    assert store.timeline_of("r") == []


def test_the_newest_recordings_come_first(store: Store) -> None:
    """Filtered by state and channel, and never more than asked for."""
    for n in range(5):
        state = RecordingState.STOPPED if n % 2 else RecordingState.SCHEDULED
        created_at = NINE + timedelta(seconds=n)
        put(store, f"r{n}", {"created_at": created_at, "state": state, "channel": f"c{n}"})

    assert [r.id for r in store.recent(most=2)] == ["r4", "r3"]
    assert [r.id for r in store.recent(states=[RecordingState.STOPPED])] == ["r3", "r1"]
    assert [r.id for r in store.recent(channel="c2")] == ["r2"]
    assert store.open_counts() == {"scheduled": 3}


# -- idempotency keys --------------------------------------------------------------------


def test_one_key_makes_one_recording_from_many_threads(store: Store) -> None:
    """Eight callers at once: one inserts, seven learn that it is there."""

    def add(number: int) -> bool:
        with store.writing() as writing:
            recording = order(f"r{number}", key="same")
            return writing.add(recording, planned(f"r{number}"), [])

    added = at_once(8, add)

    assert sorted(added) == [False] * 7 + [True]
    found = store.find_by_key("same")
    assert found is not None
    assert found.id == f"r{added.index(True)}"
    assert len(store.recent()) == 1
