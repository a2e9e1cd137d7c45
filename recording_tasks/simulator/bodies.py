"""Which bodies acquire, update, updateLayout and stop accept, by mode."""

from __future__ import annotations

import re
from typing import Any

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.shapes import (
    Fields,
    Shapes,
    fraction,
    is_bool,
    is_color,
    is_filled,
    is_object,
    is_subscription,
    is_text,
    is_uid,
    is_uid_list,
    is_url,
    list_of,
    one_of,
    within,
)
from recording_tasks.simulator.storage import storage_fault

_CHANNEL = re.compile(r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]{1,63}")
_MAX_WEB_LABEL_BYTES = 128
MAX_WINDOWS = 17
WEB_SCENE = 1

ENVELOPE: Fields = {"cname": is_text, "uid": is_text, "clientRequest": is_object}

_ACQUIRE: Fields = {
    "resourceExpiredHour": within(1, 720),
    "scene": within(0, 2),
    "region": one_of("CN", "AP", "EU", "NA"),
    "regionAffinity": within(0, 4),
    "excludeResourceIds": list_of(is_filled),
    "startParameter": is_object,
}

WINDOW: Fields = {
    "uid": is_text,
    "x_axis": fraction,
    "y_axis": fraction,
    "width": fraction,
    "height": fraction,
    "alpha": fraction,
    "render_mode": one_of(0, 1),
}
WINDOW_REQUIRED = ("x_axis", "y_axis", "width", "height")
BACKGROUND: Fields = {"uid": is_filled, "image_url": is_url, "render_mode": one_of(0, 1)}
BACKGROUND_REQUIRED = ("uid", "image_url")
LAYOUT: Fields = {
    "maxResolutionUid": is_uid,
    "mixedVideoLayout": within(0, 3),
    "backgroundColor": is_color,
    "backgroundImage": is_url,
    "defaultUserBackgroundImage": is_url,
    "layoutConfig": list_of(is_object, longest=MAX_WINDOWS),
    "backgroundConfig": list_of(is_object),
}

_UPDATE_CHANNEL: Fields = {"streamSubscribe": is_object, "storageConfig": is_object}
_UPDATE_WEB: Fields = {
    "webRecordingConfig": is_object,
    "rtmpPublishConfig": is_object,
    "storageConfig": is_object,
}
_AUDIO: Fields = {
    "subscribeAudioUids": is_subscription,
    "unSubscribeAudioUids": is_uid_list,
    "unsubscribeAudioUids": is_uid_list,
}
_VIDEO: Fields = {
    "subscribeVideoUids": is_subscription,
    "unSubscribeVideoUids": is_uid_list,
    "unsubscribeVideoUids": is_uid_list,
    "unsunscribeVideoUids": is_uid_list,  # so spelt in one revision and one official client
}


def is_rtmp_url(value: Any) -> bool:
    """Whether it is an RTMP or RTMPS URL."""
    return is_text(value) and value.startswith(("rtmp://", "rtmps://"))


def envelope_fault(where: str, body: Json, shapes: Shapes) -> str | None:
    """What is wrong with cname, uid and clientRequest themselves."""
    fault = shapes.fault(where, body, ENVELOPE, ("cname", "uid", "clientRequest"))
    if fault is None and not is_uid(body["uid"]):
        return "post method api body check failed!"
    return fault


def is_channel_name(cname: str, *, is_web: bool) -> bool:
    """Whether it may name a channel, or label a web page recording."""
    if is_web:
        return 0 < len(cname.encode(errors="surrogatepass")) <= _MAX_WEB_LABEL_BYTES
    return _CHANNEL.fullmatch(cname) is not None


def acquire_fault(request: Json, shapes: Shapes) -> str | None:
    """What is wrong with acquire's clientRequest; its startParameter is not looked into."""
    return shapes.fault("Acquire", request, _ACQUIRE)


def layout_fault(where: str, layout: Json, shapes: Shapes) -> str | None:
    """What is wrong with the windows and backgrounds of a layout, and its other fields."""
    return (
        shapes.fault(where, layout, LAYOUT)
        or windows_fault(where, layout, shapes)
        or layout_choice_fault(where, layout)
    )


def windows_fault(where: str, layout: Json, shapes: Shapes) -> str | None:
    """What is wrong with the items of a layout's lists."""
    windows, backgrounds = layout.get("layoutConfig", ()), layout.get("backgroundConfig", ())
    return shapes.fault_of_items(
        f"{where}: layoutConfig", windows, WINDOW, WINDOW_REQUIRED
    ) or shapes.fault_of_items(
        f"{where}: backgroundConfig", backgrounds, BACKGROUND, BACKGROUND_REQUIRED
    )


def layout_choice_fault(where: str, layout: Json) -> str | None:
    """What a custom layout lacks."""
    if layout.get("mixedVideoLayout") == 3 and not layout.get("layoutConfig"):  # noqa: PLR2004
        return f"{where}: layoutConfig is required!"
    return None


def update_fault(request: Json, *, is_web: bool, stream_types: int, shapes: Shapes) -> str | None:
    """What is wrong with update's clientRequest, given how the session was started."""
    fault = shapes.fault("Update", request, _UPDATE_WEB if is_web else _UPDATE_CHANNEL)
    if fault is None and "storageConfig" in request:
        fault = storage_fault("Update", request["storageConfig"], shapes)
    if fault is not None:
        return fault
    if is_web:
        return _web_update_fault(request, shapes)
    return subscribe_fault(request.get("streamSubscribe", {}), stream_types, shapes)


def _web_update_fault(request: Json, shapes: Shapes) -> str | None:
    publish = request.get("rtmpPublishConfig", {})
    return (
        shapes.fault("Update", request.get("webRecordingConfig", {}), {"onhold": is_bool})
        or shapes.fault("Update", publish, {"outputs": list_of(is_object, longest=1)})
        or shapes.fault_of_items(
            "Update", publish.get("outputs", ()), {"rtmpUrl": is_rtmp_url}, ("rtmpUrl",)
        )
    )


def subscribe_fault(subscribe: Json, stream_types: int, shapes: Shapes) -> str | None:
    """What is wrong with update's streamSubscribe."""
    fault = shapes.fault(
        "Update", subscribe, {"audioUidList": is_object, "videoUidList": is_object}
    )
    if fault is not None:
        return fault
    for name, fields, silent in (("audioUidList", _AUDIO, 1), ("videoUidList", _VIDEO, 0)):
        if name not in subscribe:
            continue
        if stream_types == silent:
            return f"Update: {name} does not fit streamTypes!"
        if len(subscribe[name]) != 1:
            return f"Update: invalid {name} value!"
        fault = shapes.fault(f"Update: {name}", subscribe[name], fields)
        if fault is not None:
            return fault
    return None


def stop_fault(request: Json, shapes: Shapes) -> str | None:
    """What is wrong with stop's clientRequest."""
    return shapes.fault("Stop", request, {"async_stop": is_bool})
