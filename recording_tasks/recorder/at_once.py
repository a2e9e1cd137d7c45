"""A call that is due when somebody asks for it, claimed before the next sweep."""

from __future__ import annotations

from datetime import datetime

from recording_tasks.limiter import reserve
from recording_tasks.models import Session, Step
from recording_tasks.recorder.claims import claimed_session, instant
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.ledger import held, keep
from recording_tasks.recorder.room import Room
from recording_tasks.store import Writing


def claim_at_once(
    context: Context,
    writing: Writing,
    session: Session,
    step: Step,
    *,
    due_at: datetime,
    now: datetime,
) -> Session:
    """Claim a call that is due now, not only at the next sweep; as given when it cannot."""
    settings = context.settings
    until = now + settings.horizon
    if due_at > until:
        return session
    pace, app = context.pace(session.app), session.app
    is_acquire = step is Step.ACQUIRE
    if not pace.rate and not (is_acquire and settings.app(app).max_sessions):
        return claimed_session(session, step, max(due_at, now), pace)
    quota = held(writing, settings, app)
    if quota.probe_at is not None:
        return session
    room = Room(writing=writing, quota=quota, now=now, settings=settings)
    if is_acquire and not room.is_left(app):
        return session
    slot, quota = reserve(quota, pace, step, due_at.timestamp(), now.timestamp())
    if instant(slot) > until:
        return session
    has_queued = instant(slot) > max(due_at, now)
    if is_acquire and has_queued and writing.is_behind(app, now):
        return session  # the sweep serves what is more urgent first, and what waits for longer
    keep(writing, settings, app, quota)
    is_probe = quota.is_probe(step)
    return claimed_session(session, step, instant(slot), pace, is_probe=is_probe)
