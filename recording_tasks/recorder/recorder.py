"""The use cases: accept a recording, find what is due, make a call, change one's mind."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice, zip_longest
from typing import Any

from recording_tasks.errors import (
    InvalidInputError,
    StoreUnavailableError,
    UnknownRecordingError,
)
from recording_tasks.lifecycle import (
    Change,
    Moment,
    called_off,
    extended,
    first_session,
    is_relief_due,
    lapsed,
    layout_asked,
    may_stop,
    relieved,
    update_asked,
)
from recording_tasks.limiter import reserve
from recording_tasks.models import (
    Entry,
    Mode,
    Recording,
    RecordingState,
    Session,
    SessionState,
    Step,
)
from recording_tasks.recorder.claims import (
    Claims,
    Dispatch,
    claim_due,
    claimed_session,
    dispatch_of,
    instant,
    is_lapsed,
    looked_at_until,
)
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.intake import Order, check_end, check_order, check_text
from recording_tasks.recorder.ledger import held, keep
from recording_tasks.recorder.purging import Purger
from recording_tasks.recorder.reconciling import Reconciled, Reconciler
from recording_tasks.recorder.room import Room
from recording_tasks.recorder.running import Calls
from recording_tasks.recorder.telling import tell
from recording_tasks.settings import Settings
from recording_tasks.store import ASKED_BY, Store, Work, Writing
from recording_tasks.wire import check_layout, check_update, merge_update

Lapse = tuple[str, str | None]  # a session's id, and what held it back

log = logging.getLogger(__name__)

_NOTICES_AT_ONCE = 50
_LAPSES_AT_ONCE = 200
_FOR_A_PROVIDER = timedelta(seconds=1)


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


class Recorder:
    """Everything the product does, behind verbs; safe to use from many threads.

    Args:
        rng: Chooses the recorder uids.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._settings = store, settings
        self._context = Context(store, settings, rng or random.SystemRandom(), sleep)
        self._calls = Calls(self._context)
        self._reconciler = Reconciler(self._context)
        self._purger = Purger(self._context)
        self._introduced: set[str] = set()

    @property
    def preparation(self) -> timedelta:
        """Tell how long before its slot a start begins: somebody else's token takes its time."""
        return _FOR_A_PROVIDER if self._settings.token_provider else timedelta(0)

    # -- what callers ask for ------------------------------------------------------------

    def record(self, arguments: Mapping[str, Any], *, at_once: bool = True) -> Accepted:
        """Accept a recording; the same key again gives the recording that it gave before.

        Args:
            at_once: Claim a call that is due now, to be sent by the caller; who cannot send it
                leaves it to the next sweep.

        Raises:
            InvalidInputError: Lists every fault; nothing was stored.
            StoreUnavailableError: Nothing was stored; trying again is safe.
        """
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

    def find(self, recording_id: str) -> Recording:
        """Read a recording.

        Raises:
            UnknownRecordingError: There is none of this id.
        """
        recording = self._store.find(recording_id) if _may_be_id(recording_id) else None
        if recording is None:
            raise UnknownRecordingError(recording_id)
        return recording

    def stop(
        self, recording_id: str, *, at_once: bool = True, asked_by: str | None = None
    ) -> tuple[Dispatch, ...]:
        """End a recording now; safe to repeat, also when it is over.

        Args:
            at_once: Claim the stop of what runs, to be made by the caller; who cannot make it
                leaves it to the next sweep.
            asked_by: The id of the message that brought the wish.
        """
        now = self._store.now()
        app = self.find(recording_id).app
        with self._store.writing() as writing:
            if at_once and self._context.pace(app).rate:
                held(writing, self._settings, app)  # before the recording's own row, as everywhere
            recording, latest = self._latest(writing, recording_id)
            change = called_off(recording, latest, "recording.stop_asked", self._moment(now))
            change = _signed(change, asked_by)
            session = change.session
            if at_once and may_stop(session):
                session = self._claim_at_once(writing, session, Step.STOP, now, now)
            self._context.save(writing, recording, latest, replace(change, session=session))
        return (dispatch_of(session),) if session is not change.session else ()

    def stop_now(
        self, recording_id: str, *, asked_by: str | None = None, is_again: bool = False
    ) -> None:
        """End a recording now, and make the call that it takes; safe to repeat.

        Where nothing limits the app, the wish and the intent of the call are one write.

        Args:
            is_again: Whether the message may have been handed over before.
        """
        if is_again and self._is_heeded(recording_id, asked_by):
            return
        now = self._store.now()
        seen = self._store.see_latest(recording_id) if _may_be_id(recording_id) else None
        if seen is None:
            raise UnknownRecordingError(recording_id)
        is_alone = seen.recording.session_count == 1  # no other session of it is to be stopped
        if is_alone and not self._context.pace(seen.recording.app).rate:
            asked = "recording.stop_asked"
            change = called_off(seen.recording, seen.session, asked, self._moment(now))
            change = _signed(change, asked_by)
            begun = None
            if may_stop(change.session):
                begun = self._calls.begin(seen, change, Step.STOP, now)
            if begun is not None:
                self._calls.finish(begun, Step.STOP)
                return
        for one in self.stop(recording_id, asked_by=asked_by):
            self.run(recording_id, one.step, one.claim)

    def cancel(self, recording_id: str, *, asked_by: str | None = None) -> None:
        """Call a recording off; what runs is stopped, and what it recorded remains."""
        self._edit(
            recording_id,
            lambda recording, session, now: called_off(
                recording, session, "recording.cancel_asked", self._moment(now)
            ),
            asked_by,
        )

    def extend(
        self, recording_id: str, arguments: Mapping[str, Any], *, asked_by: str | None = None
    ) -> None:
        """Move a recording's stop time, later or earlier; `duration` counts from its start.

        Raises:
            InvalidInputError: No or a bad stop time.
            WrongStateError: It is over, or its stop is under way.
        """

        def edit(recording: Recording, session: Session, now: datetime) -> Change:
            stop_at, faults = check_end(arguments, recording.start_at, now)
            if stop_at is None and not faults:
                faults = ["stop_at: give stop_at or duration"]
            if stop_at is not None and stop_at <= now:
                faults = ["stop_at: is in the past; use stop"]
            if faults:
                raise InvalidInputError(faults)
            return extended(recording, session, stop_at, now)

        self._edit(recording_id, edit, asked_by)

    def update(self, recording_id: str, request: Any, *, asked_by: str | None = None) -> None:
        """Change what a recording subscribes to, pauses or pushes; the last word wins.

        Raises:
            InvalidInputError: Lists every fault of the request.
            WrongStateError: It is over, or is being stopped.
        """

        def edit(recording: Recording, session: Session, now: datetime) -> Change:
            faults = [*check_text(request, "request")]
            faults += check_update(recording.mode, request, recording.request)
            if faults:
                raise InvalidInputError(faults)
            merged = merge_update(recording.update, request)
            return update_asked(recording, session, merged, now)

        self._edit(recording_id, edit, asked_by)

    def update_layout(
        self, recording_id: str, request: Any, *, asked_by: str | None = None
    ) -> None:
        """Replace a mixed recording's layout as a whole; errors as for `update`."""

        def edit(recording: Recording, session: Session, now: datetime) -> Change:
            faults = [*check_text(request, "request"), *check_layout(request)]
            if recording.mode is not Mode.MIX:
                faults.append("mode: only a recording in mode mix has a layout")
            if faults:
                raise InvalidInputError(faults)
            return layout_asked(recording, session, request, now)

        self._edit(recording_id, edit, asked_by)

    def hasten(self, recording_id: str, step: Step) -> None:
        """Bring a step that is not due yet forward to now, as far as it makes sense."""
        self.find(recording_id)
        with self._store.writing() as writing:
            writing.make_due(recording_id, step, self._store.now())

    # -- what the beat and the workers do ------------------------------------------------

    def sweep(self) -> list[Dispatch]:
        """Claim what is due, of every app; safe to run anywhere, any number of times."""
        return [one for dispatches in self.sweep_apps() for one in dispatches]

    def sweep_apps(self) -> Iterator[Sequence[Dispatch]]:
        """Claim what is due, one app after the other: send what one has before asking for more.

        What needs a decision and no call comes last, of each app in turn: it has no instant.
        """
        now = self._store.now()
        until = looked_at_until(now, self._settings)
        apps = self._store.apps_with_work(until, now + self._settings.rules.resource_use)
        lapsed = []
        for work, last_lane in self._context.in_order(apps):
            claims = Claims()
            with _alone("app", work.app):
                claims = self._claim(work, last_lane)
            lapsed.append([(session_id, claims.obstacle) for session_id in claims.lapsed])
            if claims.dispatches:
                yield claims.dispatches
        for session_id, obstacle in islice(_in_turn(lapsed), _LAPSES_AT_ONCE):
            with _alone("session", session_id):
                self._lapse(session_id, obstacle, self._store.now())

    def reconcile(self) -> Reconciled:
        """Compare what we believe with what Agora says, and mend it; safe to repeat."""
        return self._reconciler.run()

    def purge(self) -> int:
        """Remove some of what is over for longer than it is kept; safe to repeat.

        Returns:
            How many recordings were removed.

        Raises:
            OSError: They could not be archived, and stay.
        """
        return self._purger.run()

    def count_purgeable(self) -> int:
        """Count what purges would remove now."""
        return self._purger.count()

    def notices(self) -> list[Recording]:
        """Find recordings that are over and whose asker is still to be told."""
        return self._store.notices_due(_NOTICES_AT_ONCE)

    def notified(self, recording: Recording) -> None:
        """Remember that the asker was told."""
        with self._store.writing() as writing:
            before = writing.lock(recording.id)
            if before is not None:
                writing.save(before, replace(before, notified_at=self._store.now()))

    def run(self, recording_id: str, step: Step, claim: str) -> bool:
        """Make one claimed call and write down what came of it; safe to deliver twice.

        Returns:
            Whether the step that follows at once was claimed with it.
        """
        number, _, epoch = claim.partition(".")
        return self._calls.run(f"{recording_id}-{number}", int(epoch), step)

    def close(self) -> None:
        """Close connections to Agora and to the database."""
        self._calls.close()
        self._store.database.close()

    # -- inside --------------------------------------------------------------------------

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
            session = self._claim_at_once(writing, planned, Step.ACQUIRE, planned.due_at, now)
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

    def _claim_at_once(
        self, writing: Writing, session: Session, step: Step, due_at: datetime, now: datetime
    ) -> Session:
        """Claim a call that is due now, not only at the next sweep; as given when it cannot."""
        until = now + self._settings.horizon
        if due_at > until:
            return session
        pace, app = self._context.pace(session.app), session.app
        is_acquire = step is Step.ACQUIRE
        if not pace.rate and not (is_acquire and self._settings.app(app).max_sessions):
            return claimed_session(session, step, max(due_at, now), pace)
        quota = held(writing, self._settings, app)
        if quota.probe_at is not None:
            return session
        room = Room(writing=writing, quota=quota, now=now, settings=self._settings)
        if is_acquire and not room.is_left(app):
            return session
        slot, quota = reserve(quota, pace, step, due_at.timestamp(), now.timestamp())
        if instant(slot) > until:
            return session
        has_queued = instant(slot) > max(due_at, now)
        if is_acquire and has_queued and writing.is_behind(app, now):
            return session  # the sweep serves what is more urgent first, and what waits for longer
        keep(writing, self._settings, app, quota)
        is_probe = quota.is_probe(step)
        return claimed_session(session, step, instant(slot), pace, is_probe=is_probe)

    def _edit(self, recording_id: str, edit: _Edit, asked_by: str | None) -> None:
        """Apply one caller's word to a recording and its latest session.

        A message that is handed over twice is one word: others may have spoken since.
        """
        if self._is_heeded(recording_id, asked_by):
            return
        now = self._store.now()
        with self._store.writing() as writing:
            recording, latest = self._latest(writing, recording_id)
            change = _signed(edit(recording, latest, now), asked_by)
            self._context.save(writing, recording, latest, change)

    def _is_heeded(self, recording_id: str, asked_by: str | None) -> bool:
        if asked_by is None or not (_may_be_id(recording_id) and _may_be_id(asked_by)):
            return False
        return self._store.is_heeded(recording_id, asked_by)

    def _latest(self, writing: Writing, recording_id: str) -> tuple[Recording, Session]:
        """Lock a recording and its latest session."""
        held = writing.lock_latest(recording_id) if _may_be_id(recording_id) else None
        if held is None:
            raise UnknownRecordingError(recording_id)
        return held

    def _moment(self, now: datetime) -> Moment:
        return self._context.moment(now)

    def _claim(self, work: Work, last_lane: int) -> Claims:
        if work.app not in self._settings.apps:
            log.error("sweep.app_unknown app=%s", work.app)
            return Claims()
        now = self._store.now()
        with self._store.writing() as writing:
            pace = self._context.pace(work.app)
            return claim_due(writing, work, pace, now, self._settings, last_lane=last_lane)

    def _lapse(self, session_id: str, obstacle: str | None, now: datetime) -> None:
        with self._store.writing() as writing:
            held = writing.lock_with_session(session_id)
            if held is None:
                return
            recording, session = held
            is_owned = session.is_sending and (session.lease_until or now) > now
            if is_owned or not is_lapsed(session, now, self._settings):
                return  # answered, extended or taken since it was read
            rule = relieved if is_relief_due(session, now, self._settings.rules) else lapsed
            known = replace(session, reason=session.reason or obstacle)
            if session.state is not SessionState.PLANNED:
                known = session  # it began: what it met itself is its reason
            change = rule(recording, known, self._moment(now))
            self._context.save(writing, recording, session, change)
        tell(recording, change)


@contextmanager
def _alone(kind: str, name: str) -> Iterator[None]:
    """Let a row that makes no sense hold up nothing else; it is told at every sweep."""
    try:
        yield
    except StoreUnavailableError:
        raise
    except Exception:
        log.exception("sweep.failed %s=%s", kind, name)


def _in_turn(lapsed: Sequence[Sequence[Lapse]]) -> Iterator[Lapse]:
    """Take one of each app, then the second of each: no app waits for another's hundreds."""
    for of_each in zip_longest(*lapsed):
        yield from (one for one in of_each if one is not None)


def _may_be_id(recording_id: object) -> bool:
    """Tell whether a database could look for it; what a message brings may be anything."""
    return isinstance(recording_id, str) and not check_text(recording_id, "recording_id")


def _signed(change: Change, asked_by: str | None) -> Change:
    """Let the timeline tell which message brought a wish."""
    if asked_by is None or not change.entries or not _may_be_id(asked_by):
        return change
    first, *others = change.entries
    first = replace(first, facts={**first.facts, ASKED_BY: asked_by})
    return replace(change, entries=(first, *others))


def _accepted(planned: Session, session: Session) -> Accepted:
    """Tell of a recording that was stored, and of its first call when it was claimed."""
    dispatches = (dispatch_of(session),) if session is not planned else ()
    return Accepted(recording_id=session.recording_id, is_new=True, dispatches=dispatches)


_Edit = Callable[[Recording, Session, datetime], Change]


def _new_id(now: datetime) -> str:
    """Make an id that sorts by the time it was made."""
    return f"{int(now.timestamp() * 1000):011x}{uuid.uuid4().hex[:13]}"
