"""What is put into stores and taken out again, also by many threads at one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from recording_tasks.models import (
    Mode,
    OnEarlyExit,
    Recording,
    RecordingState,
    Session,
    SessionState,
    Step,
)
from recording_tasks.store import Store

T = TypeVar("T")

NINE = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC)
LATER = NINE + timedelta(hours=1)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def order(name: str = "r", **changes: Any) -> Recording:
    values: dict[str, Any] = {
        "id": name,
        "key": None,
        "app": "default",
        "channel": "lesson",
        "mode": Mode.MIX,
        "uid": None,
        "start_at": NINE,
        "stop_at": LATER,
        "storage": "default",
        "request": {"recordingConfig": {"channelType": 1, "nothing": None}},
        "on_early_exit": OnEarlyExit.RESTART,
        "notify": {},
        "labels": {"room": "7"},
        "state": RecordingState.SCHEDULED,
        "reason": None,
        "created_at": NINE,
        "session_count": 1,
    }
    return Recording(**(values | changes))


def planned(name: str = "r", number: int = 1, **changes: Any) -> Session:
    values: dict[str, Any] = {
        "id": f"{name}-{number}",
        "recording_id": name,
        "number": number,
        "app": "default",
        "channel": "lesson",
        "mode": Mode.MIX,
        "uid": str(1000 + number),
        "state": SessionState.PLANNED,
        "step": Step.ACQUIRE,
        "due_at": NINE,
        "start_at": NINE,
        "stop_at": LATER,
    }
    return Session(**(values | changes))


def put(
    store: Store, name: str = "r", recording: dict[str, Any] | None = None, **session: Any
) -> None:
    with store.writing() as writing:
        writing.lock_quota("default")
        assert writing.add(order(name, **(recording or {})), planned(name, **session), [])


def only(store: Store, name: str = "r") -> Session:
    (session,) = store.sessions_of(name)
    return session


def claimed(session: Session, step: Step, at: datetime) -> Session:
    return replace(
        session,
        epoch=session.epoch + 1,
        claimed=step,
        slot_at=at,
        lease_until=at + timedelta(seconds=3),
        is_sending=False,
    )


def claim(store: Store, session: Session, step: Step = Step.ACQUIRE, at: datetime = NINE) -> None:
    with store.writing() as writing:
        writing.claim([(session, claimed(session, step, at))])


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """Do the same from many threads at the same moment."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> T:
        barrier.wait(timeout=20)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))
