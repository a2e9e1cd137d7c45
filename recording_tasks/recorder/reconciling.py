"""How what we believe is compared with what Agora says, and mended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recording_tasks.lifecycle import Change, Moment, reopened, resumed, stray_stopped
from recording_tasks.models import Recording, Session
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.load import Load, load_of
from recording_tasks.recorder.telling import tell
from recording_tasks.store import Audit, Writing

log = logging.getLogger(__name__)

_AT_ONCE = 20  # of each kind in a minute: a query each, in the lowest lane
_UNHEARD = 4  # times the spacing of queries: so much silence says that the quota is too small

_Rule = Callable[[Recording, Session, Moment], Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one comparison found.

    Attributes:
        rechecked: Sessions given up for a 404 that Agora is asked about once more.
        resumed: Recordings that nothing attended to.
        stopped: Sessions that ran on though their recording was over.
        unheard: Running sessions that Agora was not asked about for long; nothing was changed.
        stretched: What runs of the apps whose sessions are asked about too seldom, because they
            are so many; nothing was changed.
    """

    rechecked: int
    resumed: int
    stopped: int
    unheard: int
    stretched: tuple[Load, ...] = ()

    def figures(self) -> dict[str, Any]:
        """Give it in numbers and names alone."""
        stretched = {
            load.app: {
                "live": load.live,
                "every_seconds": round(load.every.total_seconds()),
                "most_seconds": round(load.most.total_seconds()),
            }
            for load in self.stretched
        }
        return {
            "rechecked": self.rechecked,
            "resumed": self.resumed,
            "stopped": self.stopped,
            "unheard": self.unheard,
            "stretched": stretched,
        }


class Reconciler:
    """Compares the tables with themselves, and has Agora asked where they rest on its silence."""

    def __init__(self, context: Context) -> None:
        self._context, self._audit = context, Audit(context.store.database)

    def run(self) -> Reconciled:
        """Compare once; safe to repeat, and for several at once."""
        now = self._context.store.now()
        since = now - self._context.settings.rules.query_every * _UNHEARD
        found = Reconciled(
            rechecked=sum(map(self._reopen, self._audit.doubted(now, _AT_ONCE))),
            resumed=sum(map(self._resume, self._audit.unattended(_AT_ONCE))),
            stopped=sum(map(self._stop, self._audit.strays(now, _AT_ONCE))),
            unheard=self._audit.unheard(since),
            stretched=self._stretched(),
        )
        for app, told in found.figures()["stretched"].items():
            numbers = " ".join(f"{name}={value}" for name, value in told.items())
            log.warning("queries.stretched app=%s %s", app, numbers)
        if any((found.rechecked, found.resumed, found.stopped, found.unheard)):
            log.warning(
                "reconcile.found rechecked=%d resumed=%d stopped=%d unheard=%d",
                found.rechecked,
                found.resumed,
                found.stopped,
                found.unheard,
            )
        return found

    def _stretched(self) -> tuple[Load, ...]:
        """Find the apps of which more runs than their quota lets us ask about in time."""
        store, settings = self._context.store, self._context.settings
        loads = (load_of(store, settings, app) for app in settings.apps)
        return tuple(load for load in loads if load.is_stretched)

    def _reopen(self, session_id: str) -> bool:
        return self._mend(lambda writing: writing.lock_with_session(session_id), reopened)

    def _resume(self, recording_id: str) -> bool:
        return self._mend(lambda writing: writing.lock_latest(recording_id), resumed)

    def _stop(self, session_id: str) -> bool:
        return self._mend(lambda writing: writing.lock_with_session(session_id), stray_stopped)

    def _mend(
        self, lock: Callable[[Writing], tuple[Recording, Session] | None], rule: _Rule
    ) -> bool:
        """Apply a rule to what it was found for, as it stands now that we hold it."""
        moment = self._context.moment(self._context.store.now())
        with self._context.store.writing() as writing:
            try:
                held = lock(writing)
            except ValueError as error:  # a newer version beside us wrote what we do not know
                log.warning("reconcile.unreadable reason=%s", error)
                return False
            if held is None:
                return False
            change = rule(*held, moment)
            self._context.save(writing, *held, change)
        tell(change.recording, change)
        return (change.recording, change.session) != held
