"""How a session goes on from one call to the next, and how its stop is settled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from recording_tasks.lifecycle.call import Refused
from recording_tasks.lifecycle.endings import (
    NEVER_SEEN,
    closed,
    ended,
    finished,
    is_superseded,
    session_line,
)
from recording_tasks.lifecycle.relief import needs_relief, relief_at
from recording_tasks.lifecycle.rules import Change, Moment
from recording_tasks.models import Recording, RecordingState, Session, SessionState, Step

NOTHING_RECORDED = "nothing was recorded: nobody sent a stream"
_REPLACED = "it was stopped because another session had taken its place"


def on_course(at: Moment, recording: Recording, session: Session) -> Session:
    """Plan the next step of a session that runs: what it has not heard yet, else a query."""
    if session.update_version < recording.update_version:
        return replace(session, step=Step.UPDATE, due_at=at.now)
    if session.layout_version < recording.layout_version:
        return replace(session, step=Step.UPDATE_LAYOUT, due_at=at.now)
    return replace(session, step=Step.QUERY, due_at=next_look(at, session))


def next_look(at: Moment, session: Session) -> datetime:
    """Tell when a session that runs is to be asked about, whatever else it waits for."""
    if session.confirmed_at is None:
        began = session.started_at or at.now
        return max(at.now, began + at.rules.first_query)
    due_at = (session.queried_at or at.now) + at.rules.query_every
    if needs_relief(session, at.rules):
        due_at = min(due_at, relief_at(session, at.rules))
    return max(at.now, due_at)


def heard(session: Session, step: Step, version: int) -> Session:
    """Remember up to which accepted update Agora has been told."""
    if step is Step.UPDATE:
        return replace(session, update_version=max(session.update_version, version))
    return replace(session, layout_version=max(session.layout_version, version))


def again(
    at: Moment,
    session: Session,
    step: Step,
    answer: Refused,
    wait: timedelta,
    *,
    counts: bool = True,
) -> Session:
    """Plan the same step once more, after a wait."""
    return replace(
        session,
        step=step,
        due_at=at.now + wait,
        attempts=session.attempts + int(counts),
        reason=answer.reason,
    )


def told(at: Moment, recording: Recording, session: Session, **facts: str | int | None) -> Change:
    """Write the state that the session has come to into the timeline."""
    return Change(
        recording=recording,
        session=session,
        entries=(session_line(session, at.now, **facts),),
    )


def noted(
    at: Moment, recording: Recording, session: Session, event: str, answer: Refused
) -> Change:
    """Write an answer that matters to people into the timeline."""
    line = replace(session_line(session, at.now, reason=answer.reason), event=event)
    return Change(recording=recording, session=session, entries=(line,))


def unless_repeated(change: Change, before: Session) -> Change:
    """Leave the timeline as it is when the last answer was the same: an outage is long."""
    return replace(change, entries=()) if before.reason == change.session.reason else change


def early_exit(at: Moment, recording: Recording, session: Session, reason: str) -> Change:
    """End a session that ended without us."""
    return ended(recording, session, at, SessionState.ENDED, reason)


def stop_settled(
    at: Moment, recording: Recording, session: Session, state: SessionState, reason: str | None
) -> Change:
    """End a session after its stop, and with it the recording unless it is to be replaced."""
    if session.is_given_up or is_superseded(recording, session):
        is_replaced = is_superseded(recording, session)
        return ended(recording, session, at, state, _REPLACED if is_replaced else NEVER_SEEN)
    session = closed(session, state, at.now, reason)
    line = session_line(session, at.now, files=len(session.files))
    has_recorded = recording.has_recorded or session.confirmed_at is not None
    recording = replace(recording, has_recorded=has_recorded)
    if state is SessionState.ENDED and not has_recorded and not session.files:
        change = finished(recording, session, at.now, RecordingState.FAILED, NEVER_SEEN)
    else:
        on_time = "stopped on request" if recording.is_called_off else "stopped on time"
        change = finished(recording, session, at.now, RecordingState.STOPPED, reason or on_time)
    return replace(change, entries=(line, *change.entries))
