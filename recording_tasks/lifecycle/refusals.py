"""What an answer that is not a success, or none at all, makes of a session."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from recording_tasks.errors import Remedy
from recording_tasks.lifecycle.call import Call, Refused
from recording_tasks.lifecycle.courses import (
    NOTHING_RECORDED,
    again,
    early_exit,
    heard,
    next_look,
    noted,
    on_course,
    stop_settled,
    unless_repeated,
)
from recording_tasks.lifecycle.endings import (
    NEVER_SEEN,
    closed,
    ended,
    finished,
    is_superseded,
    session_line,
    surely_gone_by,
    unaccounted,
    unheard,
)
from recording_tasks.lifecycle.rules import Change, Moment, delay_after
from recording_tasks.lifecycle.steps import is_fresh
from recording_tasks.models import Recording, RecordingState, Session, SessionState, Step

_EXITING = "Agora says that it is exiting"
_AT_ONCE = timedelta(0)


def refused(
    at: Moment, recording: Recording, session: Session, call: Call, answer: Refused
) -> Change:
    """Apply an answer that is not a success, by its remedy and by what was called."""
    step = call.step
    if answer.remedy in {Remedy.CREDENTIALS, Remedy.ACCOUNT, Remedy.SLOW_DOWN}:
        return _held_up(at, recording, session, step, answer)
    match step:
        case Step.ACQUIRE:
            return _acquire_refused(at, recording, session, answer)
        case Step.START:
            return _start_refused(at, recording, session, answer)
        case Step.STOP:
            return _stop_refused(at, recording, session, call, answer)
        case Step.UPDATE | Step.UPDATE_LAYOUT:
            return _update_refused(at, recording, session, call, answer)
        case Step.QUERY | Step.REST:
            return _query_refused(at, recording, session, call, answer)


def _held_up(
    at: Moment, recording: Recording, session: Session, step: Step, answer: Refused
) -> Change:
    """The whole app must wait; the call was not carried out and keeps its place."""
    if step is Step.STOP:
        session = replace(session, state=SessionState.STOPPING)
    if step is Step.START and session.state is SessionState.ACQUIRED:
        session = replace(session, start_sent_at=None)
    wait = at.rules.call_delays[0]
    session = again(at, session, step, answer, wait, counts=False)
    return Change(recording=recording, session=session)


def _acquire_refused(at: Moment, recording: Recording, session: Session, answer: Refused) -> Change:
    match answer.remedy:
        case Remedy.PARAMETERS | Remedy.REFUSED:
            return _hopeless(at, recording, session, answer)
        case Remedy.OVERLOADED:
            wait = at.rules.overload_wait
        case _:
            wait = delay_after(at.rules.call_delays, session.attempts + 1)
    after = again(at, session, Step.ACQUIRE, answer, wait)
    change = noted(at, recording, after, "session.acquire_refused", answer)
    return unless_repeated(change, session)


def _start_refused(at: Moment, recording: Recording, session: Session, answer: Refused) -> Change:
    may_run = answer.may_have_run or session.state is SessionState.STARTING
    match answer.remedy:
        case Remedy.PARAMETERS | Remedy.REFUSED if not may_run:
            return _hopeless(at, recording, session, answer)
        case Remedy.OTHER_UID if not may_run and _is_others_uid(recording, session):
            return ended(recording, session, at, SessionState.FAILED, answer.reason)
        case Remedy.OTHER_UID:  # an earlier start of it worked
            return unaccounted(
                recording, session, at, "its uid records already, and no answer came"
            )
        case Remedy.NEW_RESOURCE if not may_run:
            if is_fresh(session, at.now, at.rules):  # else it was not sent
                session = replace(session, gone_by=surely_gone_by(recording, session, at))
            return _with_new_resource(at, recording, session, answer)
        case Remedy.SAME_RESOURCE | Remedy.SAME_AGAIN | Remedy.OVERLOADED:
            return _start_again(at, recording, session, answer, may_run=may_run)
        case Remedy.RUNS_ALREADY:
            return unaccounted(recording, session, at)
        case _ if may_run:
            return unheard(recording, session, at)
        case _:
            return _hopeless(at, recording, session, answer)


def _is_others_uid(recording: Recording, session: Session) -> bool:
    """Tell whether another's session has the uid: nobody else has one that we chose.

    Where Agora refused a start of the caller's uid before, that one may have worked after all.
    """
    return session.uid == recording.uid and session.gone_by is None


def _start_again(
    at: Moment, recording: Recording, session: Session, answer: Refused, *, may_run: bool
) -> Change:
    """Repeat with the same resource: it tells a start that worked from one that did not."""
    delays = at.rules.start_delays if may_run else at.rules.call_delays
    if may_run and session.state is not SessionState.STARTING:
        session = replace(session, attempts=0)  # until now nothing had reached Agora
    if session.attempts >= len(delays):
        if may_run:
            return unheard(recording, session, at)
        return _with_new_resource(at, recording, session, answer)
    wait = delay_after(delays, session.attempts + 1)
    session = again(at, session, Step.START, answer, wait)
    if may_run:
        session = replace(session, state=SessionState.STARTING)
    else:
        session = replace(session, state=SessionState.ACQUIRED, start_sent_at=None)
    return noted(at, recording, session, "session.start_unanswered", answer)


def _with_new_resource(
    at: Moment, recording: Recording, session: Session, answer: Refused
) -> Change:
    """Acquire anew: at once when only the ticket was stale, else the later the longer it takes.

    Acquire works meanwhile, so its tries in a row say nothing of how often the start failed.
    """
    delays = at.rules.call_delays
    wait = delays[0]
    if is_fresh(session, at.now, at.rules):
        wait = min(max(wait, (at.now - session.start_at) / 3), delays[-1])
    session = again(at, session, Step.ACQUIRE, answer, wait)
    session = replace(
        session,
        state=SessionState.PLANNED,
        resource_id=None,
        acquired_at=None,
        start_sent_at=None,
    )
    return noted(at, recording, session, "session.resource_dropped", answer)


def _query_refused(
    at: Moment, recording: Recording, session: Session, call: Call, answer: Refused
) -> Change:
    if answer.remedy is Remedy.EXITING:
        return early_exit(at, recording, session, _EXITING)
    if answer.remedy is Remedy.SUSPECT:
        return _suspected(at, recording, session, call, answer)
    if answer.remedy in {Remedy.PARAMETERS, Remedy.REFUSED}:
        wait = at.rules.query_every
    else:
        wait = delay_after(at.rules.failover_delays, session.attempts + 1)
    after = again(at, session, Step.QUERY, answer, wait)
    change = noted(at, recording, after, "session.query_refused", answer)
    return unless_repeated(change, session)


def _update_refused(
    at: Moment, recording: Recording, session: Session, call: Call, answer: Refused
) -> Change:
    step = call.step
    if answer.remedy is Remedy.SUSPECT:
        return _suspected(at, recording, session, call, answer)
    if answer.remedy is Remedy.EXITING:
        return early_exit(at, recording, session, _EXITING)
    if answer.remedy in {Remedy.PARAMETERS, Remedy.REFUSED}:
        session = on_course(at, recording, heard(session, step, call.version))
        return noted(at, recording, session, f"session.{step.value}_refused", answer)
    wait = delay_after(at.rules.call_delays, session.attempts + 1)
    after = again(at, session, step, answer, wait)
    if (look_at := next_look(at, session)) <= after.due_at:  # the update comes after it
        after = replace(after, step=Step.QUERY, due_at=look_at)
    return Change(recording=recording, session=after)


def _stop_refused(
    at: Moment, recording: Recording, session: Session, call: Call, answer: Refused
) -> Change:
    session = replace(session, state=SessionState.STOPPING)
    if not session.is_given_up and not is_superseded(recording, session):
        recording = replace(recording, state=RecordingState.STOPPING)
    if answer.remedy in {Remedy.SETTLED, Remedy.EMPTY}:
        why = NOTHING_RECORDED if answer.remedy is Remedy.EMPTY else None
        return stop_settled(at, recording, session, SessionState.STOPPED, why)
    if answer.remedy in {Remedy.SUSPECT, Remedy.EXITING}:
        if session.stop_reached:
            return stop_settled(at, recording, _doubted(at, session), SessionState.STOPPED, None)
        return _suspected(at, recording, session, call, answer)
    if session.controllable_until is not None and at.now >= session.controllable_until:
        why = f"it could not be stopped while Agora let us: {answer.reason}"
        return stop_settled(at, recording, session, SessionState.ENDED, why)
    wait = delay_after(at.rules.stop_delays, session.attempts + 1)
    after = replace(
        again(at, session, Step.STOP, answer, wait),
        stop_reached=session.stop_reached or answer.was_reached,
        suspected_at=None,
    )
    change = noted(at, recording, after, "session.stop_unsettled", answer)
    return unless_repeated(change, session)


def _suspected(
    at: Moment, recording: Recording, session: Session, call: Call, answer: Refused
) -> Change:
    """A 404 is a suspicion until the failover window is over, then the session is gone.

    Only one that was asked for after the window proves it: an answer may be kept for minutes.
    """
    step = call.step
    since = session.suspected_at or at.now
    until = since + at.rules.failover
    if (call.asked_at or at.now) >= until:
        session = _doubted(at, session)
        if step is Step.STOP:
            why = "it had ended before its stop"
            return stop_settled(at, recording, session, SessionState.ENDED, why)
        if session.confirmed_at is None:
            return early_exit(at, recording, session, NEVER_SEEN)
        why = (
            "Agora does not know it any more; probable causes: an empty channel (idle exit), "
            "an expired token, or an abnormal end"
        )
        return early_exit(at, recording, session, why)
    wait = delay_after(at.rules.failover_delays, session.attempts + 1)
    session = again(at, session, step, answer, min(wait, max(until - at.now, _AT_ONCE)))
    is_new = session.suspected_at is None
    session = replace(session, suspected_at=since)
    if not is_new:
        return Change(recording=recording, session=session)
    return noted(at, recording, session, "session.suspected", answer)


def _doubted(at: Moment, session: Session) -> Session:
    """Have Agora asked once more, later: one that went by a 404 may come back."""
    return replace(session, recheck_at=at.now + at.rules.recheck_after)


def _hopeless(at: Moment, recording: Recording, session: Session, answer: Refused) -> Change:
    """What was sent is wrong: no repetition can help, a person has to change it."""
    session = closed(session, SessionState.FAILED, at.now, answer.reason)
    line = session_line(session, at.now)
    if is_superseded(recording, session):
        return Change(recording=recording, session=session, entries=(line,))
    state = RecordingState.STOPPED if recording.has_recorded else RecordingState.FAILED
    change = finished(recording, session, at.now, state, answer.reason)
    return replace(change, entries=(line, *change.entries))
