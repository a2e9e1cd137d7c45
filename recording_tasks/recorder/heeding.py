"""What one answer tells about all calls of its app, and how their quota heeds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from recording_tasks.lifecycle import Call, Moment, Signal
from recording_tasks.limiter import Pace, Quota
from recording_tasks.models import Acquired, Session

_PROBE_AGAIN = 2.0  # seconds


def is_told(session: Session, signal: Signal | None) -> bool:
    """Whether every worker is to know what one answer told: a success only where it was doubted."""
    return signal is not None and (signal is not Signal.FINE or session.is_probe)


def heeding(quota: Quota, signal: Signal | None, call: Call, pace: Pace, moment: Moment) -> Quota:
    """Let every worker know, by the row they share, what one answer told.

    Others of an app whose session met a 406 try again after half of what that one waits.
    """
    clock = moment.now.timestamp()
    match signal:
        case None:
            return quota
        case Signal.FINE:
            opened = quota.opened()
            return opened.relieved() if isinstance(call.answer, Acquired) else opened
        case Signal.SLOW_DOWN:
            left_at = clock if call.left_at is None else call.left_at.timestamp()
            return quota.slowed(clock, pace, left_at)
        case Signal.OVERLOADED:
            return quota.overloaded(clock, moment.rules.overload_wait.total_seconds() / 2)
        case Signal.CLOSED:
            return quota.closed(clock)


def asked_again_soon(quota: Quota, now: datetime) -> Quota:
    """Let another call find out soon what one did not: whether we are let in again."""
    if quota.probe_at is None:
        return quota
    return replace(quota, probe_at=min(quota.probe_at, now.timestamp() + _PROBE_AGAIN))


def obstacle(quota: Quota) -> str | None:
    """Tell what held back the calls of an app, for the reason of one that could not begin."""
    if quota.probe_at is not None:
        return "it never began: Agora refused the app's credentials or its account"
    if quota.acquire_after > 0:
        return "it never began: Agora said that too many sessions ran at once"
    return None
