"""What a session needs at one instant, and how early a herd must acquire."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter

from recording_tasks.lifecycle.rules import Rules, may_have_started
from recording_tasks.models import Session, SessionState, Step


def step_at(session: Session, now: datetime, rules: Rules) -> Step:
    """Decide what one session needs when it is looked at at one instant.

    A stop whose time has come outranks everything a running session wants.
    A session that was never started, and whose time is over, needs no call at all.  One whose
    start may have been carried out repeats it, however late: only so is its sid to be had.
    """
    is_over = session.stop_at is not None and session.stop_at <= now
    is_too_late = is_over or (session.start_by is not None and session.start_by <= now)
    state = SessionState.STARTING if may_have_started(session) else session.state
    match state:
        case SessionState.PLANNED:
            return Step.REST if is_too_late else Step.ACQUIRE
        case SessionState.ACQUIRED:
            if is_too_late:
                return Step.REST
            return Step.START if is_fresh(session, now, rules) else Step.ACQUIRE
        case SessionState.STARTING:
            return Step.START if is_fresh(session, now, rules) else Step.REST
        case SessionState.STARTED | SessionState.RECORDING:
            return Step.STOP if is_over else session.step
        case SessionState.STOPPING:
            return Step.STOP
        case SessionState.STOPPED | SessionState.ENDED:
            return session.step  # a stop once more, when its end was only guessed
        case SessionState.UNACCOUNTED | SessionState.FAILED | SessionState.EXPIRED:
            return Step.REST


def may_stop(session: Session) -> bool:
    """Tell whether a stop can be sent now: it runs, and no other call of it is under way."""
    is_running = session.state in {SessionState.STARTED, SessionState.RECORDING}
    return is_running and not session.is_sending


def is_fresh(session: Session, now: datetime, rules: Rules) -> bool:
    """Tell whether the session's resource may still be used for a start."""
    return session.acquired_at is not None and now - session.acquired_at <= rules.resource_use


def acquire_instants(
    starts: Sequence[tuple[datetime, bool]], spacing: timedelta, period: timedelta, rules: Rules
) -> list[datetime]:
    """Place the acquires of coming starts as late as the quota allows.

    A lone recording acquires `rules.acquire_lead` before its start.  Where many begin together,
    the acquires are laid before the block of starts, so that from the instant on the whole quota
    serves `start`: almost back to back and a little early, because an acquire that a busy machine
    delays beyond the instant waits for the end of the block.  None is laid so early that its
    resource would be too old.

    Args:
        starts: (start_at, needs_acquire) in the order of start_at; those that have a resource
            only take up a start's place.
        spacing: The time that one call takes of the quota.
        period: The time in which the quota renews itself; acquires keep it clear before a block,
            so that the block begins with a whole quota.

    Returns:
        One instant for each start that needs an acquire, in the same order.
    """
    begins = _queued([start_at for start_at, _ in starts], spacing)
    herds = _herds(begins, spacing, period)
    instants: list[datetime] = []
    free_until: datetime | None = None
    for index in range(len(starts) - 1, -1, -1):
        if not starts[index][1]:
            continue
        latest = begins[index] - rules.acquire_lead
        if free_until is not None:
            latest = min(latest, free_until - spacing * _ROOM)
        latest = _outside_herds(latest, herds, spacing, period + _STALL)
        oldest = begins[index] - rules.resource_use + _ACQUIRE_TAKES
        instants.append(max(latest, oldest))
        free_until = latest
    instants.reverse()
    return instants


_STALL = timedelta(seconds=1)  # so long nothing may leave, and no start loses its turn
_ROOM = 1.1  # what was delayed catches up among the others
_ACQUIRE_TAKES = timedelta(seconds=10)  # a resource laid this much younger than its limit is safe


def _queued(starts: list[datetime], spacing: timedelta) -> list[datetime]:
    """Give each start its turn: not before its instant, one spacing after the one before it."""
    begins: list[datetime] = []
    for start_at in starts:
        begins.append(max(start_at, begins[-1] + spacing) if begins else start_at)
    return begins


def _herds(
    begins: list[datetime], spacing: timedelta, period: timedelta
) -> list[tuple[datetime, datetime]]:
    """Find the unbroken blocks of starts that leave an acquire no room: begin and end of each.

    A few starts in a row are no herd: the quota of their period has room beside them.
    """
    herds: list[tuple[datetime, datetime]] = []
    first = 0
    for index in range(1, len(begins) + 1):
        if index < len(begins) and begins[index] - begins[index - 1] <= spacing:
            continue
        end = begins[index - 1] + spacing
        if end - begins[first] > period / 2:
            herds.append((begins[first], end))
        first = index
    return herds


def _outside_herds(
    instant: datetime,
    herds: list[tuple[datetime, datetime]],
    spacing: timedelta,
    period: timedelta,
) -> datetime:
    """Move an instant that falls into a herd of starts to a period before it."""
    index = bisect_right(herds, instant + spacing, key=itemgetter(0)) - 1
    while index >= 0 and instant < herds[index][1]:
        instant = min(instant, herds[index][0] - period)
        index -= 1
    return instant
