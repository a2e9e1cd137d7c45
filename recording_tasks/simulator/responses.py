"""What serverResponse holds in the answers of query and stop, by mode."""

from __future__ import annotations

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.files import File, files
from recording_tasks.simulator.sessions import Phase, Session
from recording_tasks.simulator.settings import Settings
from recording_tasks.simulator.start_body import services, uses_vod

READY, IN_PROGRESS, STOP_REQUESTED, STOPPED, EXITED, ABNORMAL = 4, 5, 6, 7, 8, 20
_STATUSES_BEFORE_JOIN = 5  # 0 not started … 4 ready


def status(session: Session, now: float, settings: Settings) -> int:
    """The documented number for what a session is at this instant."""
    match session.phase(now, settings):
        case Phase.STARTING:
            passed = (now - session.started_at) / (session.joins_at - session.started_at)
            return min(int(passed * _STATUSES_BEFORE_JOIN), READY)
        case Phase.RUNNING | Phase.AWAY:
            return IN_PROGRESS if _has_recorded(session, now, settings) else READY
        case Phase.ABNORMAL:
            return ABNORMAL
        case Phase.EXITING:
            return STOP_REQUESTED if session.stop_pending else STOPPED
        case Phase.GONE:
            return EXITED


def query_response(session: Session, now: float, settings: Settings) -> Json:
    """The serverResponse of query."""
    number = status(session, now, settings)
    shown: Json = {"status": str(number) if settings.status_as_string else number}
    if session.is_web:
        state = _page_state(session, now, settings)
        return {**shown, "extensionServiceState": _page_states(session, now, settings, state)}
    if uses_vod(session.request):
        return {**shown, **_vod_states(session, now, settings)}
    listed = _shown_files(session, now, settings)
    begins = min((f.slice_start_ms for f in listed), default=round(session.joins_at * 1000))
    if session.is_screenshot_only:
        return {**shown, "sliceStartTime": begins}
    return {**shown, **_file_list(session, listed), "sliceStartTime": begins}


def stop_response(
    session: Session, now: float, settings: Settings, *, uploading: str, with_files: bool = True
) -> Json:
    """The serverResponse of stop; ``with_files`` off leaves the list empty."""
    spelt = settings.unknown_spelling if uploading == "unknown" else uploading
    if session.is_web:
        return {"extensionServiceState": _stopped_page(session, now, settings, spelt, with_files)}
    if session.is_screenshot_only:
        return {"uploadingStatus": spelt}
    listed = files(session, now, with_prefix=settings.file_name_with_prefix) if with_files else []
    return {**_file_list(session, listed), "uploadingStatus": spelt}


def _has_recorded(session: Session, now: float, settings: Settings) -> bool:
    if session.is_screenshot_only:
        return any(span.video for span in session.spans(now))
    return bool(_shown_files(session, now, settings))


def _shown_files(session: Session, now: float, settings: Settings) -> list[File]:
    told = session.channel.first_file_seconds
    patience = settings.first_file_seconds if told is None else told
    if session.is_screenshot_only:
        return []
    listed = files(session, now, with_prefix=settings.file_name_with_prefix)
    return [file for file in listed if file.begin + patience <= now]


def _file_list(session: Session, listed: list[File]) -> Json:
    kinds = session.request.get("recordingFileConfig", {}).get("avFileType", ["hls"])
    if session.mode == "mix" and kinds == ["hls"]:
        return {"fileListMode": "string", "fileList": listed[-1].name if listed else ""}
    return {"fileListMode": "json", "fileList": [file.listed() for file in listed]}


def _page_state(session: Session, now: float, settings: Settings) -> str:
    match session.phase(now, settings):
        case Phase.STARTING:
            return "init"
        case Phase.RUNNING | Phase.AWAY:
            return "inProgress"
        case _:
            return "exit"


def _page_states(session: Session, now: float, settings: Settings, state: str) -> list[Json]:
    listed = _shown_files(session, now, settings)
    states = [_service(settings, "web_recorder_service", _page(session, state, listed))]
    outputs = services(session.request).get("rtmp_publish_service", {}).get("outputs")
    if outputs is not None:
        pushing = "onhold" if session.onhold else "publishing"
        shown = [
            {"rtmpUrl": output["rtmpUrl"], "status": _push_status(state, pushing)}
            for output in outputs
        ]
        payload = {"state": state, "outputs": shown}
        states.append(_service(settings, "rtmp_publish_service", payload))
    return states


def _push_status(state: str, pushing: str) -> str:
    return {"init": "connecting", "inProgress": pushing}.get(state, "disconnected")


def _stopped_page(
    session: Session, now: float, settings: Settings, uploading: str, with_files: bool
) -> list[Json]:
    listed = files(session, now, with_prefix=settings.file_name_with_prefix) if with_files else []
    return [
        _service(settings, "upload_service", {"uploadingStatus": uploading}),
        _service(settings, "web_recorder_service", _page(session, "exit", listed)),
    ]


def _page(session: Session, state: str, listed: list[File]) -> Json:
    shown = [file.listed_in_web() for file in listed]
    return {"state": state, "onhold": session.onhold, "fileList": shown}


def _service(settings: Settings, name: str, payload: Json) -> Json:
    return {"serviceName": name, settings.payload_spelling: payload}


def _vod_states(session: Session, now: float, settings: Settings) -> Json:
    running = session.phase(now, settings) in (Phase.RUNNING, Phase.AWAY)
    listed = files(session, now)
    videos = [{"fileName": f.name, "videoId": session.sid} for f in listed]
    payload = {"state": "inProgress" if running else "idle", "videoInfo": videos}
    return {
        "extensionServiceState": [_service(settings, "aliyun_vod_service", payload)],
        "subServiceStatus": {
            "recordingService": "serviceInProgress" if running else "serviceReady"
        },
    }
