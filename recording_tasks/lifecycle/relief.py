"""When a session that cannot last as long as its recording is relieved by another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from recording_tasks.lifecycle.endings import is_superseded, session_line, succeeded
from recording_tasks.lifecycle.rules import Change, Moment, Rules
from recording_tasks.models import Recording, Session, SessionState

_RUNS = frozenset({SessionState.STARTED, SessionState.RECORDING})
_STOPS_IN = 5  # the relieved session stops in the last fifth of the overlap


def ends_at(
    session: Session, now: datetime, control_ends: datetime, token_lifetime: timedelta | None
) -> datetime:
    """Tell until when a session that was just started can last.

    Its token was made before its start was first sent, and cannot be renewed; after our control
    of it ends, nobody could stop it.
    """
    if token_lifetime is None:
        return control_ends
    return min(control_ends, (session.start_sent_at or now) + token_lifetime)


def needs_relief(session: Session, rules: Rules) -> bool:
    """Tell whether a running session is to record for longer than it can."""
    if session.ends_at is None or session.state not in _RUNS:
        return False
    return session.stop_at is None or session.stop_at > _last_stop(session, rules)


def relief_at(session: Session, rules: Rules) -> datetime:
    """Tell when the session that takes over begins."""
    assert session.ends_at is not None  # noqa: S101 - asked of those that need relief
    return session.ends_at - _overlap(session, rules)


def is_relief_due(session: Session, now: datetime, rules: Rules) -> bool:
    """Tell whether another session must begin now."""
    return needs_relief(session, rules) and relief_at(session, rules) <= now


def relieved(recording: Recording, session: Session, at: Moment) -> Change:
    """Begin the session that takes over; the one before it records on for most of the overlap."""
    if is_superseded(recording, session):
        return Change(recording=recording, session=session)
    change = succeeded(recording, session, at, at.now)
    session = replace(session, stop_at=_last_stop(session, at.rules))
    facts = {"ends_at": session.ends_at.isoformat() if session.ends_at else None}
    line = replace(session_line(session, at.now, **facts), event="session.relieved")
    return replace(change, session=session, entries=(line, *change.entries))


def _overlap(session: Session, rules: Rules) -> timedelta:
    """Leave a session that lasts very short at least half of its time for itself."""
    assert session.ends_at is not None  # noqa: S101
    began = session.start_sent_at or session.started_at or session.ends_at
    return min(rules.roll_over, (session.ends_at - began) / 2)


def _last_stop(session: Session, rules: Rules) -> datetime:
    assert session.ends_at is not None  # noqa: S101
    return session.ends_at - _overlap(session, rules) / _STOPS_IN
