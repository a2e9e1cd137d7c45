"""What fields of a request demand of each other: exclusions and dependencies.

Every rule reads the raw request and survives any shape of it, so that its faults stand
beside those of the single fields in one list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recording_tasks.models import Mode
from recording_tasks.wire.fields import ALL_STREAMS

MAX_PIXELS = 1920 * 1080

_GROUP_LIMITS = {0: 2, 1: 7, 2: 12, 3: 17, 4: 32, 5: 49}
_MODE_SCENES = {Mode.INDIVIDUAL: 0, Mode.MIX: 0, Mode.WEB: 1}
_ONLY_MIX = ("audioProfile", "transcodingConfig")
_ENCRYPTION_WITH_SALT = frozenset({7, 8})
_CUSTOM_LAYOUT, _VERTICAL_LAYOUT = 3, 2
_POLICIES = {
    "web_recorder_service": "error_abort",
    "rtmp_publish_service": "error_ignore",
    "aliyun_vod_service": "error_abort",
}
_MODES_OF_SERVICES = {
    "web_recorder_service": Mode.WEB,
    "rtmp_publish_service": Mode.WEB,
    "aliyun_vod_service": Mode.MIX,
}
_ELSEWHERE = {
    "token": "is made anew for every start and cannot be given here",
    "storageConfig": "comes from the storage profile and cannot be given here",
    "startParameter": "is not offered: start would have to repeat it byte for byte",
    "appsCollection": "is not offered: postponed transcoding left Agora's reference",
    "transcodeOptions": "is not offered: postponed audio mixing left Agora's reference",
    "clientRequest": "is the envelope; give what stands in it",
}


def at(value: object, *keys: str) -> Any:
    """Follow keys into nested objects; None where the way ends."""
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def number(value: object, default: int) -> int:
    """Read a whole number; the default for anything else, whose fault is told elsewhere."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def listing(value: object) -> list[Any]:
    """Read a list; an empty one for anything else."""
    return list(value) if isinstance(value, list | tuple) else []


def services_of(request: object) -> list[tuple[int, str, Any]]:
    """List the extension services of a request: index, name, serviceParam."""
    services = listing(at(request, "extensionServiceConfig", "extensionServices"))
    named = ((index, at(service, "serviceName"), service) for index, service in enumerate(services))
    return [
        (index, name, at(service, "serviceParam"))
        for index, name, service in named
        if isinstance(name, str)
    ]


def request_rules(mode: Mode, request: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield every fault between the fields of what a caller gives for a recording."""
    yield from _elsewhere(request, path)
    yield from _scene(mode, request, path)
    yield from _services(mode, request, path)
    if mode is Mode.WEB:
        yield from _web(request, path)
    else:
        yield from _channel(mode, request, path)


def _elsewhere(request: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, sentence in _ELSEWHERE.items():
        if key in request and key != "token":
            yield f"{path}.{key}: {sentence}"
        if at(request, "acquire", key) is not None:
            yield f"{path}.acquire.{key}: {sentence}"


def _scene(mode: Mode, request: Mapping[str, Any], path: str) -> Iterator[str]:
    scene, right = at(request, "acquire", "scene"), _MODE_SCENES[mode]
    if number(scene, -1) in {0, 1} and scene != right:
        yield f"{path}.acquire.scene: must be {right} in mode {mode}; it may be left out"


def _channel(mode: Mode, request: Mapping[str, Any], path: str) -> Iterator[str]:
    config, where = at(request, "recordingConfig"), f"{path}.recordingConfig"
    yield from subscription_rules(config, where)
    yield from _encryption(config, where)
    yield from canvas_rules(at(config, "transcodingConfig"), f"{where}.transcodingConfig")
    yield from _stream_types(config, where)
    if mode is Mode.INDIVIDUAL:
        yield from _individual(request, path)
    else:
        yield from _mix(request, path)
    yield from _avfiles(mode, request, path)


def subscription_rules(config: object, where: str) -> Iterator[str]:
    """Yield the faults between subscription lists."""
    for medium in ("Audio", "Video"):
        wanted, unwanted = f"subscribe{medium}Uids", f"unSubscribe{medium}Uids"
        if at(config, wanted) is not None and at(config, unwanted) is not None:
            yield f"{where}.{unwanted}: cannot stand beside {wanted}"
        if at(config, unwanted) is not None and at(config, f"unsubscribe{medium}Uids") is not None:
            yield f"{where}.{unwanted}: is given in two spellings"


def _stream_types(config: object, where: str) -> Iterator[str]:
    types = at(config, "streamTypes")
    silenced = {0: "Video", 1: "Audio"}.get(types) if isinstance(types, int) else None
    for key in (f"subscribe{silenced}Uids", f"unSubscribe{silenced}Uids"):
        if silenced and at(config, key) is not None:
            yield f"{where}.{key}: cannot stand beside streamTypes {types}"
    if at(config, "streamMode") == "original" and types != 0:
        yield f"{where}.streamMode: 'original' needs streamTypes 0"


def _encryption(config: object, where: str) -> Iterator[str]:
    mode = number(at(config, "decryptionMode"), 0)
    if mode and at(config, "secret") is None:
        yield f"{where}.secret: is required with decryptionMode {mode}"
    if mode in _ENCRYPTION_WITH_SALT and at(config, "salt") is None:
        yield f"{where}.salt: is required with decryptionMode {mode}"
    for key in ("secret", "salt"):
        if not mode and at(config, key) is not None:
            yield f"{where}.{key}: needs decryptionMode"


def canvas_rules(layout: object, where: str) -> Iterator[str]:
    """Yield the faults between the fields of a layout, and of its size."""
    width, height = number(at(layout, "width"), 360), number(at(layout, "height"), 640)
    if width * height > MAX_PIXELS:
        yield f"{where}: {width}x{height} is more than 1920x1080 pixels"
    kind, regions = number(at(layout, "mixedVideoLayout"), 0), at(layout, "layoutConfig")
    if kind == _CUSTOM_LAYOUT and not regions:
        yield f"{where}.layoutConfig: is required with mixedVideoLayout 3"
    if kind != _CUSTOM_LAYOUT and regions:
        yield f"{where}.layoutConfig: needs mixedVideoLayout 3"
    if kind != _VERTICAL_LAYOUT and at(layout, "maxResolutionUid") is not None:
        yield f"{where}.maxResolutionUid: needs mixedVideoLayout 2"


def _individual(request: Mapping[str, Any], path: str) -> Iterator[str]:
    config, where = at(request, "recordingConfig"), f"{path}.recordingConfig"
    for key in _ONLY_MIX:
        if at(config, key) is not None:
            yield f"{where}.{key}: cannot be set in mode individual"
    group = at(config, "subscribeUidGroup")
    if group is None:
        yield f"{where}.subscribeUidGroup: is required in mode individual"
    elif (limit := _GROUP_LIMITS.get(number(group, -1))) is not None:
        lists = (listing(at(config, f"subscribe{medium}Uids")) for medium in ("Audio", "Video"))
        count = len({uid for uids in lists for uid in uids if isinstance(uid, str)} - {ALL_STREAMS})
        if count > limit:
            yield f"{where}.subscribeUidGroup: {group} is for {limit} uids, the lists name {count}"
    yield from _snapshots(request, path)


def _snapshots(request: Mapping[str, Any], path: str) -> Iterator[str]:
    if at(request, "snapshotConfig") is None:
        return
    config = at(request, "recordingConfig")
    if number(at(config, "streamTypes"), 2) == 0:
        yield f"{path}.snapshotConfig: needs streamTypes 1 or 2"
    if at(config, "subscribeAudioUids") is not None and at(config, "subscribeVideoUids") is None:
        yield f"{path}.snapshotConfig: needs subscribeVideoUids beside subscribeAudioUids"


def _mix(request: Mapping[str, Any], path: str) -> Iterator[str]:
    if at(request, "snapshotConfig") is not None:
        yield f"{path}.snapshotConfig: screenshots need mode individual"
    if at(request, "recordingConfig", "streamMode") is not None:
        yield f"{path}.recordingConfig.streamMode: has a meaning only in mode individual"


def _avfiles(mode: Mode, request: Mapping[str, Any], path: str) -> Iterator[str]:
    kinds, where = at(request, "recordingFileConfig", "avFileType"), f"{path}.recordingFileConfig"
    if not isinstance(kinds, list | tuple) or not kinds:
        return
    if "hls" not in kinds:
        yield f"{where}.avFileType: 'hls' must be among them"
    if len(kinds) > len({str(kind) for kind in kinds}):
        yield f"{where}.avFileType: names one kind twice"
    if mode is Mode.INDIVIDUAL and "mp4" in kinds:
        yield f"{where}.avFileType: 'mp4' cannot be made in mode individual"


def _services(mode: Mode, request: Mapping[str, Any], path: str) -> Iterator[str]:
    where, names = f"{path}.extensionServiceConfig.extensionServices", set()
    raw = listing(at(request, "extensionServiceConfig", "extensionServices"))
    for index, name, _ in services_of(request):
        needed = _MODES_OF_SERVICES.get(name, mode)
        if needed is not mode:
            yield f"{where}[{index}].serviceName: {name} needs mode {needed}"
        if name in names:
            yield f"{where}[{index}].serviceName: {name} is given twice"
        names.add(name)
        policy, right = at(raw[index], "errorHandlePolicy"), _POLICIES.get(name)
        if policy in ("error_abort", "error_ignore") and right and policy != right:
            yield f"{where}[{index}].errorHandlePolicy: must be {right!r} for {name}"


def _web(request: Mapping[str, Any], path: str) -> Iterator[str]:
    for key in ("token", "recordingConfig", "snapshotConfig"):
        if key in request:
            yield f"{path}.{key}: cannot be set in mode web"
    yield from _avfiles(Mode.WEB, request, path)
    params = {name: (index, param) for index, name, param in services_of(request)}
    where = f"{path}.extensionServiceConfig.extensionServices"
    if "web_recorder_service" not in params:
        if listing(at(request, "extensionServiceConfig", "extensionServices")):
            yield f"{where}: web_recorder_service is required in mode web"
        return
    index, param = params["web_recorder_service"]
    yield from _web_recorder(request, param, f"{where}[{index}].serviceParam")


def _web_recorder(request: Mapping[str, Any], param: object, where: str) -> Iterator[str]:
    width, height = number(at(param, "videoWidth"), 0), number(at(param, "videoHeight"), 0)
    if width * height > MAX_PIXELS:
        yield f"{where}: {width}x{height} is more than 1920x1080 pixels"
    hours, expired = at(param, "maxRecordingHour"), at(request, "acquire", "resourceExpiredHour")
    if number(hours, 0) > number(expired, 720):
        yield f"{where}.maxRecordingHour: {hours} is above resourceExpiredHour {expired}"


def start_rules(request: Mapping[str, Any], update: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield every fault between an update and the request that the recording began with."""
    types, streams = at(request, "recordingConfig", "streamTypes"), at(update, "streamSubscribe")
    silent = {0: "videoUidList", 1: "audioUidList"}.get(number(types, -1))
    if silent is not None and at(streams, silent) is not None:
        yield f"{path}.streamSubscribe.{silent}: cannot stand beside streamTypes {types}"
    names = {name for _, name, _ in services_of(request)}
    if "rtmpPublishConfig" in update and "rtmp_publish_service" not in names:
        yield f"{path}.rtmpPublishConfig: the recording began without rtmp_publish_service"


def update_rules(mode: Mode, update: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield every fault between the fields of an update."""
    if not update:
        yield f"{path}: is empty"
    for key in ("token", "storageConfig", "clientRequest"):
        if key in update:
            yield f"{path}.{key}: {_ELSEWHERE[key]}"
    if mode is Mode.WEB:
        if update.get("webRecordingConfig") == {}:
            yield f"{path}.webRecordingConfig: is empty"
        return
    streams = at(update, "streamSubscribe")
    for key in ("audioUidList", "videoUidList"):
        uids, where = at(streams, key), f"{path}.streamSubscribe.{key}"
        yield from subscription_rules(uids, where)
        if isinstance(uids, Mapping) and not uids:
            yield f"{where}: is empty"
    if isinstance(streams, Mapping) and not streams:
        yield f"{path}.streamSubscribe: is empty"
