"""One call, one worker: claims, leases and locks, over SQLite and over PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from shelf import FAR, LATER, NINE, at_once, claim, only, planned, put

from recording_tasks.models import (
    Recording,
    Session,
    SessionState,
    Step,
)
from recording_tasks.store import Database, Store

pytest_plugins = ("stores",)


# -- claims ------------------------------------------------------------------------------


def test_of_two_claims_of_one_reading_the_first_wins(store: Store) -> None:
    """The epoch that was read is gone: the second claim changes nothing."""
    put(store)
    session = only(store)

    claim(store, session, at=NINE)
    claim(store, session, at=NINE + timedelta(seconds=50))

    assert only(store).epoch == 1
    assert only(store).slot_at == NINE


def test_a_claim_of_what_was_edited_meanwhile_is_void(store: Store) -> None:
    """A recording that was cancelled between reading and claiming stays cancelled."""
    put(store)
    seen = only(store)
    with store.writing() as writing:
        held = writing.lock_with_session("r-1")
        assert held is not None
        ended = replace(held[1], state=SessionState.FAILED, step=Step.REST)
        writing.save_session(held[1], ended)

    claim(store, seen)

    assert only(store).state is SessionState.FAILED
    assert only(store).claimed is None


def test_a_claim_of_what_was_answered_meanwhile_is_void(store: Store) -> None:
    """An answer that came when its lease was over is not undone by a claim."""
    put(store, state=SessionState.ACQUIRED, step=Step.START, resource_id="resource")
    claim(store, only(store), Step.START)
    taken = store.take("r-1", 1, Step.START, latest_slot=FAR, lease_until=NINE)
    assert taken is not None
    with store.writing() as writing:
        held = writing.lock_with_session("r-1")
        assert held is not None
        answered = replace(
            held[1], state=SessionState.STARTED, sid="sid", claimed=None, is_sending=False
        )
        writing.save_session(held[1], answered)

    claim(store, taken.session, Step.START)

    assert only(store).state is SessionState.STARTED
    assert only(store).claimed is None


def test_a_task_that_is_delivered_twice_begins_once(store: Store) -> None:
    """The intent is written by one of them; eight at the same moment, too."""
    put(store)
    claim(store, only(store))

    taken = at_once(8, lambda _: store.take("r-1", 1, Step.ACQUIRE, latest_slot=FAR))

    assert sum(session is not None for session in taken) == 1
    assert only(store).is_sending


@pytest.mark.parametrize(
    ("epoch", "step", "latest_slot"),
    [(0, Step.ACQUIRE, FAR), (2, Step.ACQUIRE, FAR), (1, Step.START, FAR), (1, Step.ACQUIRE, NINE)],
)
def test_a_task_without_the_right_claim_begins_nothing(
    store: Store, epoch: int, step: Step, latest_slot: datetime
) -> None:
    """A stale epoch, another step, a slot far ahead: the message is dropped."""
    put(store)
    claim(store, only(store), at=NINE + timedelta(seconds=9))

    taken = store.take("r-1", epoch, step, latest_slot=latest_slot)

    assert taken is None
    assert not only(store).is_sending


def test_a_claim_that_was_edited_away_begins_nothing(store: Store) -> None:
    """A stop between claim and start wins."""
    put(store)
    claim(store, only(store))
    with store.writing() as writing:
        held = writing.lock_latest("r")
        assert held is not None
        session = held[1]
        writing.save_session(session, replace(session, stop_at=NINE, claimed=None))

    taken = store.take("r-1", 1, Step.ACQUIRE, latest_slot=FAR)

    assert taken is None


def test_an_edit_while_a_call_is_under_way_keeps_its_epoch(store: Store) -> None:
    """Its answer must find its session."""
    put(store)
    claim(store, only(store))
    store.take("r-1", 1, Step.ACQUIRE, latest_slot=FAR)
    with store.writing() as writing:
        held = writing.lock_latest("r")
        assert held is not None
        writing.save_session(held[1], replace(held[1], stop_at=NINE))

    assert only(store).epoch == 1
    assert only(store).stop_at == NINE


def test_taking_writes_what_it_is_told_in_one_go(store: Store) -> None:
    """The instant of a start and the lease are there before anything is sent."""
    put(store)
    claim(store, only(store))

    taken = store.take(
        "r-1", 1, Step.ACQUIRE, latest_slot=FAR, lease_until=LATER, start_sent_at=NINE
    )

    assert taken is not None
    assert (taken.recording, taken.session) == (store.find("r"), only(store))
    assert (only(store).lease_until, only(store).start_sent_at) == (LATER, NINE)


def test_a_lease_is_renewed_only_by_its_owner(store: Store) -> None:
    """Who was replaced must not send any more."""
    put(store)
    claim(store, only(store))

    with store.writing() as writing:
        before_it_began = writing.renew("r-1", 1, LATER)
    store.take("r-1", 1, Step.ACQUIRE, latest_slot=FAR)
    with store.writing() as writing:
        renewed = [writing.renew("r-1", epoch, LATER) for epoch in (0, 1)]

    assert before_it_began is False
    assert renewed == [False, True]


# -- locks -------------------------------------------------------------------------------


def test_a_sweep_does_not_wait_for_another(rivals: tuple[Store, Store]) -> None:
    """Who holds an app's row sweeps it; who comes second goes on at once."""
    store, other = rivals
    with store.writing() as writing:
        writing.lock_quota("default")
    with store.writing() as first, other.writing() as second:
        first.lock_quota("default")

        assert second.lock_quota("default", patiently=False) is None
        assert second.lock_quota("school", patiently=False) == {}


def test_a_patient_lock_waits_and_sees_what_the_other_wrote(store: Store) -> None:
    """Slots are counted once, whoever hands them out: no update of the quota is lost."""
    with store.writing() as writing:
        writing.lock_quota("default")

    def count(_: int) -> None:
        with store.writing() as writing:
            quota = writing.lock_quota("default") or {}
            writing.save_quota("default", {"taken": quota.get("taken", 0) + 1})

    at_once(8, count)

    with store.writing() as writing:
        assert writing.lock_quota("default") == {"taken": 8}


def test_an_app_is_introduced_once_by_many(store: Store) -> None:
    """Eight first recordings at the same moment make one row."""

    def introduce(_: int) -> object:
        with store.writing() as writing:
            return writing.lock_quota("new")

    assert at_once(8, introduce) == [{}] * 8


def test_a_sweep_leaves_out_what_is_being_edited(rivals: tuple[Store, Store]) -> None:
    """It neither waits nor claims what is about to change; the next sweep sees it."""
    store, other = rivals
    put(store, "a")
    put(store, "b")
    with store.writing() as editing, other.writing() as sweeping:
        editing.lock_with_session("a-1")

        found = sweeping.due("default", NINE, NINE, 10)

    assert [session.id for session in found] == ["b-1"]


def test_a_caller_finds_the_session_that_took_over_meanwhile(
    store: Store, open_database: Callable[[], Database]
) -> None:
    """Who waited for the lock must not be told that there is no such recording."""
    put(store)
    other = Store(open_database())
    reached = threading.Event()

    def wait_for_it(_: int) -> tuple[Recording, Session] | None:
        reached.set()
        with other.writing() as writing:
            return writing.lock_latest("r")

    with ThreadPoolExecutor(1) as pool:
        with store.writing() as writing:
            held = writing.lock_latest("r")
            assert held is not None
            waiting = pool.submit(wait_for_it, 0)
            reached.wait(timeout=10)
            until_it_waits(store)
            recording, session = held
            writing.save(recording, replace(recording, session_count=2))
            writing.save_session(
                session, replace(session, state=SessionState.ENDED, step=Step.REST)
            )
            writing.add_session(planned(number=2))
        found = waiting.result(timeout=20)

    assert found is not None
    assert (found[0].session_count, found[1].number) == (2, 2)


def until_it_waits(store: Store) -> None:
    """Return once another connection waits for a lock; SQLite's writers wait before they read."""
    if store.database.is_sqlite:
        return
    query = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(2000):
        with store.database.read() as connection:
            if connection.execute(query).scalar_one():
                return
    pytest.fail("nobody waits")
