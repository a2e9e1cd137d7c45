"""What may be changed while a session runs: subscriptions, pause, push, and the layout."""

from __future__ import annotations

import pytest
from request_examples import REGION, UIDS, Json, nested, told

from recording_tasks.models import Mode
from recording_tasks.wire import check_layout, check_update


def test_a_good_update_passes() -> None:
    """Subscriptions for channels; pause and push for web pages."""
    lists = {
        "audioUidList": {"subscribeAudioUids": ["#allstream#"]},
        "videoUidList": {"unsubscribeVideoUids": ["444", "555"]},
    }

    for mode in (Mode.MIX, Mode.INDIVIDUAL):
        assert check_update(mode, {"streamSubscribe": lists}) == []
    assert check_update(Mode.WEB, {"webRecordingConfig": {"onhold": True}}) == []
    outputs = {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": "rtmp://a.example/x"}]}}
    assert check_update(Mode.WEB, outputs) == []


@pytest.mark.parametrize(
    ("mode", "update", "sentence"),
    [
        (Mode.MIX, {}, "request: is empty"),
        (Mode.WEB, {}, "request: is empty"),
        (Mode.MIX, {"streamSubscribe": {}}, "request.streamSubscribe: is empty"),
        (Mode.MIX, nested("streamSubscribe.audioUidList", {}), "audioUidList: is empty"),
        (
            Mode.MIX,
            nested("streamSubscribe.audioUidList.subscribeAudioUids", []),
            "request.streamSubscribe.audioUidList.subscribeAudioUids: is empty",
        ),
        (
            Mode.MIX,
            nested("streamSubscribe.videoUidList.unsubscribeVideoUids", UIDS),
            "has 33 items, at most 32",
        ),
        (
            Mode.INDIVIDUAL,
            nested(
                "streamSubscribe.audioUidList",
                {"subscribeAudioUids": ["1"], "unSubscribeAudioUids": ["2"]},
            ),
            "unSubscribeAudioUids: cannot stand beside subscribeAudioUids",
        ),
        (Mode.MIX, {"webRecordingConfig": {"onhold": True}}, "webRecordingConfig: is not known"),
        (Mode.WEB, {"streamSubscribe": {}}, "request.streamSubscribe: is not known here"),
        (Mode.WEB, nested("webRecordingConfig.onhold", 1), "must be true or false, not a number"),
        (Mode.WEB, nested("rtmpPublishConfig.outputs", []), "outputs: is empty"),
        (Mode.MIX, {"storageConfig": {}}, "request.storageConfig: comes from the storage profile"),
        (Mode.MIX, {"token": "x"}, "request.token: is made anew for every start"),
    ],
)
def test_a_bad_update_istold(mode: Mode, update: Json, sentence: str) -> None:
    """What update cannot carry, by mode."""
    faults = check_update(mode, update)

    assert told(faults, sentence), faults


def test_an_update_fits_what_the_recording_began_with() -> None:
    """A medium that is not recorded has no list, and a push that was not begun no address."""
    audio, video = (
        {f"{m}UidList": {f"subscribe{m.title()}Uids": ["7"]}} for m in ["audio", "video"]
    )
    push = {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": "rtmp://a.example/x"}]}}
    only_audio, only_video = ({"recordingConfig": {"streamTypes": types}} for types in (0, 1))
    pushing = {
        "extensionServiceConfig": {"extensionServices": [{"serviceName": "rtmp_publish_service"}]}
    }

    assert check_update(Mode.MIX, {"streamSubscribe": audio}, only_audio) == []
    assert check_update(Mode.MIX, {"streamSubscribe": video}, {}) == []
    assert check_update(Mode.MIX, {"streamSubscribe": video}, only_audio) == [
        "request.streamSubscribe.videoUidList: cannot stand beside streamTypes 0"
    ]
    assert check_update(Mode.INDIVIDUAL, {"streamSubscribe": audio}, only_video) == [
        "request.streamSubscribe.audioUidList: cannot stand beside streamTypes 1"
    ]
    assert check_update(Mode.WEB, push, pushing) == []
    assert check_update(Mode.WEB, push, {}) == [
        "request.rtmpPublishConfig: the recording began without rtmp_publish_service"
    ]


def test_a_layout_stands_bare() -> None:
    """updateLayout takes the layout's fields without an envelope, and no size."""
    good = {"mixedVideoLayout": 3, "backgroundColor": "#FF0000", "layoutConfig": [REGION]}

    assert check_layout(good) == []
    assert check_layout({}) == []
    assert check_layout({"width": 1}) == ["request.width: is not known here"]
    assert check_layout({"mixedVideoLayout": 3}) == [
        "request.layoutConfig: is required with mixedVideoLayout 3"
    ]
    assert told(check_layout({"layoutType": 1}), "layoutType: is not known here")
