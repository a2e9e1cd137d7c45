"""How a recording is accepted: checked, stored once for its key, and begun where it is due."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recording_tasks.errors import InvalidInputError, StoreUnavailableError
from recording_tasks.lifecycle import first_session
from recording_tasks.models import Entry, Recording, RecordingState, Session, Step
from recording_tasks.recorder.at_once import claim_at_once
from recording_tasks.recorder.claims import Dispatch, claimed_session, dispatch_of
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.intake import Order, check_order, check_text
from recording_tasks.recorder.ledger import held


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of a wish to record.

    Attributes:
        is_new: False when the idempotency key was known already.
        dispatches: Calls that are due at once.
    """

    recording_id: str
    is_new: bool
    dispatches: tuple[Dispatch, ...] = ()


class Accepter:
    """Takes recordings in."""

    def __init__(self, context: Context) -> None:
        self._context, self._store, self._settings = context, context.store, context.settings
        self._introduced: set[str] = set()

    def accept(self, arguments: Mapping[str, Any], *, at_once: bool) -> Accepted:
        """Accept a recording, or find the one that its key gave before."""
        now = self._store.now()
        try:
            order = check_order(arguments, self._settings, now)
        except InvalidInputError:  # what was asked before may be over by now
            if (known := self._known(arguments.get("key"))) is None:
                raise
            return known
        recording = self._recording(order, now)
        entry = Entry(at=now, event="recording.accepted", facts={"channel": order.channel})
        self._introduce(order.app)
        planned = self._first_session(recording)
        is_due = at_once and planned.due_at <= now + self._settings.horizon
        pace = self._context.pace(order.app)
        is_bounded = bool(pace.rate or self._settings.app(order.app).max_sessions)
        if is_due and is_bounded:
            return self._accepted_with_slot(recording, planned, entry)
        session = planned
        if is_due:
            session = claimed_session(planned, Step.ACQUIRE, max(planned.due_at, now), pace)
        if not self._store.add(recording, session, [entry]):
            return self._accepted_before(order.key)
        return _accepted(planned, session)

    def _recording(self, order: Order, now: datetime) -> Recording:
        return Recording(
            id=_new_id(now),
            key=order.key,
            app=order.app,
            channel=order.channel,
            mode=order.mode,
            uid=order.uid,
            start_at=order.start_at,
            stop_at=order.stop_at,
            storage=order.storage,
            request=order.request,
            on_early_exit=order.on_early_exit,
            notify=order.notify,
            labels=order.labels,
            start_within=order.start_within,
            state=RecordingState.SCHEDULED,
            reason=None,
            created_at=now,
            session_count=1,
        )

    def _accepted_with_slot(self, recording: Recording, planned: Session, entry: Entry) -> Accepted:
        """Store a recording whose first call is due now, together with that call's slot."""
        if (known := self._known(recording.key)) is not None:
            return known  # before it costs a slot
        now = recording.created_at
        with self._store.writing() as writing:
            session = claim_at_once(
                self._context, writing, planned, Step.ACQUIRE, due_at=planned.due_at, now=now
            )
            if not writing.add(recording, session, [entry]):
                return self._accepted_before(recording.key)
        return _accepted(planned, session)

    def _known(self, key: object) -> Accepted | None:
        """Find what was accepted under a key before."""
        if not isinstance(key, str) or check_text(key, "key"):
            return None
        known = self._store.find_by_key(key)
        return None if known is None else Accepted(recording_id=known.id, is_new=False)

    def _accepted_before(self, key: str | None) -> Accepted:
        known = self._known(key)
        if known is None:  # inserted by another at this moment, and not yet to be seen
            raise StoreUnavailableError("the key is being taken by another call; try again")
        return known

    def _first_session(self, recording: Recording) -> Session:
        uid = recording.uid
        if uid is None:
            uid = self._context.free_uid(self._store, recording.app, recording.channel)
        return first_session(recording, f"{recording.id}-1", uid, self._settings.rules)

    def _introduce(self, app: str) -> None:
        """Make sure that the sweep knows an app, once for each process."""
        if app not in self._introduced:
            with self._store.writing() as writing:
                held(writing, self._settings, app)
            self._introduced.add(app)


def _accepted(planned: Session, session: Session) -> Accepted:
    """Tell of a recording that was stored, and of its first call when it was claimed."""
    dispatches = (dispatch_of(session),) if session is not planned else ()
    return Accepted(recording_id=session.recording_id, is_new=True, dispatches=dispatches)


def _new_id(now: datetime) -> str:
    """Make an id that sorts by the time it was made."""
    return f"{int(now.timestamp() * 1000):011x}{uuid.uuid4().hex[:13]}"
