"""How a session ends, and whether its recording ends with it or goes on in another session."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from recording_tasks.lifecycle.rules import (
    Change,
    Moment,
    delay_after,
    freed,
    may_have_started,
    numbers_in,
)
from recording_tasks.models import (
    Entry,
    Mode,
    OnEarlyExit,
    Recording,
    RecordingState,
    Session,
    SessionState,
    Step,
)

_LONGEST_HOURS = 720  # Agora's bound on maxRecordingHour
NEVER_SEEN = (
    "Agora took the start, and the session was never seen to record; probable causes: wrong "
    "bucket keys, a bad transcodingConfig, a wrong or expired token, or nobody in the channel"
)


def finished(
    recording: Recording, session: Session, now: datetime, state: RecordingState, reason: str
) -> Change:
    """Bring the recording to a final state, with the reason a person will read."""
    recording = replace(recording, state=state, reason=reason, finished_at=now)
    entry = Entry(
        at=now,
        event=f"recording.{state.value}",
        session_number=session.number,
        facts={"reason": reason},
    )
    return Change(recording=recording, session=session, entries=(entry,))


def lapsed(recording: Recording, session: Session, at: Moment) -> Change:
    """Settle what needs no call: a window that passed, an unaccounted session's end.

    An answer that comes after it, to a call that was given up for lost, is a late one.
    """
    now = at.now
    may_run = session.state is SessionState.STARTING or may_have_started(session)
    session = replace(freed(session), epoch=session.epoch + 1)
    if session.state is SessionState.UNACCOUNTED:
        return _expired(recording, session, at)
    if may_run:
        return unheard(recording, session, at)
    why = session.reason or _never_begun(session, now)
    session = closed(session, SessionState.FAILED, now, why)
    change = _time_over(recording, session, now)
    return replace(change, entries=(session_line(session, now), *change.entries))


def _never_begun(session: Session, now: datetime) -> str:
    if session.start_by is not None and session.start_by <= now:
        return "nothing could start it as soon after its instant as was asked for"
    return "nothing could start it inside its window"


def _expired(recording: Recording, session: Session, at: Moment) -> Change:
    """Let an unaccounted session go; not while its recording goes on beyond what was assumed."""
    gone_by = surely_gone_by(recording, session, at)
    if not recording.state.is_final and gone_by > at.now:
        later = replace(session, gone_by=gone_by, due_at=gone_by)
        return Change(recording=recording, session=later)
    session = closed(session, SessionState.EXPIRED, at.now, "its idle time is over")
    line = session_line(session, at.now)
    return Change(recording=recording, session=session, entries=(line,))


def unaccounted(
    recording: Recording, session: Session, at: Moment, why: str = "its start got no answer"
) -> Change:
    """Keep a session on the books that runs without a sid, and go on with another uid.

    It cannot be queried or stopped without its sid; it ends by itself.  Each further one records
    the channel beside it: they are bounded as those that never record.
    """
    end = surely_gone_by(recording, session, at)
    session = replace(
        session,
        state=SessionState.UNACCOUNTED,
        step=Step.REST,
        gone_by=end,
        due_at=end,
        attempts=0,
        reason=f"{why} with a sid: it may run until its channel is empty",
    )
    line = session_line(session, at.now, uid=session.uid, resource_id=session.resource_id)
    change = after_session(recording, session, at)
    return replace(change, entries=(line, *change.entries))


def unheard(recording: Recording, session: Session, at: Moment) -> Change:
    """Keep a session on the books whose start nobody heard of, and never give up for it.

    An outage says nothing of the recording; further starts are spaced ever wider all the same.
    A web page's session cannot be left by everybody and so runs on for hours: there they count.
    """
    if session.mode is not Mode.WEB:
        most = max(0, at.rules.restarts_in_a_row - 2)  # the next may be one that never records
        recording = replace(recording, failed_in_a_row=min(recording.failed_in_a_row, most))
    return unaccounted(recording, session, at)


def surely_gone_by(recording: Recording, session: Session, at: Moment) -> datetime:
    """Tell when a session that nobody can stop is surely over.

    It ends when its channel has been empty for its idle time, which is taken to begin when the
    recording's own time is over; a web page is recorded for as many hours as the request says.
    """
    if session.mode is Mode.WEB:
        hours = numbers_in(recording.request, "maxRecordingHour")
        begin = session.start_sent_at or at.now
        return max(at.now, begin + timedelta(hours=max(hours, default=_LONGEST_HOURS)))
    idle = max(numbers_in(recording.request, "maxIdleTime"), default=None)
    idle_time = at.rules.idle_time if idle is None else timedelta(seconds=idle)
    return max(at.now, recording.stop_at or at.now) + idle_time


def ended(
    recording: Recording, session: Session, at: Moment, state: SessionState, reason: str
) -> Change:
    """End a session, and let its recording end or go on."""
    session = closed(session, state, at.now, reason)
    change = after_session(recording, session, at)
    return replace(change, entries=(session_line(session, at.now), *change.entries))


def after_session(recording: Recording, session: Session, at: Moment) -> Change:
    """Decide what one session's end means to its recording."""
    now = at.now
    if is_superseded(recording, session):
        return Change(recording=recording, session=session)
    has_recorded = session.confirmed_at is not None
    failed = 0 if has_recorded else recording.failed_in_a_row + 1
    recording = replace(
        recording,
        has_recorded=recording.has_recorded or has_recorded,
        failed_in_a_row=failed,
    )
    if recording.stop_at is not None and recording.stop_at <= now:
        return _time_over(recording, session, now)
    if has_recorded and recording.on_early_exit is OnEarlyExit.FINISH:
        why = f"ended early: {session.reason}"
        return finished(recording, session, now, RecordingState.STOPPED, why)
    if failed > at.rules.restarts_in_a_row:
        why = f"given up after {failed} sessions that never recorded; the last: {session.reason}"
        state = RecordingState.STOPPED if recording.has_recorded else RecordingState.FAILED
        return finished(recording, session, now, state, why)
    delay = delay_after(at.rules.restart_delays, recording.failed_in_a_row + 1)
    recording = replace(recording, state=RecordingState.STARTING)
    # Where its turn never comes, the recording ends for what ended the one before it.
    cause = None if recording.has_recorded else session.reason
    return succeeded(recording, session, at, max(now + delay, recording.start_at), cause)


def is_superseded(recording: Recording, session: Session) -> bool:
    """Tell whether the recording goes on, or went on, in a later session."""
    return recording.state.is_final or session.number < recording.session_count


def _time_over(recording: Recording, session: Session, now: datetime) -> Change:
    if recording.has_recorded:
        why = "stopped on request" if recording.is_called_off else "its time is over"
        return finished(recording, session, now, RecordingState.STOPPED, why)
    if recording.is_called_off:
        why = "called off before it recorded"
        return finished(recording, session, now, RecordingState.CANCELLED, why)
    if session.start_sent_at is None and recording.session_count <= 1:
        why = session.reason or "nothing could start it inside its window"
        return finished(recording, session, now, RecordingState.MISSED, why)
    why = session.reason or NEVER_SEEN
    return finished(recording, session, now, RecordingState.FAILED, why)


def succeeded(
    recording: Recording, session: Session, at: Moment, begin: datetime, why: str | None = None
) -> Change:
    """Let the recording go on in another session, with another uid."""
    number = recording.session_count + 1
    successor = Session(
        id=f"{recording.id}-{number}",
        recording_id=recording.id,
        number=number,
        app=session.app,
        channel=session.channel,
        mode=session.mode,
        uid=at.spare_uid,
        state=SessionState.PLANNED,
        step=Step.ACQUIRE,
        due_at=begin,
        start_at=begin,
        stop_at=recording.stop_at,
        start_by=None if recording.has_recorded else session.start_by,
        reason=why,
    )
    recording = replace(recording, session_count=number)
    facts = {"uid": at.spare_uid}
    entry = Entry(at=at.now, event="session.planned", session_number=number, facts=facts)
    return Change(recording=recording, session=session, successor=successor, entries=(entry,))


def closed(session: Session, state: SessionState, now: datetime, reason: str | None) -> Session:
    """Bring a session to a final state in which it needs nothing more."""
    return replace(
        session, state=state, step=Step.REST, ended_at=now, reason=reason, suspected_at=None
    )


def session_line(session: Session, now: datetime, **facts: str | int | None) -> Entry:
    """Write the timeline's line for the state a session has come to."""
    if session.reason is not None:
        facts["reason"] = session.reason
    return Entry(
        at=now,
        event=f"session.{session.state.value}",
        session_number=session.number,
        facts=facts,
    )
