"""What the recorded files are called, and which there are at one instant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.sessions import Session, Span
from recording_tasks.simulator.start_body import services

SLICE_SECONDS = 15.0
_MP4_SECONDS = 7200.0
_WEB_MP4_MINUTES = 120
_SNAPSHOT_SECONDS = 10
_MAX_OBJECTS = 20_000

_NOT_IN_WEB_NAMES = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A playlist or an MP4 in the list of a session; instants are simulated."""

    name: str
    track_type: str
    uid: str
    mixed: bool
    begin: float
    end: float

    @property
    def slice_start_ms(self) -> int:
        """When it begins, in Unix milliseconds."""
        return round(self.begin * 1000)

    def listed(self) -> Json:
        """Its item in the fileList of a channel recording."""
        return {
            "fileName": self.name,
            "trackType": self.track_type,
            "uid": self.uid,
            "mixedAllUser": self.mixed,
            "isPlayable": True,
            "sliceStartTime": self.slice_start_ms,
        }

    def listed_in_web(self) -> Json:
        """Its item in the payload of a web page recording."""
        return {"filename": self.name, "sliceStartTime": self.slice_start_ms}


def files(session: Session, now: float, *, with_prefix: bool = False) -> list[File]:
    """The playlists and MP4s there are; each failover begins a new set."""
    if session.is_screenshot_only:
        return []
    prefix = prefix_of(session) if with_prefix else ""
    found: list[File] = []
    for mark, begin, end in _generations(session, min(now, session.end.at)):
        found += _set_of_files(session, prefix + mark, begin, end, now)
    return found


def prefix_of(session: Session) -> str:
    """The folder in the bucket, with its slash; empty where none was asked for."""
    parts = session.request.get("storageConfig", {}).get("fileNamePrefix", ())
    return "".join(f"{part}/" for part in parts)


def objects(session: Session, now: float) -> list[str]:
    """Every object that is in the bucket, or on its way there, with its folder."""
    names = [file.name for file in files(session, now, with_prefix=True)]
    for file in files(session, now, with_prefix=True):
        if file.name.endswith(".m3u8"):
            names += _slices(file)
    names += _screenshots(session, now)
    return names[:_MAX_OBJECTS]


def _generations(session: Session, until: float) -> Iterator[tuple[str, float, float]]:
    """The stretches between failovers with the mark their files carry."""
    begin, mark = session.joins_at, ""
    for number, outage in enumerate(sorted(session.outages, key=lambda outage: outage.begin)):
        if outage.begin >= until:
            break
        if begin < outage.begin:
            yield mark, begin, outage.begin
        begin, mark = max(begin, outage.end), f"bak{number}_"
    if begin < until:
        yield mark, begin, until


def _set_of_files(
    session: Session, folder: str, begin: float, end: float, now: float
) -> list[File]:
    if session.is_web:
        recorded_from = max(begin, session.page_recorded_from)
        if recorded_from >= end:
            return []
        return _mixed(session, folder, "audio_and_video", recorded_from, end)
    spans = [_clipped(s, begin, end) for s in session.spans(now) if s.begin < end and s.end > begin]
    if session.mode == "mix":
        return _mixed_from(session, folder, spans)
    return [file for uid in _uids(spans) for file in _of_user(session, folder, uid, spans)]


def _clipped(span: Span, begin: float, end: float) -> Span:
    return Span(
        uid=span.uid,
        begin=max(span.begin, begin),
        end=min(span.end, end),
        audio=span.audio,
        video=span.video,
    )


def _uids(spans: list[Span]) -> list[str]:
    return list(dict.fromkeys(span.uid for span in spans))


def _mixed_from(session: Session, folder: str, spans: list[Span]) -> list[File]:
    if not spans:
        return []
    audio, video = any(s.audio for s in spans), any(s.video for s in spans)
    track = "audio_and_video" if audio and video else "audio" if audio else "video"
    begin, end = min(s.begin for s in spans), max(s.end for s in spans)
    return _mixed(session, folder, track, begin, end)


def _mixed(session: Session, folder: str, track: str, begin: float, end: float) -> list[File]:
    stem = f"{folder}{session.sid}_{_channel_in_names(session)}"
    names = [f"{stem}.m3u8"]
    if "mp4" in session.request.get("recordingFileConfig", {}).get("avFileType", ()):
        count = int((end - begin) // _mp4_seconds(session)) + 1
        names += [f"{stem}_{index}.mp4" for index in range(count)]
    return [
        File(name=name, track_type=track, uid="0", mixed=True, begin=begin, end=end)
        for name in names
    ]


def _mp4_seconds(session: Session) -> float:
    if not session.is_web:
        return _MP4_SECONDS
    param = services(session.request).get("web_recorder_service", {})
    return float(param.get("maxVideoDuration", _WEB_MP4_MINUTES) * 60)


def _channel_in_names(session: Session) -> str:
    return _NOT_IN_WEB_NAMES.sub("-", session.cname) if session.is_web else session.cname


def _of_user(session: Session, folder: str, uid: str, spans: list[Span]) -> Iterator[File]:
    mine = [span for span in spans if span.uid == uid]
    stem = f"{folder}{session.sid}_{session.cname}__uid_s_{uid}__uid_e_"
    tracks = [
        ("audio", "audio", [s for s in mine if s.audio]),
        ("video", "video", [s for s in mine if s.video]),
    ]
    if session.config.get("streamMode") == "standard" and all(heard for _, _, heard in tracks):
        tracks.append(("av", "audio_and_video", mine))
    for kind, track, heard in tracks:
        if heard:
            yield File(
                name=f"{stem}{kind}.m3u8",
                track_type=track,
                uid=uid,
                mixed=False,
                begin=min(s.begin for s in heard),
                end=max(s.end for s in heard),
            )


def _slices(playlist: File) -> Iterator[str]:
    stem, at = playlist.name.removesuffix(".m3u8"), playlist.begin
    while at < playlist.end:
        yield f"{stem}_{_utc(at)}.ts"
        at += SLICE_SECONDS


def _screenshots(session: Session, now: float) -> Iterator[str]:
    config = session.request.get("snapshotConfig")
    if config is None:
        return
    interval = config.get("captureInterval", _SNAPSHOT_SECONDS)
    folder = prefix_of(session)
    for mark, begin, end in _generations(session, min(now, session.end.at)):
        for span in session.spans(now):
            at = max(span.begin, begin)
            while span.video and at < min(span.end, end):
                stem = f"{folder}{mark}{session.sid}_{session.cname}"
                yield f"{stem}__uid_s_{span.uid}__uid_e_video_{_utc(at)}.jpg"
                at += interval


def _utc(instant: float) -> str:
    seconds, milliseconds = divmod(round(instant * 1000), 1000)  # as its sliceStartTime
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}{milliseconds:03d}"
