"""One claimed call from its intent to its written answer."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from recording_tasks.errors import Remedy
from recording_tasks.lifecycle import (
    Answer,
    Call,
    Change,
    Refused,
    Signal,
    is_fresh,
    settle,
    sid_learned,
)
from recording_tasks.limiter import Pace, Quota, reserve
from recording_tasks.models import Recording, Session, SessionState, Started, Step, Stopped
from recording_tasks.recorder.calls import Caller
from recording_tasks.recorder.claims import CHAIN_WITHIN, claimed_session, instant
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.heeding import asked_again_soon, heeding, is_told
from recording_tasks.recorder.keeping import written
from recording_tasks.recorder.ledger import held as held_quota
from recording_tasks.recorder.ledger import keep
from recording_tasks.recorder.permits import LostError, Permits
from recording_tasks.recorder.telling import tell
from recording_tasks.store import Seen, Writing

log = logging.getLogger(__name__)

_EARLY = timedelta(seconds=2)  # a task that comes earlier than this before its slot is dropped
_QUEUE = timedelta(seconds=1.1)  # a start that must wait longer than this is left to the sweep


class Calls:
    """Makes claimed calls, and writes down what came of them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._caller = Caller(context.settings, context.store.now)

    def run_claim(self, recording_id: str, step: Step, claim: str) -> bool:
        """Make the call that a claim names, as `run` does."""
        number, _, epoch = claim.partition(".")
        return self.run(f"{recording_id}-{number}", int(epoch), step)

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
        asked_at = self._context.store.now()
        try:
            answer, left_at = self._answer(taken, step, asked_at)
        except LostError:
            log.info("call.lost session=%s step=%s", taken.session.id, step.value)
            return False
        call = Call(
            step=step,
            answer=answer,
            asked_at=asked_at,
            version=_version(taken.recording, step),
            left_at=left_at,
            token_lifetime=self._token_lifetime(taken, step),
        )
        return written(lambda: self._settle(taken, call), taken, call, self._context.sleep)

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

    def _answer(self, taken: Seen, step: Step, now: datetime) -> tuple[Answer, datetime | None]:
        """Wait for the slot and make the call, unless its resource is of no use any more.

        Returns:
            The answer, and the slot that the call left at.
        """
        session = taken.session
        if step is Step.START and not is_fresh(session, now, self._context.settings.rules):
            reason = "start: its resource grew too old"
            return Refused(remedy=Remedy.NEW_RESOURCE, reason=reason), None
        permits = Permits(self._context, session, step)
        answer = self._caller.call(taken.recording, session, step, permits.next)
        return answer, permits.used

    def _token_lifetime(self, taken: Seen, step: Step) -> timedelta | None:
        """Tell how long the token of a start is valid, so that the session is relieved in time."""
        if step is not Step.START:
            return None
        recording = taken.recording
        return self._caller.token_lifetime(recording.app, recording.mode, recording.request)

    def _settle(self, taken: Seen, call: Call) -> bool:
        """Apply an answer: at once if nobody changed anything during the call, else under locks."""
        is_acquire = call.step is Step.ACQUIRE
        recording = taken.recording
        is_claimed = self._is_start_claimed(taken.session, call)
        if is_claimed or self._is_end(taken.session, call):
            return self._settle_under_locks(taken, call)  # it takes the app's row
        if recording.session_count > 1:
            return self._settle_under_locks(taken, call)  # it may end, and others of it run
        now = self._context.store.now()
        moment = self._context.moment_of(recording.app, now)
        change = settle(recording, taken.session, call, moment)
        if change.successor is not None:
            return self._settle_under_locks(taken, call)  # its uid has to be a free one
        if taken.session.is_probe or is_told(taken.session, change.signal):
            return self._settle_under_locks(taken, call)  # what it tells all takes the app's row
        follows = self._start_at_once(change.session, now) if is_acquire else None
        session = follows or change.session
        store = self._context.store
        if not store.save_unless_changed(taken, change.recording, session, change.entries):
            return self._settle_under_locks(taken, call)
        tell(recording, change)
        return follows is not None

    def _settle_under_locks(self, taken: Seen, call: Call) -> bool:
        """Apply an answer to what stands there now, under the epoch of its call.

        What it tells about all calls of the app is written with it: it is not lost alone.
        """
        context, app = self._context, taken.session.app
        now = context.store.now()
        moment = context.moment_of(app, now)
        with context.store.writing() as writing:
            before = quota = None
            if self._takes_quota(taken.session, call):  # locked first, everywhere
                before = quota = held_quota(writing, context.settings, app)
            held = writing.lock_with_session(taken.session.id)
            if held is None:
                return False
            recording, session = held
            if session.epoch != taken.session.epoch:
                self._came_late(writing, recording, session, taken.session, call)
                return False
            change = settle(recording, session, call, moment)
            signal = change.signal if is_told(taken.session, change.signal) else None
            follows = None
            if quota is not None:
                quota = heeding(quota, signal, call, context.pace(app), moment)
                if taken.session.is_probe and signal is not Signal.CLOSED:
                    quota = asked_again_soon(quota, now)
                quota = self._noting_end(quota, session, change.session, now)
            if quota is not None and self._is_start_claimed(taken.session, call):
                follows, quota = self._start_in_turn(writing, change.session, quota, now)
            elif call.step is Step.ACQUIRE:
                follows = self._start_at_once(change.session, now)
            if follows is not None:
                change = replace(change, session=follows)
            if quota is not None and quota != before:
                keep(writing, context.settings, app, quota)
            context.save(writing, recording, session, change)
        tell(recording, change)
        if signal is not None:
            log.warning("app.signalled app=%s signal=%s", app, signal.value)
        return follows is not None

    def _takes_quota(self, session: Session, call: Call) -> bool:
        """Tell whether an answer may change the app's row: by a slot, a lesson or an end."""
        is_lesson = isinstance(call.answer, Refused) or session.is_probe
        return is_lesson or self._is_start_claimed(session, call) or self._is_end(session, call)

    def _is_start_claimed(self, session: Session, call: Call) -> bool:
        """Tell whether the start gets its slot with the answer of acquire."""
        return call.step is Step.ACQUIRE and bool(self._context.pace(session.app).rate)

    def _is_end(self, session: Session, call: Call) -> bool:
        """Tell whether a session may end whose room is counted."""
        return call.step is Step.STOP and bool(self._context.settings.app(session.app).max_sessions)

    def _noting_end(self, quota: Quota, before: Session, after: Session, now: datetime) -> Quota:
        """Remember a session's end: Agora counts it for some seconds longer."""
        is_counted = bool(self._context.settings.app(after.app).max_sessions)
        if not is_counted or before.state.is_final or not after.state.is_final:
            return quota
        forget = self._context.settings.rules.leaving.total_seconds()
        return quota.with_left(now.timestamp(), forget)

    def _came_late(
        self, writing: Writing, recording: Recording, session: Session, taken: Session, call: Call
    ) -> None:
        """Keep what only this answer knows: a sid that nobody else has, how a session was stopped.

        Whoever has the session by now finds its claim void.
        """
        log.warning("call.answered_late session=%s step=%s", taken.id, call.step.value)
        moment = self._context.moment(self._context.store.now())
        answer, change = call.answer, None
        if isinstance(answer, Started) and answer.sid is not None and session.sid is None:
            if session.resource_id == taken.resource_id:
                change = sid_learned(recording, session, answer.sid, moment, call.token_lifetime)
        elif (
            isinstance(answer, Stopped) and session.sid == taken.sid and not session.state.is_final
        ):
            change = settle(recording, session, call, moment)
        if change is not None:
            self._context.save(writing, recording, session, change)

    def _start_at_once(self, session: Session, now: datetime) -> Session | None:
        """Give the start that follows its slot already: nothing limits this app."""
        if not _starts_soon(session, now):
            return None
        pace = self._context.pace(session.app)
        return claimed_session(session, Step.START, max(session.due_at, now), pace)

    def _start_in_turn(
        self, writing: Writing, session: Session, quota: Quota, now: datetime
    ) -> tuple[Session | None, Quota]:
        """Give the start that follows its slot in the quota already with the answer of acquire.

        It is seconds ahead of the sweep that claims the stops of that instant: they go first, those
        of the other apps of its account, too.
        """
        if not _starts_soon(session, now) or quota.probe_at is not None:
            return None, quota
        pace = self._context.pace(session.app)
        latest = max(session.due_at, now) + _QUEUE
        others = [one for one in self._context.settings.sharers(session.app) if one != session.app]
        stops, theirs = _stops_ahead(writing, [session.app], pace, now, latest), []
        if others and pace.outer is not None:
            theirs = _stops_ahead(writing, others, pace.outer, now, latest)
        slot, reserved = reserve(
            quota,
            pace,
            Step.START,
            session.due_at.timestamp(),
            now.timestamp(),
            stops=stops,
            stops_of_others=theirs,
        )
        if instant(slot) > latest:
            return None, quota
        return claimed_session(session, Step.START, instant(slot), pace), reserved


def _stops_ahead(
    writing: Writing, apps: Sequence[str], pace: Pace, now: datetime, latest: datetime
) -> list[float]:
    """Read when the unclaimed stops of some apps are due, as far as a start may meet them."""
    most = 2 * math.ceil(_QUEUE.total_seconds() / pace.spacing)  # with more there is no room
    return [at.timestamp() for at in writing.stops_ahead(apps, now, latest, most)]


def _starts_soon(session: Session, now: datetime) -> bool:
    """Tell whether a session was given its resource, and its start is a message, not a row."""
    ends = [at for at in (session.stop_at, session.start_by) if at is not None]
    is_over = any(at <= now for at in ends)
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
