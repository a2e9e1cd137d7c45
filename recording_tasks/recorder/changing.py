"""How callers change their minds: the last word wins, and one that comes twice is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from recording_tasks.errors import InvalidInputError, UnknownRecordingError
from recording_tasks.lifecycle import (
    Change,
    called_off,
    extended,
    layout_asked,
    may_stop,
    update_asked,
)
from recording_tasks.models import Mode, Recording, Session, Step
from recording_tasks.recorder.at_once import claim_at_once
from recording_tasks.recorder.claims import Dispatch, dispatch_of
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.intake import check_end, check_text
from recording_tasks.recorder.ledger import held
from recording_tasks.recorder.running import Calls
from recording_tasks.store import ASKED_BY, Store, Writing
from recording_tasks.wire import check_layout, check_update, merge_update

_Edit = Callable[[Recording, Session, datetime], Change]


class Changer:
    """Applies callers' words to recordings."""

    def __init__(self, context: Context, calls: Calls) -> None:
        self._context, self._store, self._settings = context, context.store, context.settings
        self._calls = calls

    def stop(
        self, recording_id: str, *, at_once: bool = True, asked_by: str | None = None
    ) -> tuple[Dispatch, ...]:
        """End a recording, and claim the stop of what runs."""
        now = self._store.now()
        app = found(self._store, recording_id).app
        with self._store.writing() as writing:
            if at_once and self._context.pace(app).rate:
                held(writing, self._settings, app)  # before the recording's own row, as everywhere
            recording, latest = self._latest(writing, recording_id)
            change = called_off(
                recording, latest, "recording.stop_asked", self._context.moment(now)
            )
            change = _signed(change, asked_by)
            session = change.session
            if at_once and may_stop(session):
                session = claim_at_once(
                    self._context, writing, session, Step.STOP, due_at=now, now=now
                )
            self._context.save(writing, recording, latest, replace(change, session=session))
        return (dispatch_of(session),) if session is not change.session else ()

    def stop_now(
        self, recording_id: str, *, asked_by: str | None = None, is_again: bool = False
    ) -> None:
        """End a recording, and make the call that it takes."""
        if is_again and self._is_heeded(recording_id, asked_by):
            return
        now = self._store.now()
        seen = self._store.see_latest(recording_id) if _may_be_id(recording_id) else None
        if seen is None:
            raise UnknownRecordingError(recording_id)
        is_alone = seen.recording.session_count == 1  # no other session of it is to be stopped
        if is_alone and not self._context.pace(seen.recording.app).rate:
            asked = "recording.stop_asked"
            change = called_off(seen.recording, seen.session, asked, self._context.moment(now))
            change = _signed(change, asked_by)
            begun = None
            if may_stop(change.session):
                begun = self._calls.begin(seen, change, Step.STOP, now)
            if begun is not None:
                self._calls.finish(begun, Step.STOP)
                return
        for one in self.stop(recording_id, asked_by=asked_by):
            self._calls.run_claim(recording_id, one.step, one.claim)

    def cancel(self, recording_id: str, *, asked_by: str | None = None) -> None:
        """Call a recording off."""
        self._edit(
            recording_id,
            lambda recording, session, now: called_off(
                recording, session, "recording.cancel_asked", self._context.moment(now)
            ),
            asked_by,
        )

    def extend(
        self, recording_id: str, arguments: Mapping[str, Any], *, asked_by: str | None = None
    ) -> None:
        """Move a recording's stop time."""

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
        """Change what a recording subscribes to, pauses or pushes."""

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
        """Replace a mixed recording's layout as a whole."""

        def edit(recording: Recording, session: Session, now: datetime) -> Change:
            faults = [*check_text(request, "request"), *check_layout(request)]
            if recording.mode is not Mode.MIX:
                faults.append("mode: only a recording in mode mix has a layout")
            if faults:
                raise InvalidInputError(faults)
            return layout_asked(recording, session, request, now)

        self._edit(recording_id, edit, asked_by)

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


def found(store: Store, recording_id: str) -> Recording:
    """Read a recording.

    Raises:
        UnknownRecordingError: There is none of this id.
    """
    recording = store.find(recording_id) if _may_be_id(recording_id) else None
    if recording is None:
        raise UnknownRecordingError(recording_id)
    return recording


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
