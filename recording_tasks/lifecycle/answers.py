"""What an answer of Agora makes of a session and its recording, for every step."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from recording_tasks.errors import Remedy
from recording_tasks.lifecycle.call import Answer, Call, Refused
from recording_tasks.lifecycle.courses import (
    NOTHING_RECORDED,
    early_exit,
    heard,
    on_course,
    stop_settled,
    told,
)
from recording_tasks.lifecycle.endings import (
    NEVER_SEEN,
    is_superseded,
    session_line,
    unaccounted,
)
from recording_tasks.lifecycle.rechecks import rechecked
from recording_tasks.lifecycle.refusals import refused
from recording_tasks.lifecycle.relief import ends_at
from recording_tasks.lifecycle.rules import (
    Change,
    Moment,
    Signal,
    delay_after,
    freed,
    numbers_in,
)
from recording_tasks.models import (
    Acquired,
    Observed,
    Recording,
    RecordingState,
    Session,
    SessionState,
    Started,
    Step,
    Stopped,
    Updated,
)

_RECORDS = frozenset({4, 5})
_LEAVES = {6: "it was asked to stop", 7: "it stopped", 8: "it exited", 20: "it exited abnormally"}
_PUNCTUAL_SECONDS = 2  # a start that is later says so
_WEB_RECORDER = "web_recorder_service"
_SIGNALS = {
    Remedy.SLOW_DOWN: Signal.SLOW_DOWN,
    Remedy.OVERLOADED: Signal.OVERLOADED,
    Remedy.CREDENTIALS: Signal.CLOSED,
    Remedy.ACCOUNT: Signal.CLOSED,
}
# Only the service itself answers so: it has let us in.
_LET_IN = frozenset(
    {Remedy.SUSPECT, Remedy.SETTLED, Remedy.EXITING, Remedy.OTHER_UID, Remedy.PARAMETERS}
)


def settle(recording: Recording, session: Session, call: Call, at: Moment) -> Change:
    """Apply the answer to one call; the session is free for its next step afterwards.

    The recording and the session are taken as they stand now, edits made during the call
    included: an edit never loses against an answer, nor an answer against an edit.
    """
    session = freed(session)
    if session.state.is_final:
        signal = _signal_of(call.answer)
        return replace(rechecked(recording, session, call.answer, at), signal=signal)
    is_repeat = call.step is session.step  # tries of another step do not count for this one
    if isinstance(call.answer, Refused):
        session = replace(session, attempts=session.attempts if is_repeat else 0)
        change = refused(at, recording, session, call, call.answer)
        return replace(change, signal=_signal_of(call.answer))
    session = replace(session, attempts=0)
    asked_at = call.asked_at or at.now
    match call.answer:
        case Acquired():
            change = _acquired(at, recording, session, call.answer, asked_at)
        case Started():
            change = _started(
                at,
                recording,
                session,
                call.answer,
                token_lifetime=call.token_lifetime,
                asked_at=asked_at,
            )
        case Observed():
            change = _observed(at, recording, session, call.answer, asked_at)
        case Updated():
            change = _updated(at, recording, session, call)
        case Stopped():
            change = _stopped(at, recording, session, call.answer)
    return replace(change, signal=Signal.FINE)


def _signal_of(answer: Answer) -> Signal | None:
    if not isinstance(answer, Refused):
        return Signal.FINE
    is_let_in = answer.remedy in _LET_IN or answer.is_coded
    return _SIGNALS.get(answer.remedy, Signal.FINE if is_let_in else None)


def _acquired(
    at: Moment, recording: Recording, session: Session, answer: Acquired, asked_at: datetime
) -> Change:
    session = replace(
        session,
        state=SessionState.ACQUIRED,
        resource_id=answer.resource_id,
        acquired_at=asked_at,  # not when it is written: that may be much later
        step=Step.START,
        due_at=max(session.start_at, at.now),
        reason=None,
    )
    return told(at, _starting(recording), session)


def _starting(recording: Recording) -> Recording:
    """Show that it begins, unless another of its sessions records meanwhile."""
    if recording.state is RecordingState.RECORDING:
        return recording
    return replace(recording, state=RecordingState.STARTING)


def _started(
    at: Moment,
    recording: Recording,
    session: Session,
    answer: Started,
    *,
    token_lifetime: timedelta | None,
    asked_at: datetime,
) -> Change:
    if answer.sid is None:
        return unaccounted(recording, session, at)
    hours = max(numbers_in(recording.request, "resourceExpiredHour"), default=None)
    control = at.rules.control_time if hours is None else timedelta(hours=hours)
    controllable_until = asked_at + control  # not from when it is written: that may be much later
    late = round((at.now - session.start_at).total_seconds())
    facts = {"late_seconds": late} if late > _PUNCTUAL_SECONDS else {}
    session = replace(
        session,
        state=SessionState.STARTED,
        sid=answer.sid,
        started_at=at.now,
        controllable_until=controllable_until,
        ends_at=ends_at(session, asked_at, controllable_until, token_lifetime),
        step=Step.QUERY,
        due_at=at.now + at.rules.first_query,
        reason=None,
    )
    return told(at, _starting(recording), session, sid=answer.sid, uid=session.uid, **facts)


def _observed(
    at: Moment, recording: Recording, session: Session, answer: Observed, asked_at: datetime
) -> Change:
    session = replace(
        session,
        status=answer.status,
        files=answer.files or session.files,
        queried_at=at.now,
        suspected_at=None,
        reason=None,
    )
    page = answer.services.get(_WEB_RECORDER)  # a CDN push may exit while its page is recorded
    if answer.status in _LEAVES or page == "exit":
        why = _LEAVES.get(answer.status or 0, "its web page recorder exited")
        return early_exit(at, recording, session, f"Agora says that {why}")
    is_recording = answer.status in _RECORDS or page == "inProgress"
    if is_recording and session.confirmed_at is None:
        session = replace(session, state=SessionState.RECORDING, confirmed_at=at.now)
        if not recording.state.is_final:  # one that was relieved may outlive it by a moment
            recording = replace(
                recording, state=RecordingState.RECORDING, has_recorded=True, failed_in_a_row=0
            )
        return told(at, recording, on_course(at, recording, session))
    if session.confirmed_at is None:
        return _not_yet(at, recording, session, asked_at)
    return Change(recording=recording, session=on_course(at, recording, session))


def _not_yet(at: Moment, recording: Recording, session: Session, asked_at: datetime) -> Change:
    """Ask again until the time to begin is over; then stop it and go on with another uid.

    Only one that was asked for after that time proves it: an answer may be kept for minutes.
    """
    began = session.started_at or at.now
    until = began + at.rules.confirm_within
    if asked_at >= until:
        session = replace(session, state=SessionState.STOPPING, step=Step.STOP, is_given_up=True)
        session = replace(session, due_at=at.now, reason=NEVER_SEEN)
        return told(at, recording, session)
    tries = 2 + sum(
        began + at.rules.first_query + delay <= at.now for delay in at.rules.confirm_delays
    )
    left = max(until - at.now, timedelta(0))
    wait = min(delay_after(at.rules.confirm_delays, tries - 1), left)
    return Change(
        recording=recording,
        session=replace(session, step=Step.QUERY, due_at=at.now + wait),
    )


def _updated(at: Moment, recording: Recording, session: Session, call: Call) -> Change:
    session = replace(heard(session, call.step, call.version), suspected_at=None)
    event = "session.updated" if call.step is Step.UPDATE else "session.layout_updated"
    line = replace(session_line(session, at.now, version=call.version), event=event)
    session = on_course(at, recording, session)
    return Change(recording=recording, session=session, entries=(line,))


def _stopped(at: Moment, recording: Recording, session: Session, answer: Stopped) -> Change:
    session = replace(
        session,
        files=answer.files or session.files,
        upload_status=answer.upload_status or session.upload_status,
    )
    why = NOTHING_RECORDED if answer.is_empty else None
    return stop_settled(at, recording, session, SessionState.STOPPED, why)


def sid_learned(
    recording: Recording,
    session: Session,
    sid: str,
    at: Moment,
    token_lifetime: timedelta | None = None,
) -> Change:
    """Take in the sid of a session whose start had got no answer with one.

    A session that was replaced meanwhile is stopped; otherwise it is the recording's own.
    """
    session = replace(freed(session), epoch=session.epoch + 1)
    if session.state is SessionState.UNACCOUNTED or is_superseded(recording, session):
        session = replace(
            session,
            state=SessionState.STOPPING,
            sid=sid,
            step=Step.STOP,
            due_at=at.now,
            started_at=session.started_at or at.now,
            ended_at=None,
            controllable_until=at.now + at.rules.control_time,
            attempts=0,
            is_given_up=True,
            gone_by=None,
        )
        return told(at, recording, session, sid=sid, uid=session.uid)
    session = replace(session, attempts=0)
    return _started(
        at,
        recording,
        session,
        Started(sid=sid),
        token_lifetime=token_lifetime,
        asked_at=session.start_sent_at or at.now,
    )
