"""What happened in sum: calls, peaks, sessions, minutes, and channels recorded twice at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.clock import SimulatedClock
from recording_tasks.simulator.files import files
from recording_tasks.simulator.sessions import Session
from recording_tasks.simulator.settings import Settings


def session_figures(sessions: Iterable[Session], now: float) -> Json:
    """How many sessions there were, how they ended, and what they cost."""
    known = list(sessions)
    ended = [session for session in known if session.has_ended(now)]
    running = [session for session in known if not session.has_ended(now)]
    seconds = sum(min(session.end.at, now) - session.started_at for session in known)
    overlaps = overlapping(known, now)
    return {
        "sessions_started": len(known),
        "sessions_running": len(running),
        "running": [_name(session) for session in running],
        "ended_by_cause": dict(Counter(session.end.cause for session in ended)),
        "minutes_billed": round(seconds / 60, 3),
        "max_concurrent_per_channel": max(
            (entry["max_concurrent"] for entry in overlaps), default=min(len(known), 1)
        ),
        "overlapping_channels": overlaps,
    }


def overlapping(sessions: Iterable[Session], now: float) -> list[Json]:
    """The channels that were recorded more than once at an instant, with the sessions."""
    by_channel: dict[tuple[str, str], list[Session]] = defaultdict(list)
    for session in sessions:
        by_channel[session.app, session.cname].append(session)
    found = []
    for (app, cname), group in by_channel.items():
        most = max_concurrent([(s.started_at, min(s.end.at, now)) for s in group])
        if most > 1:
            intervals = [
                {**_name(s), "begin": s.started_at, "end": min(s.end.at, now)} for s in group
            ]
            found.append(
                {"app": app, "cname": cname, "max_concurrent": most, "intervals": intervals}
            )
    return found


def max_concurrent(intervals: Iterable[tuple[float, float]]) -> int:
    """How many intervals overlap at most; one that ends when another begins does not."""
    edges = [(begin, 1) for begin, end in intervals if end > begin]
    edges += [(end, -1) for begin, end in intervals if end > begin]
    most = count = 0
    for _, step in sorted(edges):
        count += step
        most = max(most, count)
    return most


def described(session: Session, now: float, settings: Settings, clock: SimulatedClock) -> Json:
    """One session, as the control door shows it."""
    ended = session.has_ended(now)
    return {
        "app": session.app,
        "cname": session.cname,
        "uid": session.uid,
        "mode": session.mode,
        "sid": session.sid,
        "resource_id": session.resource_id,
        "state": session.phase(now, settings).value,
        "started_at": session.started_at,
        "started_unix": clock.unix_at(session.started_at),
        "ended_at": session.end.at if ended else None,
        "ended_unix": clock.unix_at(session.end.at) if ended else None,
        "end_cause": session.end.cause if ended else None,
        "files": [file.name for file in files(session, now)],
        "events": [{"at": at, "name": name} for at, name in life(session, now)],
        "layout": session.layout,
    }


def life(session: Session, now: float) -> list[tuple[float, str]]:
    """What has happened to a session, in order."""
    events = [*session.acts, (session.joins_at, "joined")]
    events += [(outage.begin, "failover") for outage in session.outages]
    until = min(now, session.end.at)
    lived = [event for event in events if event[0] <= until]
    if session.has_ended(now):
        lived.append((session.end.at, f"ended:{session.end.cause}"))
        if now >= session.end.left_at:
            lived.append((session.end.left_at, "exited"))
    return sorted(lived, key=lambda event: event[0])


def _name(session: Session) -> Json:
    return {"app": session.app, "cname": session.cname, "uid": session.uid, "sid": session.sid}
