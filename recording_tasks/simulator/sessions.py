"""A session's life: when it joins, is away, ends by itself, and what it is at one instant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.channels import DEFAULT, Channel, Placed, Presence
from recording_tasks.simulator.rtc_tokens import expiry
from recording_tasks.simulator.settings import Account, Settings
from recording_tasks.simulator.start_body import services, transcoding_trouble
from recording_tasks.simulator.storage import is_refused_later
from recording_tasks.simulator.subscription import Subscription, subscription

HOUR = 3600.0
DEFAULT_IDLE = 30.0

_EXPIRES_IN = re.compile(r"expires-in:([0-9]+)")


class Phase(StrEnum):
    """What a session is at one instant."""

    STARTING = "starting"
    RUNNING = "running"
    AWAY = "away"  # a failover is under way: nobody answers, but it lives
    ABNORMAL = "abnormal"  # died a moment ago, still seen with status 20
    EXITING = "exiting"  # has ended, uploads and leaves
    GONE = "gone"


@dataclass(slots=True, kw_only=True)
class Resource:
    """A ticket from acquire."""

    resource_id: str
    app: str
    cname: str
    uid: str
    scene: int
    hours: int
    start_parameter: Json | None
    acquired_at: float
    session: Session | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a session ends.

    Attributes:
        left_at: When the worker has left, so that its slot is free.
    """

    at: float
    cause: str
    left_at: float


NEVER = End(at=inf, cause="running", left_at=inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which a failover is under way."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of somebody's streams that was recorded."""

    uid: str
    begin: float
    end: float
    audio: bool
    video: bool


@dataclass(slots=True, kw_only=True)
class Session:
    """One recording; instants are simulated."""

    app: str
    cname: str
    uid: str
    mode: str
    resource_id: str
    sid: str
    request: Json
    started_at: float
    joins_at: float
    controllable_until: float
    subscription: Subscription
    placed: Placed = DEFAULT
    end: End = NEVER
    outages: list[Outage] = field(default_factory=list)
    kept: list[Span] = field(default_factory=list)  # recorded before settled_at
    settled_at: float = -inf
    busy_until: float = -inf  # the last instant with someone there, before settled_at
    onhold: bool = False
    page_recorded_from: float = inf  # when a web page was first not on hold
    stop_pending: bool = False  # a stop has not been answered yet
    queried_beside_stop: bool = False
    forced_end: End | None = None
    acts: list[tuple[float, str]] = field(default_factory=list)
    layout: Json | None = None

    @property
    def config(self) -> Json:
        """The recordingConfig it was started with."""
        found: Json = self.request.get("recordingConfig", {})
        return found

    @property
    def channel(self) -> Channel:
        """What its channel is like at present."""
        return self.placed.channel

    @property
    def is_web(self) -> bool:
        """Whether it records a web page."""
        return self.mode == "web"

    @property
    def is_screenshot_only(self) -> bool:
        """Whether it takes pictures and records nothing."""
        return "snapshotConfig" in self.request and "recordingFileConfig" not in self.request

    def phase(self, now: float, settings: Settings) -> Phase:
        """What it is at this instant."""
        if now >= self.end.at:
            return self._phase_after_end(now, settings)
        if now < self.joins_at:
            return Phase.STARTING
        if any(outage.begin <= now < outage.end for outage in self.outages):
            return Phase.AWAY
        return Phase.RUNNING

    def _phase_after_end(self, now: float, settings: Settings) -> Phase:
        if now >= self.end.left_at:
            return Phase.GONE
        if self.end.cause == "abnormal_exit" and now < self.end.at + settings.abnormal_seconds:
            return Phase.ABNORMAL
        return Phase.EXITING

    def has_ended(self, now: float) -> bool:
        """Whether it records no more."""
        return now >= self.end.at

    def spans(self, now: float) -> list[Span]:
        """What it has recorded until now, in the order of joining."""
        until = min(now, self.end.at)
        return [*self.kept, *self._spans_since(max(self.settled_at, self.joins_at), until)]

    def _spans_since(self, since: float, until: float) -> Iterator[Span]:
        if self.is_web or not self._fits_profile():
            return
        for presence in self.placed.presences:
            begin, end = max(presence.begin, since), min(presence.end, until)
            if begin >= end or not (presence.is_host or not self.is_live):
                continue
            audio = presence.audio and self.subscription.audio.takes(presence.uid)
            video = presence.video and self.subscription.video.takes(presence.uid)
            if audio or video:
                yield Span(uid=presence.uid, begin=begin, end=end, audio=audio, video=video)

    @property
    def is_live(self) -> bool:
        """Whether only hosts publish, and only they keep it from being idle."""
        return bool(self.config.get("channelType", 0) == 1)

    def _fits_profile(self) -> bool:
        profile = self.channel.profile
        return profile is None or (profile == "live") == self.is_live

    def hold(self, now: float, *, onhold: bool) -> None:
        """Pause or resume recording a web page."""
        self.onhold = onhold
        if not onhold:
            self.page_recorded_from = min(self.page_recorded_from, max(now, self.joins_at))

    def settle(self, now: float) -> None:
        """Keep what was recorded until now, before the channel or the subscription changes."""
        if self.has_ended(now):
            return
        self.kept = self.spans(now)
        self.busy_until = self._busy_until(now)
        self.settled_at = now

    def place(
        self, placed: Placed, account: Account | None, settings: Settings, now: float
    ) -> None:
        """Put it in a channel as it is from now on, and work out its end anew."""
        self.placed = placed
        past = [outage for outage in self.outages if outage.begin < now]
        told = [(self.started_at + f.after, f.seconds) for f in placed.channel.failovers]
        coming = [Outage(begin=at, end=at + seconds) for at, seconds in told if at >= now]
        self.outages = past + coming
        self.replan(account, settings)

    def replan(self, account: Account | None, settings: Settings) -> None:
        """Work out how it ends by itself."""
        causes = [*self._failing_checks(account, settings), *self._endings(account, settings)]
        at, cause = min(causes, default=(inf, "running"))
        self.end = End(at=at, cause=cause, left_at=at + self._exit_seconds(cause, settings))
        if self.forced_end is not None and self.forced_end.at <= self.end.at:
            self.end = self.forced_end

    def force(self, at: float, cause: str, settings: Settings) -> None:
        """End it at an instant, unless it has ended before."""
        if at < self.end.at:
            left_at = at + self._exit_seconds(cause, settings)
            self.end = self.forced_end = End(at=at, cause=cause, left_at=left_at)

    def upload_seconds(self, settings: Settings) -> float:
        """How long its files take to be in the bucket."""
        told = self.channel.upload_seconds
        return settings.upload_seconds if told is None else told

    def _exit_seconds(self, cause: str, settings: Settings) -> float:
        if cause in ("storage", "token", "transcoding"):
            return 0.0  # it never recorded: there is nothing to finish
        if cause == "kicked":
            return settings.kicked_exiting_seconds
        if cause == "abnormal_exit":
            return settings.abnormal_seconds
        return self.upload_seconds(settings) + settings.exiting_seconds

    def _failing_checks(
        self, account: Account | None, settings: Settings
    ) -> Iterator[tuple[float, str]]:
        at = self.started_at + settings.async_check_seconds
        if self.channel.storage == "bad" or is_refused_later(self.request.get("storageConfig", {})):
            yield at, "storage"
        if self.is_web:
            return
        if self.channel.token != "ok" or not self._is_let_in(settings.certificate_of(account)):  # noqa: S105
            yield at, "token"
        if self.channel.transcoding == "bad" or transcoding_trouble(self.request) is not None:
            yield at, "transcoding"

    def _is_let_in(self, certificate: bool | str) -> bool:
        token = self.request.get("token", "")
        if isinstance(certificate, str):
            return self._token_ends_at(certificate) > self.started_at
        return token not in ("expired", "wrong") and bool(token or not certificate)

    def _token_ends_at(self, certificate: str) -> float:
        token = self.request.get("token", "")
        end = expiry(token, certificate=certificate, app=self.app, cname=self.cname, uid=self.uid)
        return -inf if end is None else end

    def _endings(self, account: Account | None, settings: Settings) -> Iterator[tuple[float, str]]:
        if self.channel.abnormal_exit_after is not None:
            yield self.started_at + self.channel.abnormal_exit_after, "abnormal_exit"
        if len(self.outages) > settings.max_failovers:
            yield (
                sorted(outage.begin for outage in self.outages)[settings.max_failovers],
                "failovers",
            )
        if self.is_web:
            yield from self._web_endings()
        else:
            yield from self._token_endings(settings.certificate_of(account), settings)
            yield from self._channel_endings()

    def _web_endings(self) -> Iterator[tuple[float, str]]:
        param = services(self.request).get("web_recorder_service", {})
        yield self.joins_at + param.get("maxRecordingHour", 720) * HOUR, "max_recording_hour"
        ready_timeout = param.get("readyTimeout", 0)
        if self.channel.page == "missing":
            yield self.joins_at, "access_url_failed"
        if self.channel.page == "slow" and ready_timeout:
            yield self.joins_at + 2 * ready_timeout, "page_load_timeout"

    def _token_endings(
        self, certificate: bool | str, settings: Settings
    ) -> Iterator[tuple[float, str]]:
        if isinstance(certificate, str):
            end = self._token_ends_at(certificate)
            if end > self.started_at:
                yield end, "token_expired"
            return
        lifetime = _token_seconds(self.request.get("token", ""), settings)
        if lifetime is not None:
            yield self.started_at + lifetime, "token_expired"

    def _channel_endings(self) -> Iterator[tuple[float, str]]:
        yield self._busy_until(inf) + self.config.get("maxIdleTime", DEFAULT_IDLE), "idle"
        if self.placed is DEFAULT or self.channel.users is None:
            return
        for presence in self.placed.presences:
            at = max(presence.begin, self.joins_at)
            if presence.uid == self.uid and at < presence.end:
                yield at, "kicked"

    def _busy_until(self, now: float) -> float:
        """The last instant, seen from ``now``, before its idle time began."""
        patience = self.config.get("maxIdleTime", DEFAULT_IDLE)
        cursor = max(self.busy_until, self.joins_at)
        for presence in sorted(self.placed.presences, key=_begin):
            if presence.end <= cursor or not self._is_counted(presence):
                continue
            if presence.begin > cursor + patience or presence.begin > now:
                break
            cursor = presence.end
        return min(cursor, max(now, self.joins_at))

    def _is_counted(self, presence: Presence) -> bool:
        return self._fits_profile() and (presence.is_host or not self.is_live)


def _begin(presence: Presence) -> float:
    return presence.begin


def _token_seconds(token: str, settings: Settings) -> float | None:
    """A token that reads ``expires-in:90`` lives 90 seconds, any other as long as set."""
    if not token:
        return None
    stated = _EXPIRES_IN.fullmatch(token)
    return settings.token_seconds if stated is None else float(stated[1])


def started_session(
    resource: Resource, *, sid: str, mode: str, request: Json, now: float, joins_at: float
) -> Session:
    """Begin a session with an acquired resource."""
    param = services(request).get("web_recorder_service", {})
    return Session(
        app=resource.app,
        cname=resource.cname,
        uid=resource.uid,
        mode=mode,
        resource_id=resource.resource_id,
        sid=sid,
        request=request,
        started_at=now,
        joins_at=joins_at,
        controllable_until=now + resource.hours * HOUR,
        subscription=subscription(request.get("recordingConfig", {})),
        onhold=param.get("onhold", False),
        page_recorded_from=inf if param.get("onhold", False) else joins_at,
        acts=[(now, "started")],
    )
