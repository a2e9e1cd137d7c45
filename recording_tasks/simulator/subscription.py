"""Whose audio and video a session records, from the lists of start and update."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.shapes import ALL_STREAMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which users' streams of one medium are taken."""

    kind: Literal["all", "only", "except", "none"] = "all"
    uids: frozenset[str] = frozenset()

    def takes(self, uid: str) -> bool:
        """Whether this user's stream is recorded."""
        match self.kind:
            case "all":
                return True
            case "only":
                return uid in self.uids
            case "except":
                return uid not in self.uids
            case "none":
                return False


NONE = Choice(kind="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Which streams are taken, for both media."""

    audio: Choice = Choice()
    video: Choice = Choice()

    def updated(self, stream_subscribe: Json) -> Subscription:
        """Put the lists of an update in place of the earlier ones of the same medium."""
        audio = _choice(stream_subscribe.get("audioUidList", {}), "Audio")
        video = _choice(stream_subscribe.get("videoUidList", {}), "Video")
        changed = self if audio is None else replace(self, audio=audio)
        return changed if video is None else replace(changed, video=video)


def subscription(config: Json) -> Subscription:
    """Read a recordingConfig: a list for only one medium silences the other."""
    audio, video = _choice(config, "Audio"), _choice(config, "Video")
    stream_types = config.get("streamTypes", 2)
    silent_audio = stream_types == 1 or (audio is None and video is not None)
    silent_video = stream_types == 0 or (video is None and audio is not None)
    return Subscription(
        audio=NONE if silent_audio else audio or Choice(),
        video=NONE if silent_video else video or Choice(),
    )


def _choice(config: Json, medium: str) -> Choice | None:
    wanted: Any = config.get(f"subscribe{medium}Uids")
    if wanted is not None:
        uids = frozenset(wanted)
        return Choice() if wanted == ALL_STREAMS else Choice(kind="only", uids=uids)
    for spelling in ("unSubscribe", "unsubscribe", "unsunscribe"):
        unwanted = config.get(f"{spelling}{medium}Uids")
        if unwanted is not None:
            return Choice(kind="except", uids=frozenset(unwanted))
    return None
