"""What the beat brings about: what is due is claimed, and what needs no call is decided."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice, zip_longest

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.lifecycle import is_relief_due, lapsed, relieved
from recording_tasks.models import SessionState
from recording_tasks.recorder.claims import (
    Claims,
    Dispatch,
    claim_due,
    is_lapsed,
    looked_at_until,
)
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.planning import Plans
from recording_tasks.recorder.telling import tell
from recording_tasks.store import Work

Lapse = tuple[str, str | None]  # a session's id, and what held it back

log = logging.getLogger(__name__)

_LAPSES_AT_ONCE = 200


class Sweeper:
    """Looks at every app that has something due."""

    def __init__(self, context: Context) -> None:
        self._context, self._store, self._settings = context, context.store, context.settings

    def run(self) -> Iterator[Sequence[Dispatch]]:
        """Claim what is due, one app after the other, and decide what needs no call."""
        now = self._store.now()
        until = looked_at_until(now, self._settings)
        apps = self._store.apps_with_work(until, now + self._settings.rules.resource_use)
        plans = Plans(self._settings)
        undecided = []
        for work, last_lane in self._context.in_order(apps):
            claims = Claims()
            with _alone("app", work.app):
                claims = self._claim(work, last_lane, plans)
            undecided.append([(session_id, claims.obstacle) for session_id in claims.lapsed])
            if claims.dispatches:
                yield claims.dispatches
        for session_id, obstacle in islice(_in_turn(undecided), _LAPSES_AT_ONCE):
            with _alone("session", session_id):
                self._lapse(session_id, obstacle, self._store.now())

    def _claim(self, work: Work, last_lane: int, plans: Plans) -> Claims:
        if work.app not in self._settings.apps:
            log.error("sweep.app_unknown app=%s", work.app)
            return Claims()
        now = self._store.now()
        with self._store.writing() as writing:
            pace = self._context.pace(work.app)
            return claim_due(
                writing, work, pace, now, self._settings, plans=plans, last_lane=last_lane
            )

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
            change = rule(recording, known, self._context.moment(now))
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


def _in_turn(undecided: Sequence[Sequence[Lapse]]) -> Iterator[Lapse]:
    """Take one of each app, then the second of each: no app waits for another's hundreds."""
    for of_each in zip_longest(*undecided):
        yield from (one for one in of_each if one is not None)
