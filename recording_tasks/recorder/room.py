"""How many sessions of an app run, and which of those that are due may join them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from recording_tasks.lifecycle import admitted, held_back
from recording_tasks.limiter import Quota, Wanted
from recording_tasks.models import Session, SessionState, Step
from recording_tasks.settings import Settings
from recording_tasks.store import Crowd, Writing

_SAID_AT_ONCE = 50  # of hundreds; the sweeps that follow say it of the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many sessions of an app may join those that run.

    The app's row is held: what two sweeps admit is never the same room.
    """

    writing: Writing
    quota: Quota
    now: datetime
    settings: Settings

    def admit(self, wanted: Sequence[Wanted], sessions: Mapping[str, Session]) -> Sequence[Wanted]:
        """Leave out the acquires of sessions that must wait for another's end, and say so."""
        acquires = {call.key: call for call in wanted if _begins(call, sessions[call.key])}
        waiting = [sessions[key] for key in acquires]
        most = self._most(waiting[0].app) if waiting else 0
        if not most:
            return wanted
        count = self._count(waiting[0].app)
        may_go = {session.id for session in admitted(waiting, most - count.running)}
        clock = self.now.timestamp()
        must_wait = [
            said
            for session in waiting
            if session.id not in may_go and acquires[session.id].not_before <= clock
            if (said := held_back(session, most, self.now)) is not None
        ]
        for session, entry in must_wait[:_SAID_AT_ONCE]:
            self.writing.save_session(sessions[session.id], session)
            self.writing.write(session.recording_id, [entry])
        return [call for call in wanted if call.key not in acquires or call.key in may_go]

    def is_left(self, app: str) -> bool:
        """Tell whether one more may begin at once, and nobody waits who was to begin before."""
        most = self._most(app)
        if not most:
            return True
        count = self._count(app)
        return count.running + count.waiting < most

    def _most(self, app: str) -> int:
        return self.settings.app(app).max_sessions

    def _count(self, app: str) -> Crowd:
        """Count; who was stopped a moment ago is still there for Agora."""
        rules = self.settings.rules
        count = self.writing.crowd(app, self.now, self.now + rules.resource_use)
        since = self.now - rules.leaving
        leaving = self.quota.leaving(since.timestamp(), self.now.timestamp())
        return replace(count, running=count.running + leaving)


def _begins(call: Wanted, session: Session) -> bool:
    """Tell whether a call takes room; one whose resource grew too old has its room already."""
    return call.step is Step.ACQUIRE and session.state is SessionState.PLANNED
