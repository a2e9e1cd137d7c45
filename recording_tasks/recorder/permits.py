"""The slots of one call in its app's quota: when it may leave, and when it must not any more."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from recording_tasks.errors import RecordingError
from recording_tasks.lifecycle import freed
from recording_tasks.limiter import Pace, reserve
from recording_tasks.models import Session, Step
from recording_tasks.recorder.claims import instant
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.heeding import asked_again_soon
from recording_tasks.recorder.ledger import held, keep
from recording_tasks.store import Writing

log = logging.getLogger(__name__)

_EARLY = timedelta(seconds=2)  # a task that comes earlier than this before its slot is dropped


class LostError(RecordingError):
    """The claim went to somebody else while we waited: nothing may be sent any more."""


class Permits:
    """The slots of one call: the claimed one first, a new one for every repeat."""

    def __init__(self, context: Context, session: Session, step: Step) -> None:
        self._context, self._session, self._step = context, session, step
        self._slot: datetime | None = session.slot_at
        self.used: datetime | None = None

    def next(self) -> None:
        """Wait for a slot.

        Raises:
            LostError: The slot is too far away, or the session went to somebody else.
        """
        pace = self._context.pace(self._session.app)
        slot, self._slot = self._slot, None
        if slot is None:
            slot = self._another(pace, None)
        while True:
            wait = (slot - self._context.store.now()).total_seconds()
            if wait > 0:
                self._context.sleep(wait)
            # Also after the wait: who was frozen in it must not send what another has sent.
            if not self._is_missed(slot, pace):
                self.used = slot
                return
            slot = self._another(pace, slot)

    def _is_missed(self, slot: datetime, pace: Pace) -> bool:
        late = self._context.store.now() - slot
        if late <= (timedelta(seconds=pace.tolerance) if pace.rate else _EARLY):
            return False
        late_ms = round(late.total_seconds() * 1000)
        session_id, step = self._session.id, self._step.value
        log.info("slot.missed session=%s step=%s late_ms=%d", session_id, step, late_ms)
        return True

    def _another(self, pace: Pace, unused: datetime | None) -> datetime:
        """Take another slot and hold the session for longer; give it back when that is far."""
        session = self._session
        now = self._context.store.now()
        clock = now.timestamp()
        with self._context.store.writing() as writing:
            quota = held(writing, self._context.settings, session.app)
            if unused is not None:
                quota = quota.without(unused.timestamp())
            slot, reserved = reserve(quota, pace, self._step, clock, clock)
            slot_at = instant(slot)
            if slot_at > now + _EARLY:
                _give_back(writing, session)
                if session.is_probe:
                    quota = asked_again_soon(quota, now)
                    keep(writing, self._context.settings, session.app, quota)
            elif writing.renew(
                session.id, session.epoch, slot_at + self._context.lease(self._step)
            ):
                keep(writing, self._context.settings, session.app, reserved)
                return slot_at
        raise LostError


def _give_back(writing: Writing, session: Session) -> None:
    before = writing.session(session.id)
    if before is not None and before.epoch == session.epoch:
        writing.save_session(before, replace(freed(before), epoch=before.epoch + 1))
