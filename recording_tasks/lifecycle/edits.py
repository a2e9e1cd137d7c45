"""What callers may ask of a recording, at its beginning and while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from recording_tasks.errors import WrongStateError
from recording_tasks.lifecycle.endings import lapsed
from recording_tasks.lifecycle.rules import Change, Moment, Rules
from recording_tasks.models import (
    Entry,
    Recording,
    RecordingState,
    Session,
    SessionState,
    Step,
)

_NEVER_STARTED = frozenset({SessionState.PLANNED, SessionState.ACQUIRED})


def first_session(recording: Recording, session_id: str, uid: str, rules: Rules) -> Session:
    """Plan the first session of a recording that was just accepted."""
    within = recording.start_within
    return Session(
        id=session_id,
        recording_id=recording.id,
        number=1,
        app=recording.app,
        channel=recording.channel,
        mode=recording.mode,
        uid=uid,
        state=SessionState.PLANNED,
        step=Step.ACQUIRE,
        due_at=recording.start_at - rules.acquire_lead,
        start_at=recording.start_at,
        stop_at=recording.stop_at,
        start_by=None if within is None else recording.start_at + timedelta(seconds=within),
    )


def called_off(recording: Recording, session: Session, event: str, at: Moment) -> Change:
    """Stop at once: a running session is stopped, one that never began is called off.

    Safe to repeat; a recording that is over stays as it is, and what was recorded remains.
    """
    is_off = recording.is_called_off and session.stop_at is not None and session.stop_at <= at.now
    if recording.state.is_final or is_off:
        return Change(recording=recording, session=session)
    stop_at = at.now if recording.stop_at is None else min(recording.stop_at, at.now)
    recording = replace(recording, stop_at=stop_at, is_called_off=True)
    session = replace(unclaimed(session), stop_at=stop_at)
    entry = Entry(at=at.now, event=event, session_number=session.number)
    if session.state in _NEVER_STARTED and not session.is_sending:
        change = lapsed(recording, session, at)
        return replace(change, entries=(entry, *change.entries))
    return Change(recording=recording, session=session, entries=(entry,))


def extended(
    recording: Recording, session: Session, stop_at: datetime | None, now: datetime
) -> Change:
    """Move the stop time, later or earlier; the last accepted word wins.

    Raises:
        WrongStateError: The recording is over, or its stop was already sent.
    """
    is_sent = session.claimed is Step.STOP and session.is_sending
    is_stopping = is_sent or session.state is SessionState.STOPPING
    if recording.state.is_final or (is_stopping and not session.is_given_up):
        raise WrongStateError(recording.id, recording.state, "move its stop time")
    recording = replace(recording, stop_at=stop_at, is_called_off=False)
    session = replace(unclaimed(session), stop_at=stop_at)
    facts = {"stop_at": stop_at.isoformat() if stop_at else None}
    entry = Entry(at=now, event="recording.extended", session_number=session.number, facts=facts)
    return Change(recording=recording, session=session, entries=(entry,))


def update_asked(
    recording: Recording, session: Session, request: Mapping[str, Any], now: datetime
) -> Change:
    """Take a new subscription, web or RTMP setting.

    Args:
        request: Everything that was asked so far, this update merged in: a session that takes
            over must hear it all.
    """
    _must_be_open(recording, "update it")
    recording = replace(recording, update=request, update_version=recording.update_version + 1)
    return _to_be_told(recording, session, "recording.update_asked", Step.UPDATE, now)


def layout_asked(
    recording: Recording, session: Session, request: Mapping[str, Any], now: datetime
) -> Change:
    """Take a new layout; it replaces the whole layout before it."""
    _must_be_open(recording, "update its layout")
    recording = replace(recording, layout=request, layout_version=recording.layout_version + 1)
    return _to_be_told(recording, session, "recording.layout_asked", Step.UPDATE_LAYOUT, now)


def _must_be_open(recording: Recording, wanted: str) -> None:
    if recording.state.is_final or recording.state is RecordingState.STOPPING:
        raise WrongStateError(recording.id, recording.state, wanted)


def _to_be_told(
    recording: Recording, session: Session, event: str, step: Step, now: datetime
) -> Change:
    """Let a running session hear of it at once; one to come hears of it after its start."""
    is_running = session.state in {SessionState.STARTED, SessionState.RECORDING}
    if is_running and not session.is_sending:
        session = replace(unclaimed(session), step=step, due_at=now)
    entry = Entry(at=now, event=event, session_number=session.number)
    return Change(recording=recording, session=session, entries=(entry,))


def unclaimed(session: Session) -> Session:
    """Take a claim back whose call was not begun; a call under way settles under its epoch."""
    if session.is_sending or session.claimed is None:
        return session
    return replace(session, epoch=session.epoch + 1, claimed=None, slot_at=None, lease_until=None)
