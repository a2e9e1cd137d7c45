"""What a session that has to wait for another one's end says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from recording_tasks.lifecycle.endings import session_line
from recording_tasks.models import Entry, Session


def admitted(waiting: Sequence[Session], room: int) -> list[Session]:
    """Choose who may go on when so many more may run: in the order in which they were to begin."""
    in_order = sorted(waiting, key=lambda session: (session.start_at, session.id))
    return in_order[: max(0, room)]


def held_back(session: Session, most: int, now: datetime) -> tuple[Session, Entry] | None:
    """Say that a session waits because so many run already; None when it was said before."""
    reason = f"waited for another session's end: no more than {most} may run at once"
    if session.reason == reason:
        return None
    session = replace(session, reason=reason)
    return session, replace(session_line(session, now), event="session.waiting")
