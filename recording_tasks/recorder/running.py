"""One claimed call from its intent to its written answer."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from recording_tasks.errors import RecordingError, Remedy, StoreUnavailableError
from recording_tasks.lifecycle import (
    Answer,
    Call,
    Change,
    Refused,
    Signal,
    freed,
    is_fresh,
    settle,
    sid_learned,
)
from recording_tasks.limiter import Pace, Quota, reserve
from recording_tasks.models import Recording, Session, SessionState, Started, Step
from recording_tasks.recorder.calls import Caller
from recording_tasks.recorder.claims import CHAIN_WITHIN, claimed_session, instant
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.ledger import held as held_quota
from recording_tasks.recorder.ledger import keep
from recording_tasks.store import Seen, Writing

log = logging.getLogger(__name__)

_EARLY = timedelta(seconds=2)  # a task that comes earlier than this before its slot is dropped
_QUEUE = timedelta(seconds=1.1)  # a start that must wait longer than this is left to the sweep
_WRITE_FOR_SECONDS = 120.0  # an answer of Agora is not given up because the database is away


class _LostError(RecordingError):
    """The claim went to somebody else while we waited: nothing may be sent any more."""


class Calls:
    """Makes claimed calls, and writes down what came of them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._caller = Caller(context.settings, context.store.now)

    def run(self, session_id: str, epoch: int, step: Step) -> bool:
        """Make one claimed call; safe to deliver twice.

        Returns:
            Whether the step that follows at once was claimed with it.
        """
        taken = self._take(session_id, epoch, step)
        if taken is None:
            log.debug("call.dropped session=%s step=%s", session_id, step.value)
            return False
        return self.finish(taken, step)

    def begin(self, seen: Seen, change: Change, step: Step, now: datetime) -> Seen | None:
        """Write a change together with the intent of a call that nothing limits.

        Returns:
            None when what was seen had changed: nothing was written, nothing may be sent.
        """
        pace = self._context.pace(change.session.app)
        session = claimed_session(change.session, step, now, pace)
        lease_until = now + self._context.lease(step)
        session = replace(session, is_sending=True, lease_until=lease_until)
        store = self._context.store
        return store.save_unless_changed(seen, change.recording, session, change.entries)

    def finish(self, taken: Seen, step: Step) -> bool:
        """Make a call whose intent is written, and write down what came of it.

        Returns:
            Whether the step that follows at once was claimed with it.
        """
        try:
            answer, left_at = self._answer(taken, step)
        except _LostError:
            log.info("call.lost session=%s step=%s", taken.session.id, step.value)
            return False
        call = Call(
            step=step,
            answer=answer,
            version=_version(taken.recording, step),
            left_at=left_at,
            token_lifetime=self._token_lifetime(taken, step),
        )
        return self._persist(taken, call)

    def close(self) -> None:
        """Close the connections to Agora."""
        self._caller.close()

    def _take(self, session_id: str, epoch: int, step: Step) -> Seen | None:
        """Begin a claimed call: the intent is written before anything is sent."""
        now = self._context.store.now()
        values: dict[str, Any] = {"lease_until": now + self._context.lease(step)}
        if step is Step.START:
            values["start_sent_at"] = now
        store = self._context.store
        return store.take(session_id, epoch, step, latest_slot=now + _EARLY, **values)

    def _answer(self, taken: Seen, step: Step) -> tuple[Answer, datetime | None]:
        """Wait for the slot and make the call, unless its resource is of no use any more.

        Returns:
            The answer, and the slot that the call left at.
        """
        session = taken.session
        now = self._context.store.now()
        if step is Step.START and not is_fresh(session, now, self._context.settings.rules):
            reason = "start: its resource grew too old"
            return Refused(remedy=Remedy.NEW_RESOURCE, reason=reason), None
        permits = _Permits(self._context, session, step)
        answer = self._caller.call(taken.recording, session, step, permits.next)
        return answer, permits.used

    def _token_lifetime(self, taken: Seen, step: Step) -> timedelta | None:
        """Tell how long the token of a start is valid, so that the session is relieved in time."""
        if step is not Step.START:
            return None
        recording = taken.recording
        return self._caller.token_lifetime(recording.app, recording.mode, recording.request)

    def _persist(self, taken: Seen, call: Call) -> bool:
        """Write down an answer, however long the database is away."""
        try:
            return self._settle(taken, call)
        except StoreUnavailableError as error:
            log.warning("answer.kept session=%s why=%s", taken.session.id, error)
        for attempt in Retrying(
            retry=retry_if_exception_type(StoreUnavailableError),
            wait=wait_exponential(multiplier=0.1, max=2),
            stop=stop_after_delay(_WRITE_FOR_SECONDS),
            sleep=self._context.sleep,
            reraise=True,
        ):
            with attempt:
                return self._settle(taken, call)
        return False

    def _settle(self, taken: Seen, call: Call) -> bool:
        """Apply an answer: at once if nobody changed anything during the call, else under locks."""
        is_acquire = call.step is Step.ACQUIRE
        recording = taken.recording
        if self._needs_quota(recording.app, call.step):
            return self._settle_under_locks(taken, call)
        if recording.session_count > 1:
            return self._settle_under_locks(taken, call)  # it may end, and others of it run
        now = self._context.store.now()
        moment = self._context.moment_of(recording.app, now)
        change = settle(recording, taken.session, call, moment)
        if change.successor is not None:
            return self._settle_under_locks(taken, call)  # its uid has to be a free one
        follows = self._start_at_once(change.session, now) if is_acquire else None
        session = follows or change.session
        store = self._context.store
        if not store.save_unless_changed(taken, change.recording, session, change.entries):
            return self._settle_under_locks(taken, call)
        _tell(recording, change)
        self._heed(taken.session, call, change.signal)
        return follows is not None

    def _settle_under_locks(self, taken: Seen, call: Call) -> bool:
        """Apply an answer to what stands there now, under the epoch of its call."""
        context, app = self._context, taken.session.app
        now = context.store.now()
        moment = context.moment_of(app, now)
        with context.store.writing() as writing:
            quota = None
            if self._needs_quota(app, call.step):  # locked first, everywhere
                quota = held_quota(writing, context.settings, app)
            held = writing.lock_with_session(taken.session.id)
            if held is None:
                return False
            recording, session = held
            if session.epoch != taken.session.epoch:
                self._came_late(writing, recording, session, taken.session, call)
                return False
            change = settle(recording, session, call, moment)
            follows = None
            if quota is not None and call.step is Step.STOP:
                self._note_left(writing, session, change.session, quota, now)
            elif quota is not None:
                follows = self._start_in_turn(writing, change.session, quota, now)
            elif call.step is Step.ACQUIRE:
                follows = self._start_at_once(change.session, now)
            if follows is not None:
                change = replace(change, session=follows)
            context.save(writing, recording, session, change)
        _tell(recording, change)
        self._heed(taken.session, call, change.signal)
        return follows is not None

    def _needs_quota(self, app: str, step: Step) -> bool:
        """Tell whether the answer of a step takes the app's row, for a slot or for its room."""
        if step is Step.STOP:
            return bool(self._context.settings.app(app).max_sessions)
        return step is Step.ACQUIRE and bool(self._context.pace(app).rate)

    def _note_left(
        self, writing: Writing, before: Session, after: Session, quota: Quota, now: datetime
    ) -> None:
        """Remember a session's end: Agora counts it for some seconds longer."""
        if before.state.is_final or not after.state.is_final:
            return
        clock, forget = now.timestamp(), self._context.settings.rules.leaving.total_seconds()
        keep(writing, self._context.settings, after.app, quota.with_left(clock, forget))

    def _came_late(
        self, writing: Writing, recording: Recording, session: Session, taken: Session, call: Call
    ) -> None:
        """Keep what only this answer knows: a sid that nobody else has."""
        log.warning("call.answered_late session=%s step=%s", taken.id, call.step.value)
        is_same = session.resource_id == taken.resource_id and session.sid is None
        if isinstance(call.answer, Started) and call.answer.sid is not None and is_same:
            moment = self._context.moment(self._context.store.now())
            change = sid_learned(recording, session, call.answer.sid, moment, call.token_lifetime)
            self._context.save(writing, recording, session, change)

    def _start_at_once(self, session: Session, now: datetime) -> Session | None:
        """Give the start that follows its slot already: nothing limits this app."""
        if not _starts_soon(session, now):
            return None
        pace = self._context.pace(session.app)
        return claimed_session(session, Step.START, max(session.due_at, now), pace)

    def _start_in_turn(
        self, writing: Writing, session: Session, quota: Quota, now: datetime
    ) -> Session | None:
        """Give the start that follows its slot in the quota already with the answer of acquire."""
        if not _starts_soon(session, now) or quota.probe_at is not None:
            return None
        pace = self._context.pace(session.app)
        due, clock = session.due_at.timestamp(), now.timestamp()
        slot, quota = reserve(quota, pace, Step.START, due, clock)
        if instant(slot) > max(session.due_at, now) + _QUEUE:
            return None
        keep(writing, self._context.settings, session.app, quota)
        return claimed_session(session, Step.START, instant(slot), pace)

    def _heed(self, session: Session, call: Call, signal: Signal | None) -> None:
        """Let every worker know what one answer told about all calls of the app."""
        if signal is None or (signal is Signal.FINE and not session.is_probe):
            return
        with self._context.store.writing() as writing:
            quota = held_quota(writing, self._context.settings, session.app)
            now = self._context.store.now().timestamp()
            match signal:
                case Signal.FINE:
                    quota = quota.opened()
                    quota = quota.relieved() if call.step is Step.ACQUIRE else quota
                case Signal.SLOW_DOWN:
                    left_at = now if call.left_at is None else call.left_at.timestamp()
                    quota = quota.slowed(now, self._context.pace(session.app), left_at)
                case Signal.OVERLOADED:
                    quota = quota.overloaded(now)
                case Signal.CLOSED:
                    quota = quota.closed(now)
            keep(writing, self._context.settings, session.app, quota)
        log.warning("app.signalled app=%s signal=%s", session.app, signal.value)


class _Permits:
    """The slots of one call: the claimed one first, a new one for every repeat."""

    def __init__(self, context: Context, session: Session, step: Step) -> None:
        self._context, self._session, self._step = context, session, step
        self._slot: datetime | None = session.slot_at
        self.used: datetime | None = None

    def next(self) -> None:
        """Wait for a slot.

        Raises:
            _LostError: The slot is too far away, or the session went to somebody else.
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
            quota = held_quota(writing, self._context.settings, session.app)
            if unused is not None:
                quota = quota.without(unused.timestamp())
            slot, quota = reserve(quota, pace, self._step, clock, clock)
            slot_at = instant(slot)
            if slot_at > now + _EARLY:
                _give_back(writing, session)
            elif writing.renew(
                session.id, session.epoch, slot_at + self._context.lease(self._step)
            ):
                keep(writing, self._context.settings, session.app, quota)
                return slot_at
        raise _LostError


def _give_back(writing: Writing, session: Session) -> None:
    before = writing.session(session.id)
    if before is not None and before.epoch == session.epoch:
        writing.save_session(before, replace(freed(before), epoch=before.epoch + 1))


def _starts_soon(session: Session, now: datetime) -> bool:
    """Tell whether a session was given its resource, and its start is a message, not a row."""
    is_over = session.stop_at is not None and session.stop_at <= now
    is_far = session.due_at > now + CHAIN_WITHIN
    return session.state is SessionState.ACQUIRED and not is_over and not is_far


def _version(recording: Recording, step: Step) -> int:
    """Tell which accepted update a call carries, 0 for other calls."""
    match step:
        case Step.UPDATE:
            return recording.update_version
        case Step.UPDATE_LAYOUT:
            return recording.layout_version
        case _:
            return 0


def _tell(recording: Recording, change: Change) -> None:
    """Write a line for people, one for each line of the timeline."""
    for entry in change.entries:
        facts = "".join(
            f" {key}={value}" for key, value in entry.facts.items() if key != "resource_id"
        )
        log.info(
            "%s recording=%s session=%s%s", entry.event, recording.id, entry.session_number, facts
        )
