"""How due work is claimed, in order of urgency, with its slot in the quota."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from recording_tasks.lifecycle import is_relief_due, step_at
from recording_tasks.limiter import Pace, Wanted, allot
from recording_tasks.models import Session, SessionState, Step
from recording_tasks.recorder.heeding import obstacle
from recording_tasks.recorder.ledger import hold, keep
from recording_tasks.recorder.planning import Plans
from recording_tasks.recorder.room import Room
from recording_tasks.settings import Settings
from recording_tasks.store import Work, Writing

# A claim that nobody took is claimed anew so long after its slot: its message was lost, or waits.
_GRACE = timedelta(seconds=1.5)
_GRACE_WITHOUT_QUOTA = timedelta(seconds=15)  # nothing bounds the messages that wait before it
_LONGEST_GRACE = timedelta(seconds=60)
CHAIN_WITHIN = timedelta(seconds=5)  # longer waits for a start are rows, never messages
_MOST_WITHOUT_QUOTA = 400  # of a lane
_SPARE = 100  # some of what is read needs no call
_UNKNOWN = {Step.START: SessionState.STARTING, Step.STOP: SessionState.STOPPING}
_RUNS = frozenset({SessionState.STARTED, SessionState.RECORDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A claimed call, to be sent to a worker as a task.

    Attributes:
        claim: Names the session and the epoch that the task may act under.
        slot_at: When the call may leave; the task waits for it.
        expires_at: A message older than this has been replaced by another.
        start_at: With it, the start follows the acquire as a chain, not before this instant.
    """

    recording_id: str
    step: Step
    claim: str
    slot_at: datetime
    expires_at: datetime
    start_at: datetime | None = None

    @property
    def start_claim(self) -> str:
        """Name the claim that acquire's answer gives to the start that follows it."""
        number, epoch = self.claim.split(".")
        return f"{number}.{int(epoch) + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What one look at an app brought.

    Attributes:
        lapsed: Ids of sessions that need a decision and no call: their time went by, or another
            one must relieve them.
        obstacle: What held back the app's calls, for people.
    """

    dispatches: tuple[Dispatch, ...] = ()
    lapsed: tuple[str, ...] = ()
    obstacle: str | None = None


def instant(seconds: float) -> datetime:
    """Turn Unix seconds into an aware instant."""
    return datetime.fromtimestamp(seconds, UTC)


def claim_due(
    writing: Writing,
    work: Work,
    pace: Pace,
    now: datetime,
    settings: Settings,
    *,
    plans: Plans,
    last_lane: int = Step.REST.lane,
) -> Claims:
    """Claim what one app's quota can carry until the horizon.

    Nothing is claimed while somebody else does the same for this app.  A backlog costs no more
    than what the quota can carry of it.

    Args:
        plans: Those of this sweep.
        last_lane: What is less urgent than that is left for another look at the app.
    """
    quota = hold(writing, settings, work.app, patiently=False)
    if quota is None:
        return Claims()
    is_whole = last_lane >= Step.ACQUIRE.lane
    planned: dict[str, datetime] = {}
    until = looked_at_until(now, settings)
    if work.has_starts and is_whole and quota.spacing(pace):
        ahead = plans.acquires(writing, work.app, quota, pace, now)
        planned = {session_id: at for session_id, at in ahead.items() if at <= until}
    most = _most_of_a_lane(pace, settings)
    sessions = _looked_at(writing, work.app, planned, now=now, until=until, most=most)
    lapsed = {key for key, session in sessions.items() if is_lapsed(session, now, settings)}
    wanted = [
        call
        for key, session in sessions.items()
        if key not in lapsed
        and (call := _wanted(session, now, until, planned, settings)) is not None
        and call.lane <= last_lane
    ]
    room = Room(writing=writing, quota=quota, now=now, settings=settings)
    admitted = room.admit(wanted, sessions)
    allotment = allot(quota, pace, admitted, now.timestamp(), settings.horizon.total_seconds())
    steps = {call.key: call.step for call in wanted}
    is_probe = {step: quota.is_probe(step) for step in Step}
    claimed = [
        claimed_session(
            sessions[key], steps[key], instant(slot), pace, is_probe=is_probe[steps[key]]
        )
        for key, slot in allotment.slots.items()
    ]
    writing.claim([(sessions[session.id], session) for session in claimed])
    if claimed or allotment.quota != quota:
        keep(writing, settings, work.app, allotment.quota)
    return Claims(
        dispatches=tuple(dispatch_of(session) for session in claimed),
        lapsed=tuple(lapsed) if is_whole else (),
        obstacle=obstacle(quota),
    )


def _looked_at(
    writing: Writing,
    app: str,
    planned: Mapping[str, datetime],
    *,
    now: datetime,
    until: datetime,
    most: int,
) -> dict[str, Session]:
    """Read and hold what is due soon, and what must acquire although its own instant is far."""
    sessions = {session.id: session for session in writing.due(app, now, until, most)}
    early = [session_id for session_id in planned if session_id not in sessions]
    if early:
        sessions |= {session.id: session for session in writing.sessions_by_id(early, now, most)}
    return sessions


def looked_at_until(now: datetime, settings: Settings) -> datetime:
    """Tell until when calls are looked at: what comes just after the horizon takes part, too."""
    pace = Pace(margin=settings.margin.total_seconds())
    return now + settings.horizon + timedelta(seconds=pace.period)


def _most_of_a_lane(pace: Pace, settings: Settings) -> int:
    """Read what the quota could carry of one lane alone, twice, and some."""
    if not pace.rate:
        return _MOST_WITHOUT_QUOTA
    seconds = settings.horizon.total_seconds() + pace.period
    return _SPARE + 2 * math.ceil(seconds / pace.spacing)


def claimed_session(
    session: Session, step: Step, slot_at: datetime, pace: Pace, *, is_probe: bool = False
) -> Session:
    """Give a session's step to whoever takes it first, at one slot.

    A start or stop whose worker died may have been carried out: its outcome is unknown.
    """
    is_in_doubt = session.is_sending and not session.state.is_final
    unknown = _UNKNOWN.get(session.claimed) if is_in_doubt and session.claimed else None
    return replace(
        session,
        state=unknown or session.state,
        epoch=session.epoch + 1,
        claimed=step,
        slot_at=slot_at,
        lease_until=slot_at + _grace(session, pace),
        is_sending=False,
        is_probe=is_probe,
    )


def _grace(session: Session, pace: Pace) -> timedelta:
    """Wait twice as long each time nobody took it: workers that are behind get no more to do."""
    shortest = _GRACE if pace.rate else _GRACE_WITHOUT_QUOTA
    if session.claimed is None or session.is_sending:
        return shortest
    if session.slot_at is None or session.lease_until is None:
        return shortest
    # By what it waited, not by the time since: an outage of everything is nobody's being behind.
    return min(_LONGEST_GRACE, max(shortest, 2 * (session.lease_until - session.slot_at)))


def dispatch_of(session: Session) -> Dispatch:
    """Make the message of a claimed session."""
    slot_at, step = session.slot_at, session.claimed
    assert slot_at is not None  # noqa: S101 - claimed_session sets both
    assert step is not None  # noqa: S101
    is_soon = step is Step.ACQUIRE and session.start_at - slot_at <= CHAIN_WITHIN
    return Dispatch(
        recording_id=session.recording_id,
        step=step,
        claim=f"{session.number}.{session.epoch}",
        slot_at=slot_at,
        expires_at=session.lease_until or slot_at,
        start_at=session.start_at if is_soon else None,
    )


def _wanted(
    session: Session,
    now: datetime,
    until: datetime,
    planned: dict[str, datetime],
    settings: Settings,
) -> Wanted | None:
    step = step_at(session, now, settings.rules)
    due_at = session.due_at
    if session.attempts == 0 and session.reason is None:  # a repetition keeps its own distance
        due_at = planned.get(session.id, due_at)
    stop_at = session.stop_at
    if stop_at is not None and session.state in _RUNS and step is not Step.STOP:
        must_be_free = stop_at - settings.rules.query_gap  # a query beside a stop spoils its answer
        if max(due_at, now) > must_be_free:
            step, due_at = Step.STOP, stop_at
    # One whose stop is in doubt waits for it under its old step, until an answer is written.
    is_first = session.state in _RUNS or session.step is not Step.STOP
    if step is Step.STOP and stop_at is not None and is_first:
        due_at = stop_at
    if step is Step.REST or due_at > until:
        return None
    return Wanted(
        key=session.id,
        step=step,
        not_before=due_at.timestamp(),
        is_awaited=step is Step.QUERY and session.is_awaited,
    )


def is_lapsed(session: Session, now: datetime, settings: Settings) -> bool:
    """Tell whether a session's time went by without need of a call, or another must relieve it."""
    if is_relief_due(session, now, settings.rules):
        return True
    if step_at(session, now, settings.rules) is not Step.REST:
        return False
    if session.state is SessionState.UNACCOUNTED:
        return session.due_at <= now
    return not session.state.is_final
