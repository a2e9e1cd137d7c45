"""Requests as Agora documents them, and as it refuses them, with the sentence for each."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
UIDS = [str(number) for number in range(1, 34)]
SECRET = {"$secret": "name"}


def nested(path: str, value: Any) -> Json:
    """Build {"a": {"b": value}} from "a.b"."""
    *outer, last = path.split(".")
    whole: Json = {last: value}
    for key in reversed(outer):
        whole = {key: whole}
    return whole


def joined(*parts: Mapping[str, Any]) -> Json:
    """Join nested objects, deeply."""
    whole: Json = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, dict) and isinstance(whole.get(key), dict):
                whole[key] = joined(whole[key], value)
            else:
                whole[key] = copy.deepcopy(value)
    return whole


def config(**fields: Any) -> Json:
    """A recordingConfig of these fields."""
    return {"recordingConfig": fields}


def canvas(**fields: Any) -> Json:
    """A transcodingConfig of these fields."""
    return config(transcodingConfig=fields)


def web(acquire: Json | None = None, **fields: Any) -> Json:
    """A web page recording, with these fields of serviceParam replaced."""
    param = {
        "url": "https://example.com/page",
        "audioProfile": 0,
        "videoWidth": 1280,
        "videoHeight": 720,
        "maxRecordingHour": 3,
    }
    service = {"serviceName": "web_recorder_service", "serviceParam": param | fields}
    request: Json = {"extensionServiceConfig": {"extensionServices": [service]}}
    return request if acquire is None else request | {"acquire": acquire}


def push(**output: Any) -> Json:
    """A web page recording that is pushed to an address."""
    request = web()
    services = request["extensionServiceConfig"]["extensionServices"]
    services.append({"serviceName": "rtmp_publish_service", "serviceParam": {"outputs": [output]}})
    return request


def vod(**fields: Any) -> Json:
    """A recording into Alibaba's VoD."""
    param = {
        "accessKey": SECRET,
        "secretKey": SECRET,
        "regionId": "cn-shanghai",
        "apiData": {"videoData": {"title": "x"}},
    }
    service = {"serviceName": "aliyun_vod_service", "serviceParam": param | fields}
    return {"extensionServiceConfig": {"extensionServices": [service]}}


REGION = {"x_axis": 0.1, "y_axis": 0, "width": 0.5, "height": 1}
SINGLE = config(subscribeUidGroup=5)

GOOD_MIX = [
    {},
    {"acquire": {}},
    {"acquire": {"resourceExpiredHour": 1, "scene": 0, "region": "CN", "regionAffinity": 4}},
    {"acquire": {"resourceExpiredHour": 720, "excludeResourceIds": ["x"]}},
    *({"acquire": {"region": region}} for region in ("AP", "EU", "NA")),
    *(config(channelType=number) for number in (0, 1)),
    *(config(streamTypes=number) for number in (0, 1, 2)),
    *(config(videoStreamType=number) for number in (0, 1)),
    *(config(maxIdleTime=number) for number in (5, 2_592_000)),
    *(config(decryptionMode=number, secret=SECRET) for number in range(1, 7)),
    *(config(decryptionMode=number, secret=SECRET, salt=SECRET) for number in (7, 8)),
    config(decryptionMode=0),
    config(subscribeAudioUids=["1"], subscribeVideoUids=UIDS[:32]),
    config(subscribeAudioUids=["#allstream#"], unSubscribeVideoUids=["4294967295"]),
    config(unsubscribeAudioUids=["1"]),
    config(streamTypes=0, subscribeAudioUids=["1"]),
    config(streamTypes=1, subscribeVideoUids=["1"]),
    config(subscribeUidGroup=0),  # Agora's own example of a mixed recording carries it
    *(config(audioProfile=number) for number in (0, 1, 2)),
    config(privateParams='{"correctEXTINF":true}'),
    canvas(),
    canvas(width=1920, height=1080, fps=60, bitrate=6500),
    *(canvas(fps=number) for number in (1, 7, 10, 15, 24, 30)),
    *(canvas(mixedVideoLayout=number) for number in (0, 1, 2)),
    canvas(mixedVideoLayout=2, maxResolutionUid="1"),
    canvas(mixedVideoLayout=3, layoutConfig=[REGION] * 17),
    canvas(mixedVideoLayout=3, layoutConfig=[REGION | {"uid": "1", "alpha": 0, "render_mode": 1}]),
    canvas(backgroundColor="#00ff7F", backgroundImage="https://example.com/a.jpg"),
    canvas(defaultUserBackgroundImage="http://example.com/a.bmp"),
    canvas(backgroundConfig=[{"uid": "1", "image_url": "https://x.example/a", "render_mode": 1}]),
    {"recordingFileConfig": {}},
    {"recordingFileConfig": {"avFileType": ["hls"]}},
    {"recordingFileConfig": {"avFileType": ["hls", "mp4"]}},
    vod(),
]
GOOD_INDIVIDUAL = [
    *(config(subscribeUidGroup=number) for number in range(6)),
    *(joined(SINGLE, config(streamMode=mode)) for mode in ("default", "standard")),
    joined(SINGLE, config(streamMode="original", streamTypes=0)),
    joined(SINGLE, {"recordingFileConfig": {"avFileType": ["hls"]}}),
    joined(SINGLE, {"snapshotConfig": {"fileType": ["jpg"]}}),
    joined(SINGLE, {"snapshotConfig": {"fileType": ["jpg"], "captureInterval": 5}}),
    joined(SINGLE, {"snapshotConfig": {"fileType": ["jpg"], "captureInterval": 3600}}),
    joined(
        SINGLE,
        config(subscribeAudioUids=["1"], subscribeVideoUids=["1"], streamTypes=2),
        {"snapshotConfig": {"fileType": ["jpg"]}, "recordingFileConfig": {"avFileType": ["hls"]}},
    ),
    config(subscribeUidGroup=0, subscribeAudioUids=["1", "2"], subscribeVideoUids=["2", "1"]),
]
GOOD_WEB = [
    web(),
    web({"scene": 1, "resourceExpiredHour": 3}),
    web(videoWidth=1920, videoHeight=1080, videoBitrate=8000, videoFps=60, mobile=True),
    web(videoWidth=240, videoHeight=240, videoBitrate=50, videoFps=5),
    web(maxRecordingHour=720, maxVideoDuration=30, onhold=True, readyTimeout=60),
    web(maxRecordingHour=1, maxVideoDuration=240, readyTimeout=0),
    web(url=SECRET),
    joined(web(), {"recordingFileConfig": {"avFileType": ["hls", "mp4"]}}),
    push(rtmpUrl="rtmps://live.example/app/key"),
    push(rtmpUrl=SECRET),
]

CONFIG, CANVAS = "request.recordingConfig", "request.recordingConfig.transcodingConfig"
SERVICES = "request.extensionServiceConfig.extensionServices"
PARAM = f"{SERVICES}[0].serviceParam"
BAD_MIX = [
    ({"acquire": {"resourceExpiredHour": 0}}, "acquire.resourceExpiredHour: 0 is below 1 hours"),
    ({"acquire": {"resourceExpiredHour": 721}}, "721 is above 720 hours"),
    ({"acquire": {"region": "US"}}, "'US' is not one of 'CN', 'AP', 'EU' or 'NA'"),
    ({"acquire": {"region": None}}, "request.acquire.region: is null; leave it out instead"),
    ({"acquire": {"scene": 2}}, "request.acquire.scene: 2 is not one of 0 or 1"),
    ({"acquire": {"scene": 1}}, "request.acquire.scene: must be 0 in mode mix"),
    ({"acquire": {"regionAffinity": 5}}, "request.acquire.regionAffinity: 5 is not one of"),
    ({"acquire": {"startParameter": {}}}, "request.acquire.startParameter: is not offered"),
    ({"acquire": {"excludeResourceIds": [""]}}, "excludeResourceIds[0]: is empty"),
    (config(channelType=2), f"{CONFIG}.channelType: 2 is not one of 0 or 1"),
    (config(channelType=True), "must be a whole number, not true or false"),
    (config(channelType="1"), "must be a whole number, not a string"),
    (config(channelType=1.0), "must be a whole number, not 1.0"),
    (config(streamTypes=3), f"{CONFIG}.streamTypes: 3 is not one of 0, 1 or 2"),
    (config(videoStreamType=2), f"{CONFIG}.videoStreamType: 2 is not one of"),
    (config(maxIdleTime=4), f"{CONFIG}.maxIdleTime: 4 is below 5 seconds"),
    (config(maxIdleTime=2_592_001), "2592001 is above 2592000 seconds"),
    (config(decryptionMode=9), f"{CONFIG}.decryptionMode: 9 is not one of"),
    (config(decryptionMode=1), f"{CONFIG}.secret: is required with decryptionMode 1"),
    (config(decryptionMode=7, secret=SECRET), f"{CONFIG}.salt: is required with decryptionMode 7"),
    (config(secret=SECRET), f"{CONFIG}.secret: needs decryptionMode"),
    (config(subscribeAudioUids=[]), f"{CONFIG}.subscribeAudioUids: is empty"),
    (config(subscribeVideoUids=UIDS), "subscribeVideoUids: has 33 items, at most 32"),
    (config(unSubscribeVideoUids=UIDS), "unSubscribeVideoUids: has 33 items, at most 32"),
    (config(subscribeAudioUids=["#allstream#", "1"]), "#allstream# must stand alone"),
    (config(unSubscribeAudioUids=["#allstream#"]), "unSubscribeAudioUids[0]: must be a uid"),
    (config(subscribeAudioUids=["1", "1"]), "subscribeAudioUids: names one uid twice"),
    (config(subscribeAudioUids=[1]), "subscribeAudioUids[0]: must be a string, not a number"),
    (config(subscribeAudioUids=["0"]), "subscribeAudioUids[0]: must be a uid"),
    (
        config(subscribeAudioUids=["1"], unSubscribeAudioUids=["2"]),
        f"{CONFIG}.unSubscribeAudioUids: cannot stand beside subscribeAudioUids",
    ),
    (
        config(subscribeVideoUids=["1"], unsubscribeVideoUids=["2"]),
        f"{CONFIG}.unSubscribeVideoUids: cannot stand beside subscribeVideoUids",
    ),
    (
        config(unSubscribeVideoUids=["1"], unsubscribeVideoUids=["2"]),
        f"{CONFIG}.unSubscribeVideoUids: is given in two spellings",
    ),
    (
        config(streamTypes=0, subscribeVideoUids=["1"]),
        f"{CONFIG}.subscribeVideoUids: cannot stand beside streamTypes 0",
    ),
    (
        config(streamTypes=1, unSubscribeAudioUids=["1"]),
        f"{CONFIG}.unSubscribeAudioUids: cannot stand beside streamTypes 1",
    ),
    (config(streamMode="default"), f"{CONFIG}.streamMode: has a meaning only in mode individual"),
    (config(audioProfile=3), f"{CONFIG}.audioProfile: 3 is not one of"),
    (config(privateParams="{"), f"{CONFIG}.privateParams: must be a string that holds a JSON"),
    (config(privateParams="[]"), f"{CONFIG}.privateParams: must be a string that holds a JSON"),
    (canvas(width=1921), f"{CANVAS}.width: 1921 is above 1920 pixels"),
    (canvas(height=0), f"{CANVAS}.height: 0 is below 1 pixels"),
    (canvas(width=1920, height=1081), f"{CANVAS}: 1920x1081 is more than 1920x1080 pixels"),
    (canvas(fps=20), f"{CANVAS}.fps: 20 is not one of 1, 7, 10, 15, 24, 30 or 60"),
    (canvas(bitrate=7000), f"{CANVAS}.bitrate: 7000 is above 6500 kbps"),
    (canvas(mixedVideoLayout=4), f"{CANVAS}.mixedVideoLayout: 4 is not one of"),
    (canvas(mixedVideoLayout=3), f"{CANVAS}.layoutConfig: is required with mixedVideoLayout 3"),
    (canvas(layoutConfig=[REGION]), f"{CANVAS}.layoutConfig: needs mixedVideoLayout 3"),
    (canvas(maxResolutionUid="1"), f"{CANVAS}.maxResolutionUid: needs mixedVideoLayout 2"),
    (canvas(mixedVideoLayout=3, layoutConfig=[REGION] * 18), "layoutConfig: has 18 items, at most"),
    (
        canvas(mixedVideoLayout=3, layoutConfig=[REGION, REGION | {"width": 1.1}]),
        f"{CANVAS}.layoutConfig[1].width: 1.1 is above 1",
    ),
    (
        canvas(mixedVideoLayout=3, layoutConfig=[{"x_axis": 0}]),
        f"{CANVAS}.layoutConfig[0].y_axis: is required",
    ),
    (
        canvas(mixedVideoLayout=3, layoutConfig=[REGION | {"alpha": float("nan")}]),
        f"{CANVAS}.layoutConfig[0].alpha: must be a finite number",
    ),
    (canvas(backgroundColor="red"), f"{CANVAS}.backgroundColor: must be a colour"),
    (canvas(backgroundImage="ftp://x/a"), f"{CANVAS}.backgroundImage: must be an http or https"),
    (canvas(backgroundConfig=[{"uid": "1"}]), "backgroundConfig[0].image_url: is required"),
    ({"recordingFileConfig": {"avFileType": ["mp4"]}}, "'hls' must be among them"),
    ({"recordingFileConfig": {"avFileType": []}}, "recordingFileConfig.avFileType: is empty"),
    ({"recordingFileConfig": {"avFileType": ["hls", "hls"]}}, "names one kind twice"),
    ({"recordingFileConfig": {"avFileType": "hls"}}, "must be a list, not a string"),
    ({"snapshotConfig": {"fileType": ["jpg"]}}, "snapshotConfig: screenshots need mode individual"),
    ({"token": "x"}, "request.token: is a secret and must not be given here"),
    ({"acquire": {"token": "x"}}, "request.acquire.token: is made anew for every start"),
    ({"storageConfig": {}}, "request.storageConfig: comes from the storage profile"),
    ({"appsCollection": {}}, "request.appsCollection: is not offered"),
    ({"transcodeOptions": {}}, "request.transcodeOptions: is not offered"),
    ({"recordingconfig": {}}, "not known here; did you mean recordingConfig?"),
    (config(maxIdletime=30), f"{CONFIG}.maxIdletime: is not known here; did you mean maxIdleTime?"),
    (canvas(VideoBitrate=1), f"{CANVAS}.VideoBitrate: is not known here; did you mean bitrate?"),
    (config(transcodingConfig=7), f"{CANVAS}: must be an object, not a number"),
    (web(), f"{SERVICES}[0].serviceName: web_recorder_service needs mode web"),
    (vod(apiData={"videoData": {}}), f"{PARAM}.apiData.videoData.title: is required"),
]
BAD_INDIVIDUAL = [
    ({}, f"{CONFIG}.subscribeUidGroup: is required in mode individual"),
    (config(subscribeUidGroup=6), f"{CONFIG}.subscribeUidGroup: 6 is not one of"),
    (
        config(subscribeUidGroup=0, subscribeAudioUids=["1", "2"], subscribeVideoUids=["2", "3"]),
        f"{CONFIG}.subscribeUidGroup: 0 is for 2 uids, the lists name 3",
    ),
    (joined(SINGLE, config(audioProfile=0)), f"{CONFIG}.audioProfile: cannot be set in mode indiv"),
    (joined(SINGLE, canvas()), f"{CANVAS}: cannot be set in mode individual"),
    (joined(SINGLE, config(streamMode="raw")), "'raw' is not one of 'default', 'standard' or"),
    (joined(SINGLE, config(streamMode="original")), "streamMode: 'original' needs streamTypes 0"),
    (joined(SINGLE, {"recordingFileConfig": {"avFileType": ["hls", "mp4"]}}), "'mp4' cannot be"),
    (joined(SINGLE, {"snapshotConfig": {}}), "request.snapshotConfig.fileType: is required"),
    (joined(SINGLE, {"snapshotConfig": {"fileType": ["png"]}}), "'png' is not 'jpg'"),
    (
        joined(SINGLE, {"snapshotConfig": {"fileType": ["jpg"], "captureInterval": 4}}),
        "request.snapshotConfig.captureInterval: 4 is below 5 seconds",
    ),
    (
        joined(SINGLE, config(streamTypes=0), {"snapshotConfig": {"fileType": ["jpg"]}}),
        "request.snapshotConfig: needs streamTypes 1 or 2",
    ),
    (
        joined(SINGLE, config(subscribeAudioUids=["1"]), {"snapshotConfig": {"fileType": ["jpg"]}}),
        "request.snapshotConfig: needs subscribeVideoUids beside subscribeAudioUids",
    ),
    (joined(SINGLE, vod()), f"{SERVICES}[0].serviceName: aliyun_vod_service needs mode mix"),
]
BAD_WEB = [
    ({}, "request.extensionServiceConfig: is required"),
    ({"extensionServiceConfig": {"extensionServices": []}}, f"{SERVICES}: is empty"),
    (web({"scene": 0}), "request.acquire.scene: must be 1 in mode web"),
    (joined(web(), config()), f"{CONFIG}: cannot be set in mode web"),
    (joined(web(), {"snapshotConfig": {}}), "request.snapshotConfig: cannot be set in mode web"),
    (joined(web(), {"token": "t"}), "request.token: cannot be set in mode web"),
    (web(url="example.com"), f"{PARAM}.url: must be an http or https URL"),
    (web(audioProfile=3), f"{PARAM}.audioProfile: 3 is not one of"),
    (web(videoWidth=239), f"{PARAM}.videoWidth: 239 is below 240 pixels"),
    (web(videoHeight=1921), f"{PARAM}.videoHeight: 1921 is above 1920 pixels"),
    (web(videoWidth=1920, videoHeight=1200), f"{PARAM}: 1920x1200 is more than 1920x1080 pixels"),
    (web(maxRecordingHour=0), f"{PARAM}.maxRecordingHour: 0 is below 1 hours"),
    (web(maxRecordingHour=721), "721 is above 720 hours"),
    (web({"resourceExpiredHour": 2}), f"{PARAM}.maxRecordingHour: 3 is above resourceExpiredHour"),
    (web(videoBitrate=49), "49 is below 50 kbps"),
    (web(videoBitrate=8001), "8001 is above 8000 kbps"),
    (web(VideoBitrate=2000), f"{PARAM}.VideoBitrate: is not known here; did you mean videoBitrate"),
    (web(videoFps=4), "4 is below 5 frames a second"),
    (web(videoFps=61), "61 is above 60 frames a second"),
    (web(mobile=1), f"{PARAM}.mobile: must be true or false, not a number"),
    (web(maxVideoDuration=29), "29 is below 30 minutes"),
    (web(maxVideoDuration=241), "241 is above 240 minutes"),
    (web(onhold="false"), f"{PARAM}.onhold: must be true or false, not a string"),
    (web(readyTimeout=-1), "-1 is below 0 seconds"),
    (web(readyTimeout=0.5), f"{PARAM}.readyTimeout: must be a whole number, not 0.5"),
    (web(readyTimeout=61), "61 is above 60 seconds"),
    (push(), "[1].serviceParam.outputs[0].rtmpUrl: is required"),
    (push(rtmpUrl="https://x.example/a"), "rtmpUrl: must be an rtmp or rtmps URL"),
    (nested("extensionServiceConfig.errorHandlePolicy", "error_ignore"), "is not 'error_abort'"),
]


def told(faults: list[str], sentence: str) -> bool:
    """Tell whether a sentence stands among the faults."""
    return any(sentence in fault for fault in faults)
