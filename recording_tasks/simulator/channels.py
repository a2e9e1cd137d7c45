"""Who is in a channel and what will go wrong there, as told over the control door."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf
from typing import Literal

from pydantic import BaseModel, ConfigDict

from recording_tasks.simulator.settings import Seconds

DEFAULT_PUBLISHER = "123"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class User(_Told):
    """Someone in the channel; times in simulated seconds after the channel was told of."""

    uid: str
    role: Literal["host", "audience"] = "host"
    audio: bool = True
    video: bool = True
    joins: Seconds | None = None  # None: was always there
    leaves: Seconds | None = None  # None: stays for ever


class Failover(_Told):
    """A worker dies ``after`` seconds of the session and is away for ``seconds``."""

    after: Seconds
    seconds: Seconds = 60


class Channel(_Told):
    """What a channel is like. ``name`` is exact or a glob; the latest that matches counts."""

    name: str
    app: str = "*"
    users: tuple[User, ...] | None = None  # None: one host who publishes for ever; (): nobody
    profile: Literal["communication", "live"] | None = None  # None: as the recorder says
    failovers: tuple[Failover, ...] = ()
    abnormal_exit_after: Seconds | None = None
    storage: Literal["ok", "bad"] = "ok"
    token: Literal["ok", "expired", "wrong"] = "ok"  # noqa: S105
    transcoding: Literal["ok", "bad"] = "ok"
    page: Literal["ok", "missing", "slow"] = "ok"
    uploading_status: Literal["uploaded", "backuped", "unknown"] = "uploaded"
    upload_seconds: Seconds | None = None
    join_seconds: Seconds | None = None
    first_file_seconds: Seconds | None = None

    def matches(self, app: str, cname: str) -> bool:
        """Whether this tells of that channel."""
        return (self.app in ("*", app)) and (self.name == cname or fnmatchcase(cname, self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Someone's stay in a channel, between two simulated instants."""

    uid: str
    begin: float
    end: float
    is_host: bool = True
    audio: bool = True
    video: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A channel together with the stays it means."""

    channel: Channel
    presences: tuple[Presence, ...]


DEFAULT = Placed(
    channel=Channel(name="*"),
    presences=(Presence(uid=DEFAULT_PUBLISHER, begin=-inf, end=inf),),
)


def placed(channel: Channel, now: float) -> Placed:
    """Turn the seconds of a telling into instants."""
    if channel.users is None:
        return Placed(channel=channel, presences=DEFAULT.presences)
    return Placed(channel=channel, presences=tuple(_presence(user, now) for user in channel.users))


def _presence(user: User, now: float) -> Presence:
    return Presence(
        uid=user.uid,
        begin=-inf if user.joins is None else now + user.joins,
        end=inf if user.leaves is None else now + user.leaves,
        is_host=user.role == "host",
        audio=user.audio,
        video=user.video,
    )


class Channels:
    """All channels: those told of, and the default for the rest."""

    def __init__(self) -> None:
        self._told: list[Placed] = []
        self._known: dict[tuple[str, str], Placed] = {}

    def tell(self, channel: Channel, now: float) -> None:
        """Add one, before all earlier ones; an equal name and app is replaced."""
        same = (channel.name, channel.app)
        kept = [p for p in self._told if (p.channel.name, p.channel.app) != same]
        self._told = [placed(channel, now), *kept]
        self._known.clear()

    def of(self, app: str, cname: str) -> Placed:
        """What is known of one channel."""
        key = (app, cname)
        known = self._known.get(key)
        if known is None:
            matching = (p for p in self._told if p.channel.matches(app, cname))
            known = self._known[key] = next(matching, DEFAULT)
        return known

    def told(self) -> list[Channel]:
        """Those told of, the latest first."""
        return [p.channel for p in self._told]
