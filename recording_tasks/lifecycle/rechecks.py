"""Whether a session that was given up for a 404 is really gone."""

from __future__ import annotations

from dataclasses import replace

from recording_tasks.errors import Remedy
from recording_tasks.lifecycle.call import Answer, Refused
from recording_tasks.lifecycle.courses import again
from recording_tasks.lifecycle.endings import after_session, session_line
from recording_tasks.lifecycle.rules import Change, Moment, delay_after, freed
from recording_tasks.models import Entry, Recording, Session, SessionState, Step, Stopped

_GONE = frozenset({Remedy.SUSPECT, Remedy.EXITING, Remedy.SETTLED, Remedy.EMPTY})
_IN_VAIN = frozenset({Remedy.PARAMETERS, Remedy.REFUSED, Remedy.NEW_RESOURCE})


def reopened(recording: Recording, session: Session, at: Moment) -> Change:
    """Have it stopped once more: nobody wants it, and Agora says whether there is anything to stop.

    A query would ask the same, but none may follow a stop.
    """
    if session.recheck_at is None:
        return Change(recording=recording, session=session)
    session = replace(session, recheck_at=None)
    if session.state.is_final and session.sid is not None:
        session = replace(freed(session), step=Step.STOP, due_at=at.now, attempts=0)
    return Change(recording=recording, session=session)


def resumed(recording: Recording, session: Session, at: Moment) -> Change:
    """Let a recording go on, or end, that nothing attends to; it should never happen."""
    if recording.state.is_final or not session.state.is_final or session.step is not Step.REST:
        return Change(recording=recording, session=session)
    line = Entry(at=at.now, event="recording.resumed", session_number=session.number)
    change = after_session(recording, session, at)
    return replace(change, entries=(line, *change.entries))


def stray_stopped(recording: Recording, session: Session, at: Moment) -> Change:
    """Stop a session that runs though its recording is over; it should never happen."""
    is_stopping = session.stop_at is not None and session.stop_at <= at.now
    if not recording.state.is_final or not session.state.may_run or is_stopping:
        return Change(recording=recording, session=session)
    line = replace(session_line(session, at.now), event="session.stray_found")
    session = replace(session, stop_at=at.now)
    return Change(recording=recording, session=session, entries=(line,))


def rechecked(recording: Recording, session: Session, answer: Answer, at: Moment) -> Change:
    """Take in what the further stop of a session said that was given up for a 404."""
    if isinstance(answer, Stopped):
        return _had_run_on(recording, session, answer, at)
    if isinstance(answer, Refused) and _is_open(session, answer, at):
        is_long = session.attempts >= len(at.rules.call_delays)
        wait = delay_after(at.rules.call_delays, session.attempts + 1)
        wait = max(wait, at.rules.recheck_after) if is_long else wait
        kept = again(at, session, Step.STOP, answer, wait)
        return Change(recording=recording, session=replace(kept, reason=session.reason))
    return Change(recording=recording, session=replace(session, step=Step.REST))


def _is_open(session: Session, answer: Refused, at: Moment) -> bool:
    """Tell whether it may still run and be stopped: an outage says nothing, however long it is."""
    if answer.remedy in _GONE:
        return False
    if answer.remedy in _IN_VAIN:
        return session.attempts < len(at.rules.call_delays)
    return session.controllable_until is None or at.now < session.controllable_until


def _had_run_on(recording: Recording, session: Session, answer: Stopped, at: Moment) -> Change:
    session = replace(
        session,
        state=SessionState.STOPPED,
        step=Step.REST,
        ended_at=at.now,
        files=answer.files or session.files,
        upload_status=answer.upload_status or session.upload_status,
        reason="Agora had lost it and had it again: it ran on until now",
    )
    line = replace(session_line(session, at.now), event="session.found_running")
    return Change(recording=recording, session=session, entries=(line,))
