"""What a caller may ask for: every field, range, exclusion and dependency, all faults at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from request_examples import (
    BAD_INDIVIDUAL,
    BAD_MIX,
    BAD_WEB,
    CANVAS,
    CONFIG,
    GOOD_INDIVIDUAL,
    GOOD_MIX,
    GOOD_WEB,
    PARAM,
    SERVICES,
    Json,
    canvas,
    config,
    joined,
    nested,
    push,
    told,
    vod,
    web,
)

from recording_tasks.models import Mode
from recording_tasks.wire import check_layout, check_request, check_update, secret_names


@pytest.mark.parametrize("request_", GOOD_MIX)
def test_what_agora_documents_for_mix_passes(request_: Json) -> None:
    """Every documented value and both ends of every range."""
    assert check_request(Mode.MIX, request_) == []


@pytest.mark.parametrize("request_", GOOD_INDIVIDUAL)
def test_what_agora_documents_for_individual_passes(request_: Json) -> None:
    """With screenshots, alone or beside the recording."""
    assert check_request(Mode.INDIVIDUAL, request_) == []


@pytest.mark.parametrize("request_", GOOD_WEB)
def test_what_agora_documents_for_web_passes(request_: Json) -> None:
    """With and without the push to a CDN."""
    assert check_request(Mode.WEB, request_) == []


@pytest.mark.parametrize(("request_", "sentence"), BAD_MIX)
def test_what_agora_refuses_in_mix_istold(request_: Json, sentence: str) -> None:
    """With its path, and in words."""
    faults = check_request(Mode.MIX, request_)

    assert told(faults, sentence), faults


@pytest.mark.parametrize(("request_", "sentence"), BAD_INDIVIDUAL)
def test_what_agora_refuses_in_individual_istold(request_: Json, sentence: str) -> None:
    """With its path, and in words."""
    faults = check_request(Mode.INDIVIDUAL, request_)

    assert told(faults, sentence), faults


@pytest.mark.parametrize(("request_", "sentence"), BAD_WEB)
def test_what_agora_refuses_in_web_istold(request_: Json, sentence: str) -> None:
    """With its path, and in words."""
    faults = check_request(Mode.WEB, request_)

    assert told(faults, sentence), faults


@pytest.mark.parametrize("field", ["url", "audioProfile", "videoWidth", "videoHeight"])
def test_a_web_recorder_lacks_nothing(field: str) -> None:
    """The required fields of the page recorder are demanded one by one."""
    request = web()
    del request["extensionServiceConfig"]["extensionServices"][0]["serviceParam"][field]

    assert check_request(Mode.WEB, request) == [f"{PARAM}.{field}: is required"]


def test_only_one_push_address_is_allowed() -> None:
    """Agora pushes to one CDN address."""
    request = push(rtmpUrl="rtmp://a.example/x")
    service = request["extensionServiceConfig"]["extensionServices"][1]
    service["serviceParam"]["outputs"] *= 2

    assert told(check_request(Mode.WEB, request), "outputs: has 2 items, at most 1")


def test_a_service_has_its_own_error_policy() -> None:
    """The page recorder aborts, the push is ignored, and each only once."""
    request = push(rtmpUrl="rtmp://a.example/x")
    services = request["extensionServiceConfig"]["extensionServices"]
    services[0]["errorHandlePolicy"] = "error_ignore"
    services.append(copy.deepcopy(services[1]) | {"errorHandlePolicy": "error_abort"})

    assert check_request(Mode.WEB, request) == [
        f"{SERVICES}[0].errorHandlePolicy: must be 'error_abort' for web_recorder_service",
        f"{SERVICES}[2].serviceName: rtmp_publish_service is given twice",
        f"{SERVICES}[2].errorHandlePolicy: must be 'error_ignore' for rtmp_publish_service",
    ]


def test_a_push_needs_a_page() -> None:
    """Without the page recorder there is nothing to push."""
    request = push(rtmpUrl="rtmp://a.example/x")
    del request["extensionServiceConfig"]["extensionServices"][0]

    assert check_request(Mode.WEB, request) == [
        f"{SERVICES}: web_recorder_service is required in mode web"
    ]


def test_every_fault_is_told_at_once() -> None:
    """Faults of single fields do not hide those between fields, nor the other way round."""
    request = joined(
        config(maxIdleTime=1, streamTypes=0, subscribeVideoUids=["1"], decryptionMode=1),
        canvas(bitrate=7000, width=1920, height=1920),
        {"recordingFileConfig": {"avFileType": ["mp4"]}, "tokn": "x"},
    )

    assert set(check_request(Mode.MIX, request)) == {
        f"{CONFIG}.maxIdleTime: 1 is below 5 seconds",
        f"{CANVAS}.bitrate: 7000 is above 6500 kbps",
        "request.tokn: is not known here; did you mean token?",
        f"{CONFIG}.secret: is required with decryptionMode 1",
        f"{CONFIG}.subscribeVideoUids: cannot stand beside streamTypes 0",
        f"{CANVAS}: 1920x1920 is more than 1920x1080 pixels",
        "request.recordingFileConfig.avFileType: 'hls' must be among them",
    }


@pytest.mark.parametrize(
    "request_",
    [
        joined(config(decryptionMode=7, secret="hunter2hunter2", salt="hunter2hunter2")),
        vod(accessKey="hunter2hunter2", secretKey="hunter2hunter2"),
        config(secret={"$secret": "a", "value": "hunter2hunter2"}, decryptionMode=1),
        {"token": "hunter2hunter2", "storageConfig": {"secretKey": "hunter2hunter2"}},
        config(channelType="hunter2hunter2", subscribeAudioUids=["hunter2hunter2"]),
        canvas(backgroundImage="hunter2hunter2", bitrate="hunter2hunter2"),
    ],
)
def test_a_literal_secret_is_refused_and_never_shown(request_: Json) -> None:
    """A key that strayed into a request does not stray on into an error."""
    faults = check_request(Mode.MIX, request_)

    assert faults
    assert "hunter2" not in " ".join(faults)


def test_the_sentence_for_a_secret_says_where_it_belongs() -> None:
    """Whoever gave a literal learns what to give."""
    (fault,) = check_request(Mode.MIX, config(decryptionMode=1, secret="hunter2"))

    assert fault == (
        f'{CONFIG}.secret: is a secret and must not be given here: give {{"$secret": "name"}}, '
        "and its value in the settings"
    )


def test_the_secrets_of_a_request_are_named() -> None:
    """So that a missing one is found when the recording is accepted, not when it starts."""
    request = joined(vod(), config(secret={"$secret": "room"}))

    assert secret_names(request) == {"name", "room"}


ODD: list[Any] = [None, True, 0, -1, 1.5, "", "x", [], [[]], {}, {"a": 1}, [None], {1: 2}]
ODD += [{"$secret": []}, {"$secret": "x"}]
PLACES = [
    "acquire",
    "acquire.scene",
    "recordingConfig",
    "recordingConfig.streamTypes",
    "recordingConfig.secret",
    "recordingConfig.subscribeUidGroup",
    "recordingConfig.subscribeAudioUids",
    "recordingConfig.decryptionMode",
    "recordingConfig.transcodingConfig",
    "recordingConfig.transcodingConfig.width",
    "recordingConfig.transcodingConfig.layoutConfig",
    "recordingFileConfig",
    "recordingFileConfig.avFileType",
    "snapshotConfig",
    "extensionServiceConfig",
    "extensionServiceConfig.extensionServices",
]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("place", PLACES)
def test_no_shape_breaks_the_check(mode: Mode, place: str) -> None:
    """Whatever stands anywhere is a list of faults, never an exception."""
    for odd in ODD:
        faults = check_request(mode, nested(place, odd))

        assert all(isinstance(fault, str) and fault.startswith("request") for fault in faults)
    for odd in ODD:
        nest = [{"serviceName": odd, "serviceParam": odd, "errorHandlePolicy": odd}]
        assert check_request(mode, nested("extensionServiceConfig.extensionServices", nest))


@pytest.mark.parametrize("odd", [None, [], "x", 1])
def test_a_request_is_an_object(odd: object) -> None:
    """Everything else is told in one sentence."""
    assert check_request(Mode.MIX, odd) == ["request: must be an object"]
    assert check_update(Mode.MIX, odd) == ["request: must be an object"]
    assert check_layout(odd) == ["request: must be an object"]
