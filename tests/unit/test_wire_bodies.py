"""The bodies that go out: defaults, references, and nothing that shows."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from recording_tasks.errors import InvalidInputError
from recording_tasks.models import Mode
from recording_tasks.wire import (
    Body,
    StorageConfig,
    acquire_body,
    layout_body,
    merge_update,
    needs_storage,
    start_body,
    stop_body,
    update_body,
)

STORAGE = StorageConfig.model_validate(
    {"vendor": 2, "region": 3, "bucket": "b", "access_key": "key-1", "secret_key": "secret-1"}
)
SALT = base64.b64encode(bytes(32)).decode()


def web(**fields: Any) -> dict[str, Any]:
    """A web page recording."""
    service = {"serviceName": "web_recorder_service", "serviceParam": fields}
    return {"extensionServiceConfig": {"extensionServices": [service]}}


def request_of(body: Body) -> dict[str, Any]:
    """The clientRequest, as the wire carries it."""
    content = json.loads(body.encode())
    assert (content["cname"], content["uid"]) == ("room", "7")
    inner: dict[str, Any] = content["clientRequest"]
    return inner


def test_acquire_carries_the_callers_options() -> None:
    """What stands under acquire wins over the default hours."""
    request = {"acquire": {"region": "EU", "resourceExpiredHour": 24}, "recordingConfig": {}}
    body = acquire_body("room", "7", Mode.MIX, request, resource_expired_hour=48)

    assert request_of(body) == {"region": "EU", "resourceExpiredHour": 24, "scene": 0}


def test_acquire_for_a_page_is_scene_1_and_lasts_as_long_as_the_page() -> None:
    """A page that may be recorded for 100 hours must be stoppable for 100 hours."""
    body = acquire_body("room", "7", Mode.WEB, web(maxRecordingHour=100))

    assert request_of(body) == {"scene": 1, "resourceExpiredHour": 100}


def test_acquire_excludes_resources_once() -> None:
    """The caller's and ours, without doubles."""
    request = {"acquire": {"excludeResourceIds": ["a"]}}
    body = acquire_body("room", "7", Mode.MIX, request, exclude_resource_ids=["b", "a"])

    assert request_of(body)["excludeResourceIds"] == ["a", "b"]


def test_start_says_channel_type_and_idle_time_always() -> None:
    """Agora's 30 s of idle time end a recording in the first break."""
    body = start_body("room", "7", Mode.MIX, {}, storage=STORAGE)

    assert request_of(body) == {
        "recordingConfig": {"channelType": 0, "maxIdleTime": 300},
        "storageConfig": STORAGE.to_wire(),
    }


def test_start_keeps_what_the_caller_said() -> None:
    """Defaults fill gaps, and acquire's part stays behind."""
    config = {"channelType": 1, "maxIdleTime": 30, "unsubscribeAudioUids": ["5"]}
    request = {"acquire": {"region": "EU"}, "recordingConfig": config}
    body = start_body("room", "7", Mode.MIX, request, storage=STORAGE, token="tok", max_idle_time=9)

    assert request_of(body) == {
        "recordingConfig": {"channelType": 1, "maxIdleTime": 30, "unSubscribeAudioUids": ["5"]},
        "storageConfig": STORAGE.to_wire(),
        "token": "tok",
    }


def test_a_canvas_goes_out_with_all_four_numbers() -> None:
    """Older services demand width, height, fps and bitrate together."""
    request = {"recordingConfig": {"transcodingConfig": {"width": 1280, "height": 720}}}
    body = start_body("room", "7", Mode.MIX, request, storage=STORAGE)

    assert request_of(body)["recordingConfig"]["transcodingConfig"] == {
        "width": 1280,
        "height": 720,
        "fps": 15,
        "bitrate": 500,
    }


def test_a_page_needs_no_token_and_no_recording_config() -> None:
    """Web mode refuses both."""
    body = start_body("room", "7", Mode.WEB, web(url="u"), storage=STORAGE, token="tok")

    assert request_of(body).keys() == {"extensionServiceConfig", "storageConfig"}


def test_vod_goes_without_a_bucket() -> None:
    """Agora wants no storageConfig beside Alibaba's VoD."""
    service = {"serviceName": "aliyun_vod_service", "serviceParam": {"secretKey": {"$secret": "k"}}}
    request = {"extensionServiceConfig": {"extensionServices": [service]}}
    body = start_body("room", "7", Mode.MIX, request, storage=None, secrets={"k": "v"})

    assert not needs_storage(request)
    assert "storageConfig" not in request_of(body)


def test_every_other_recording_needs_a_bucket() -> None:
    """Without it nothing is sent."""
    with pytest.raises(InvalidInputError, match="storage: is required"):
        start_body("room", "7", Mode.MIX, {}, storage=None)


def test_references_become_secrets() -> None:
    """Anywhere in the request, and only in the body."""
    request = {
        "recordingConfig": {
            "decryptionMode": 8,
            "secret": {"$secret": "room.key"},
            "salt": {"$secret": "salt"},
        }
    }
    secrets = {"room_key": "pass-word", "salt": SALT, "other": "unused"}
    body = start_body("room", "7", Mode.MIX, request, storage=STORAGE, secrets=secrets)

    assert request_of(body)["recordingConfig"]["secret"] == "pass-word"
    assert request_of(body)["recordingConfig"]["salt"] == SALT
    assert request["recordingConfig"]["secret"] == {"$secret": "room.key"}


def test_every_missing_secret_is_named() -> None:
    """By name, all at once."""
    request = {"recordingConfig": {"secret": {"$secret": "a"}, "salt": {"$secret": "b"}}}
    with pytest.raises(InvalidInputError) as error:
        start_body("room", "7", Mode.MIX, request, storage=STORAGE)

    assert error.value.faults == (
        "request: no secret is named 'a'",
        "request: no secret is named 'b'",
    )


@pytest.mark.parametrize("salt", ["hunter2", "", base64.b64encode(bytes(31)).decode(), "é"])
def test_a_salt_of_another_length_is_not_sent(salt: str) -> None:
    """Agora would accept the start, and record nothing."""
    request = {"recordingConfig": {"salt": {"$secret": "s"}}}
    with pytest.raises(InvalidInputError) as error:
        start_body("room", "7", Mode.MIX, request, storage=STORAGE, secrets={"s": salt})

    assert error.value.faults == ("request.recordingConfig.salt: must be the Base64 of 32 bytes",)


def test_a_body_shows_nothing() -> None:
    """No repr, no text; and whatever repeats its secrets can be blotted out."""
    request = {"recordingConfig": {"decryptionMode": 1, "secret": {"$secret": "s"}}}
    body = start_body(
        "room", "7", Mode.MIX, request, storage=STORAGE, token="token-1", secrets={"s": "pass-1"}
    )

    assert repr(body) == str(body) == "Body()"
    assert body.redact("key-1 secret-1 token-1 pass-1 room") == "*** *** *** *** room"


def test_an_update_carries_its_lists() -> None:
    """In one spelling; a storage only when its token is renewed."""
    lists = {"audioUidList": {"unsubscribeAudioUids": ["5"]}}
    plain = update_body("room", "7", {"streamSubscribe": lists})
    renewing = update_body("room", "7", {}, storage=STORAGE)

    assert request_of(plain) == {
        "streamSubscribe": {"audioUidList": {"unSubscribeAudioUids": ["5"]}}
    }
    assert request_of(renewing) == {"storageConfig": STORAGE.to_wire()}
    assert renewing.redact("secret-1") == "***"


def test_a_pushed_address_may_be_a_secret() -> None:
    """Its last part is a key to somebody's channel."""
    request = {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": {"$secret": "push"}}]}}
    body = update_body("room", "7", request, secrets={"push": "rtmp://live.example/key"})

    assert request_of(body)["rtmpPublishConfig"]["outputs"] == [
        {"rtmpUrl": "rtmp://live.example/key"}
    ]


def test_a_layout_goes_out_bare() -> None:
    """Without the envelope that start has."""
    body = layout_body("room", "7", {"mixedVideoLayout": 1})

    assert request_of(body) == {"mixedVideoLayout": 1}


@pytest.mark.parametrize("async_stop", [True, False])
def test_a_stop_says_whether_to_wait(async_stop: bool) -> None:
    """Always explicit."""
    assert request_of(stop_body("room", "7", async_stop=async_stop)) == {"async_stop": async_stop}


def test_a_later_update_replaces_the_list_of_its_medium_only() -> None:
    """A new session must be brought to where the old one stood."""
    first = {
        "streamSubscribe": {
            "audioUidList": {"subscribeAudioUids": ["1"]},
            "videoUidList": {"subscribeVideoUids": ["1"]},
        }
    }
    second = {"streamSubscribe": {"audioUidList": {"unsubscribeAudioUids": ["2"]}}}

    assert merge_update(merge_update(None, first), second) == {
        "streamSubscribe": {
            "audioUidList": {"unSubscribeAudioUids": ["2"]},
            "videoUidList": {"subscribeVideoUids": ["1"]},
        }
    }
    assert merge_update({"webRecordingConfig": {"onhold": True}}, {"rtmpPublishConfig": {}}) == {
        "webRecordingConfig": {"onhold": True},
        "rtmpPublishConfig": {},
    }


def test_a_body_is_compact_json_in_ascii() -> None:
    """So that no proxy and no gateway argues about its encoding."""
    encoded = stop_body("caf\u00e9", "7", async_stop=True).encode()

    assert encoded == (b'{"cname":"caf\\u00e9","uid":"7","clientRequest":{"async_stop":true}}')
