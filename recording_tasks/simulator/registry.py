"""All resources and sessions there are, and which of them live at one instant."""

from __future__ import annotations

import base64
import random
from fnmatch import fnmatchcase
from typing import Literal

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.channels import Channel, Channels
from recording_tasks.simulator.sessions import Outage, Resource, Session, started_session
from recording_tasks.simulator.settings import Settings

DEFAULT_HOURS = 72

Disturbance = Literal["failover", "abnormal_exit", "kick"]


class Registry:
    """Holds resources and sessions; every method is told the simulated instant."""

    def __init__(self, settings: Settings) -> None:
        self.channels = Channels()
        self.resources: dict[str, Resource] = {}
        self.sessions: dict[str, Session] = {}
        self._live: dict[str, dict[str, Session]] = {}  # by App ID and sid, until they have left
        self._latest: dict[tuple[str, str, str], Session] = {}  # by App ID, cname and uid
        self._random = random.Random(settings.seed)  # noqa: S311  # ids of a simulator
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Go on under other settings."""
        self._settings = settings
        self._accounts = {account.app_id: account for account in settings.accounts}

    def acquire(self, app: str, body: Json, now: float) -> Resource:
        """Make a resource out of a valid body of acquire."""
        request = body["clientRequest"]
        length = self._settings.resource_id_length
        resource = Resource(
            resource_id=base64.urlsafe_b64encode(self._random.randbytes(length)).decode()[:length],
            app=app,
            cname=body["cname"],
            uid=body["uid"],
            scene=request.get("scene", 0),
            hours=request.get("resourceExpiredHour", DEFAULT_HOURS),
            start_parameter=request.get("startParameter"),
            acquired_at=now,
        )
        self.resources[resource.resource_id] = resource
        return resource

    def begin(self, resource: Resource, mode: str, request: Json, now: float) -> Session:
        """Start the session of a resource."""
        placed = self.channels.of(resource.app, resource.cname)
        told = placed.channel.join_seconds
        session = started_session(
            resource,
            sid=self._random.randbytes(16).hex(),
            mode=mode,
            request=request,
            now=now,
            joins_at=now + (self._settings.join_seconds if told is None else told),
        )
        session.place(placed, self._accounts.get(resource.app), self._settings, now)
        resource.session = self.sessions[session.sid] = session
        self._live.setdefault(resource.app, {})[session.sid] = session
        self._latest[session.app, session.cname, session.uid] = session
        return session

    def live_count(self, app: str, now: float, *, is_web: bool) -> int:
        """How many slots of an App ID are taken."""
        live = self._live.get(app, {})
        for sid in [sid for sid, session in live.items() if now >= session.end.left_at]:
            del live[sid]
        return sum(1 for session in live.values() if session.is_web == is_web)

    def is_recorded(self, resource: Resource, now: float) -> bool:
        """Whether the same App ID, channel and uid are being recorded."""
        session = self._latest.get((resource.app, resource.cname, resource.uid))
        if session is None:
            return False
        is_strict = self._settings.conflict_while_exiting
        return now < (session.end.left_at if is_strict else session.end.at)

    def running(self, now: float) -> list[Session]:
        """The sessions that record, or are about to."""
        live = [session for sessions in self._live.values() for session in sessions.values()]
        return [session for session in live if not session.has_ended(now)]

    def tell(self, channel: Channel, now: float) -> None:
        """Change what a channel is like from now on, also for sessions that run in it."""
        affected = [s for s in self.running(now) if channel.matches(s.app, s.cname)]
        for session in affected:
            session.settle(now)
        self.channels.tell(channel, now)
        for session in affected:
            placed = self.channels.of(session.app, session.cname)
            session.place(placed, self._accounts.get(session.app), self._settings, now)

    def disturb(self, kind: Disturbance, channel: str, seconds: float, now: float) -> list[str]:
        """Let something go wrong with the running sessions of a channel, now; say which."""
        running = self.running(now)
        found = [s for s in running if s.cname == channel or fnmatchcase(s.cname, channel)]
        for session in found:
            if kind == "failover":
                session.outages.append(Outage(begin=now, end=now + seconds))
                session.replan(self._accounts.get(session.app), self._settings)
            else:
                session.force(now, "kicked" if kind == "kick" else kind, self._settings)
        return [session.sid for session in found]
