"""Which bodies start accepts, by mode, and which it accepts although they are wrong."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from typing import Any

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.bodies import (
    LAYOUT,
    is_rtmp_url,
    layout_choice_fault,
    windows_fault,
)
from recording_tasks.simulator.shapes import (
    Fields,
    Shapes,
    is_bool,
    is_filled,
    is_integer,
    is_object,
    is_subscription,
    is_text,
    is_uid_list,
    is_url,
    list_of,
    one_of,
    within,
)
from recording_tasks.simulator.storage import storage_fault

_MAX_PIXELS = 1920 * 1080
_MAX_BITRATE = 6500
_SALT_BYTES = 32
_WEB_RECORDER, _RTMP, _VOD = "web_recorder_service", "rtmp_publish_service", "aliyun_vod_service"

_TOP: Fields = {
    "token": is_text,
    "storageConfig": is_object,
    "recordingConfig": is_object,
    "recordingFileConfig": is_object,
    "snapshotConfig": is_object,
    "extensionServiceConfig": is_object,
    "appsCollection": is_object,
    "transcodeOptions": is_object,
}
_FORBIDDEN = {
    "individual": ("extensionServiceConfig",),
    "mix": ("snapshotConfig", "appsCollection", "transcodeOptions"),
    "web": ("token", "recordingConfig", "snapshotConfig", "appsCollection", "transcodeOptions"),
}
_RECORDING: Fields = {
    "channelType": one_of(0, 1),
    "streamTypes": within(0, 2),
    "videoStreamType": one_of(0, 1),
    "maxIdleTime": within(5, 2_592_000),
    "decryptionMode": within(0, 8),
    "secret": is_text,
    "salt": is_text,
    "subscribeAudioUids": is_subscription,
    "unSubscribeAudioUids": is_uid_list,
    "unsubscribeAudioUids": is_uid_list,
    "subscribeVideoUids": is_subscription,
    "unSubscribeVideoUids": is_uid_list,
    "unsubscribeVideoUids": is_uid_list,
    "subscribeUidGroup": within(0, 5),
    "streamMode": one_of("default", "standard", "original"),
    "audioProfile": within(0, 2),
    "transcodingConfig": is_object,
    "privateParams": is_text,
}
_TRANSCODING: Fields = {
    **LAYOUT,
    "width": is_integer,
    "height": is_integer,
    "fps": is_integer,  # values that are not listed fall back to 15
    "bitrate": is_integer,
}
_SNAPSHOT: Fields = {"captureInterval": within(1, 3600), "fileType": one_of(["jpg"])}
_EXTENSION: Fields = {
    "errorHandlePolicy": one_of("error_abort"),
    "apiVersion": is_text,
    "extensionServices": list_of(is_object),
}
_SERVICE: Fields = {
    "serviceName": one_of(_WEB_RECORDER, _RTMP, _VOD),
    "errorHandlePolicy": one_of("error_abort", "error_ignore"),
    "serviceParam": is_object,
    "streamTypes": is_integer,
}
_WEB_PARAM: Fields = {
    "url": is_url,
    "audioProfile": within(0, 2),
    "videoWidth": within(240, 1920),
    "videoHeight": within(240, 1920),
    "maxRecordingHour": within(1, 720),
    "videoBitrate": within(50, 8000),
    "VideoBitrate": within(50, 8000),  # so spelt by two official clients
    "videoFps": within(5, 60),
    "mobile": is_bool,
    "maxVideoDuration": within(30, 240),
    "onhold": is_bool,
    "readyTimeout": within(0, 60),
}
_WEB_REQUIRED = ("url", "audioProfile", "videoWidth", "videoHeight", "maxRecordingHour")
_VOD_PARAM: Fields = {
    "accessKey": is_filled,
    "secretKey": is_filled,
    "regionId": is_filled,
    "apiData": is_object,
}


def start_fault(mode: str, request: Json, shapes: Shapes) -> str | None:
    """What is wrong with start's clientRequest."""
    fault = shapes.fault("Start", request, _TOP) or _forbidden_fault(mode, request)
    if fault is not None:
        return fault
    return (
        _storage_fault(request, shapes)
        or _file_fault(mode, request.get("recordingFileConfig"), shapes)
        or _extension_fault(mode, request.get("extensionServiceConfig"), shapes)
        or (None if mode == "web" else _recording_fault(mode, request, shapes))
    )


def transcoding_trouble(request: Json) -> str | None:
    """What is wrong with the values of a transcodingConfig, which start need not notice."""
    transcoding = request.get("recordingConfig", {}).get("transcodingConfig", {})
    width, height = transcoding.get("width", 360), transcoding.get("height", 640)
    if width <= 0 or height <= 0 or max(width, height) > 1920 or width * height > _MAX_PIXELS:  # noqa: PLR2004
        return "Start: invalid width or height value!"
    if not 0 < transcoding.get("bitrate", 500) <= _MAX_BITRATE:
        return "Start: invalid bitrate value!"
    return layout_choice_fault("Start", transcoding)


def services(request: Json) -> dict[str, Json]:
    """The extension services that were asked for, with their parameters."""
    listed = request.get("extensionServiceConfig", {}).get("extensionServices", ())
    return {service["serviceName"]: service["serviceParam"] for service in listed}


def uses_vod(request: Json) -> bool:
    """Whether the files go to a video-on-demand service instead of a bucket."""
    return _VOD in services(request)


def _forbidden_fault(mode: str, request: Json) -> str | None:
    for name in _FORBIDDEN[mode]:
        if name in request:
            return f"Start: {name} is not allowed in mode {mode}!"
    return None


def _storage_fault(request: Json, shapes: Shapes) -> str | None:
    names = _service_names(request.get("extensionServiceConfig"))
    if _VOD not in names:
        return storage_fault("Start", request.get("storageConfig"), shapes)
    if "storageConfig" in request:
        return "Start: storageConfig is not allowed with aliyun_vod_service!"
    return None


def _service_names(extension: Any) -> list[Any]:
    listed = extension.get("extensionServices") if type(extension) is dict else None
    found = listed if type(listed) is list else []
    return [item.get("serviceName") for item in found if type(item) is dict]


def _file_fault(mode: str, files: Any, shapes: Shapes) -> str | None:
    if files is None:
        return None
    kinds = [["hls"]] if mode == "individual" else [["hls"], ["hls", "mp4"], ["mp4", "hls"]]
    return shapes.fault("Start", files, {"avFileType": one_of(*kinds)})


def _extension_fault(mode: str, extension: Any, shapes: Shapes) -> str | None:
    if extension is None:
        return "Start: extensionServiceConfig is required!" if mode == "web" else None
    fault = shapes.fault("Start", extension, _EXTENSION, ("extensionServices",))
    if fault is not None:
        return fault
    allowed = {_WEB_RECORDER, _RTMP} if mode == "web" else {_VOD}
    for service in extension["extensionServices"]:
        fault = shapes.fault("Start", service, _SERVICE, ("serviceName", "serviceParam"))
        fault = fault or _service_fault(service, allowed, shapes)
        if fault is not None:
            return fault
    if mode == "web" and _WEB_RECORDER not in _service_names(extension):
        return "services not selected!"
    return None


def _service_fault(service: Json, allowed: Iterable[str], shapes: Shapes) -> str | None:
    name, param = service["serviceName"], service["serviceParam"]
    if name not in allowed:
        return "services not selected!"
    if name == _WEB_RECORDER:
        return shapes.fault("Start", param, _WEB_PARAM, _WEB_REQUIRED) or _page_size_fault(param)
    if name == _RTMP:
        outputs = {"outputs": list_of(is_object, longest=1)}
        return shapes.fault("Start", param, outputs, ("outputs",)) or shapes.fault_of_items(
            "Start", param["outputs"], {"rtmpUrl": is_rtmp_url}, ("rtmpUrl",)
        )
    return shapes.fault("Start", param, _VOD_PARAM, tuple(_VOD_PARAM))


def _page_size_fault(param: Json) -> str | None:
    if param["videoWidth"] * param["videoHeight"] > _MAX_PIXELS:
        return "Start: invalid videoWidth or videoHeight value!"
    return None


def _recording_fault(mode: str, request: Json, shapes: Shapes) -> str | None:
    config = request.get("recordingConfig", {})
    return (
        shapes.fault("Start", config, _RECORDING)
        or _mode_fault(mode, config)
        or _subscription_fault(config)
        or _encryption_fault(config)
        or _transcoding_fault(config, shapes)
        or _snapshot_fault(request, config, shapes)
    )


def _mode_fault(mode: str, config: Json) -> str | None:
    if mode == "individual":
        if "subscribeUidGroup" not in config:
            return "Start: subscribeUidGroup is required!"
        for name in ("audioProfile", "transcodingConfig"):
            if name in config:
                return f"Start: {name} is not allowed in mode individual!"
    if config.get("streamMode") == "original" and config.get("streamTypes", 2) != 0:
        return "Start: streamMode original needs streamTypes 0!"
    return None


def _subscription_fault(config: Json) -> str | None:
    stream_types = config.get("streamTypes", 2)
    for medium, silent in (("Audio", 1), ("Video", 0)):
        names = [f"{verb}{medium}Uids" for verb in ("subscribe", "unSubscribe", "unsubscribe")]
        given = [name for name in names if name in config]
        if len(given) > 1:
            return f"Start: {given[0]} and {given[1]} exclude each other!"
        if given and stream_types == silent:
            return f"Start: {given[0]} does not fit streamTypes!"
    return None


def _encryption_fault(config: Json) -> str | None:
    mode = config.get("decryptionMode", 0)
    if mode and not config.get("secret"):
        return "Start: secret is required!"
    if mode in (7, 8) and not _is_salt(config.get("salt", "")):
        return "Start: invalid salt value!"
    return None


def _is_salt(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == _SALT_BYTES
    except ValueError:
        return False


def _transcoding_fault(config: Json, shapes: Shapes) -> str | None:
    transcoding = config.get("transcodingConfig", {})
    return shapes.fault("Start: transcodingConfig", transcoding, _TRANSCODING) or windows_fault(
        "Start: transcodingConfig", transcoding, shapes
    )


def _snapshot_fault(request: Json, config: Json, shapes: Shapes) -> str | None:
    if "snapshotConfig" not in request:
        return None
    fault = shapes.fault("Start", request["snapshotConfig"], _SNAPSHOT, ("fileType",))
    if fault is not None:
        return fault
    if config.get("streamTypes", 2) == 0:
        return "Start: snapshotConfig does not fit streamTypes!"
    if "subscribeAudioUids" in config and "subscribeVideoUids" not in config:
        return "Start: subscribeVideoUids is required!"
    return None
