"""The times and bounds the rules go by: documented defaults that settings can change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from recording_tasks.models import (
    RESOURCE_LIFETIME,
    Entry,
    Recording,
    Session,
    Step,
)


def _seconds(*values: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=value) for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Every waiting time of a recording's life.

    Attributes:
        acquire_lead: How long before its start a lone recording acquires (reference: within 2 s).
        resource_use: The oldest resource we still start with; below Agora's five minutes.
        first_query: From the start answer to the first query (best practices: 5 s).
        query_every: Between queries of a session that records (best practices: 2 min).
        query_gap: No query is sent this shortly before the stop: the two must never meet.
        confirm_delays: Between queries until status 4 or 5 is seen.
        confirm_within: A session not seen to record by then did not start (best practices: 90 s).
        failover: For how long a 404 may be a failover (status codes: 90 s).
        failover_delays: Between the calls that ask whether it came back.
        start_delays: Before start is repeated with the same resource (best practices: 3 s, 6 s).
        call_delays: Before another call that failed for the moment is repeated.
        stop_delays: Before an unsettled stop is repeated; the last one for as long as it takes.
        overload_wait: After 406, before anything is acquired again.
        restart_delays: Before a session that ended early is replaced.
        restarts_in_a_row: So many sessions in a row that never recorded end the recording.
        idle_time: The maxIdleTime of sessions whose request names none.
        control_time: How long after start a session answers query, update and stop.
        roll_over: How long before a session must end another one takes over; both record then.
        leaving: How long after its stop a session still counts among those that run at once.
        recheck_after: When Agora is asked once more about a session given up for a 404.
    """

    acquire_lead: timedelta = timedelta(seconds=2)
    resource_use: timedelta = RESOURCE_LIFETIME - timedelta(minutes=1)
    first_query: timedelta = timedelta(seconds=5)
    query_every: timedelta = timedelta(seconds=120)
    query_gap: timedelta = timedelta(seconds=2)
    confirm_delays: tuple[timedelta, ...] = _seconds(5, 10, 15)
    confirm_within: timedelta = timedelta(seconds=90)
    failover: timedelta = timedelta(seconds=90)
    failover_delays: tuple[timedelta, ...] = _seconds(5, 10, 15)
    start_delays: tuple[timedelta, ...] = _seconds(3, 6)
    call_delays: tuple[timedelta, ...] = _seconds(1, 3, 6, 10, 15, 30)
    stop_delays: tuple[timedelta, ...] = _seconds(1, 3, 6, 10, 15, 30)
    overload_wait: timedelta = timedelta(seconds=60)
    restart_delays: tuple[timedelta, ...] = _seconds(1, 5, 15, 30, 60, 120, 300)
    restarts_in_a_row: int = 6
    idle_time: timedelta = timedelta(seconds=300)
    control_time: timedelta = timedelta(hours=720)
    roll_over: timedelta = timedelta(seconds=300)
    leaving: timedelta = timedelta(seconds=6)
    recheck_after: timedelta = timedelta(seconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where a rule is applied: one instant, with what may be needed there.

    Attributes:
        now: The database's time.
        spare_uid: A uid that no live session of the channel uses, for a session that takes over.
    """

    now: datetime
    rules: Rules
    spare_uid: str


class Signal(StrEnum):
    """What one answer tells about every call of the app."""

    FINE = "fine"  # Agora took a call: whatever was wrong is over
    SLOW_DOWN = "slow_down"
    OVERLOADED = "overloaded"
    CLOSED = "closed"  # the credentials or the account do not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a rule made of a recording and one of its sessions.

    Attributes:
        successor: The session that takes over, to be inserted.
        entries: New lines of the timeline.
    """

    recording: Recording
    session: Session
    successor: Session | None = None
    entries: tuple[Entry, ...] = ()
    signal: Signal | None = None


def delay_after(delays: tuple[timedelta, ...], attempts: int) -> timedelta:
    """Choose the wait before the next try; the last one serves all further tries."""
    return delays[min(attempts, len(delays)) - 1] if attempts > 0 else delays[0]


def numbers_in(value: Any, name: str) -> list[float]:
    """Find every number of that name in a request."""
    if isinstance(value, Mapping):
        here = [n for key, n in value.items() if key == name and isinstance(n, int | float)]
        return here + [n for part in value.values() for n in numbers_in(part, name)]
    if isinstance(value, list | tuple):
        return [n for part in value for n in numbers_in(part, name)]
    return []


def may_have_started(session: Session) -> bool:
    """Tell whether a start went out whose outcome nobody wrote down: its worker may have died."""
    return session.is_sending and session.claimed is Step.START


def freed(session: Session) -> Session:
    """Take back a session's claim, whatever became of it."""
    return replace(
        session,
        claimed=None,
        slot_at=None,
        lease_until=None,
        is_sending=False,
        is_probe=False,
    )
