"""Agora's own Python client against the simulator: it needs no change but the address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from agora_rest_client.core import exceptions
from agora_rest_client.core.domain import Domain, EndpointRegion
from agora_rest_client.services.cloud_recording.v1 import api
from agora_rest_client.services.cloud_recording.v1.individual_recording import (
    api_start as individual_start,
)
from agora_rest_client.services.cloud_recording.v1.individual_recording import (
    api_update as individual_update,
)
from agora_rest_client.services.cloud_recording.v1.individual_recording.individual_recording_client import (  # noqa: E501
    IndividualRecordingClient,
)
from agora_rest_client.services.cloud_recording.v1.mix_recording import api_start as mix_start
from agora_rest_client.services.cloud_recording.v1.mix_recording import api_update as mix_update
from agora_rest_client.services.cloud_recording.v1.mix_recording import (
    api_update_layout as mix_layout,
)
from agora_rest_client.services.cloud_recording.v1.mix_recording.mix_recording_client import (
    MixRecordingClient,
)
from agora_rest_client.services.cloud_recording.v1.web_recording import api_start as web_start
from agora_rest_client.services.cloud_recording.v1.web_recording import api_update as web_update
from agora_rest_client.services.cloud_recording.v1.web_recording.web_recording_client import (
    WebRecordingClient,
)

from recording_tasks.simulator import Simulator, running

STORAGE = {
    "vendor": api.StorageVendor.AMAZON_S3.value,
    "region": 0,
    "bucket": "bucket",
    "accessKey": "key",
    "secretKey": "secret",
    "fileNamePrefix": ["folder"],
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running(speed=0) as simulator:
        yield simulator


class LocalDomain(Domain):  # type: ignore[misc]  # it ships no types
    """One host, and none of the client's DNS thread, which would outlive the tests."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(EndpointRegion.US.value)
        self._host = simulator.url.removeprefix("http://")

    def run(self, logger: logging.Logger) -> None:
        self.set_logger(logger)

    def get_domain_list(self) -> list[str]:
        return [self._host]


def built(client_class: Any, simulator: Simulator) -> Any:
    """The official client, sent to the simulator over plain HTTP."""

    class Local(client_class):  # type: ignore[misc]
        def get_api_url(self, host: str, url: str, service_region: str | None = None) -> str:
            region = "" if service_region is None else f"/{service_region}"
            return f"http://{host}{region}{url}"

    client: Any = Local()
    client.with_app_id(simulator.app_id)
    client.with_credential_basic_auth(simulator.customer_id, simulator.customer_secret)
    client.with_domain(LocalDomain(simulator))
    return client.build()


def mix_started(client: Any) -> tuple[str, str]:
    """A mix recording of the channel ``room`` by 900."""
    resource_id = client.acquire("room", "900", resource_expired_hour=24).resourceId
    recording = mix_start.RecordingConfig(
        channelType=api.ChannelType.LIVE.value,
        streamTypes=api.StreamTypes.AUDIO_AND_VIDEO.value,
        maxIdleTime=300,
        subscribeAudioUids=["#allstream#"],
        subscribeVideoUids=["#allstream#"],
    )
    storage = mix_start.StorageConfig(**STORAGE)
    started = client.start(resource_id, "room", "900", "token", storage, recording)
    return resource_id, started.sid


def test_a_mix_recording_goes_through_all_six_methods(simulator: Simulator) -> None:
    """acquire, start, query, update, updateLayout and stop, answered as it expects."""
    client = built(MixRecordingClient, simulator)

    resource_id, sid = mix_started(client)
    simulator.advance(10)
    queried = client.query(resource_id, sid)
    audio = mix_update.AudioUidList(unsubscribeAudioUids=["5"])
    video = mix_update.VideoUidList(unsunscribeVideoUids=["5"])
    subscribe = mix_update.StreamSubscribe(audioUidList=audio, videoUidList=video)
    updated = client.update(resource_id, sid, "room", "900", subscribe)
    window = mix_layout.LayoutConfig(
        uid="123", x_axis=0.0, y_axis=0.0, width=1.0, height=1.0, alpha=1.0, render_mode=1
    )
    laid_out = client.update_layout(
        resource_id, sid, "room", "900", mixed_video_layout=3, layout_config=[window]
    )
    stopped = client.stop(resource_id, sid, "room", "900")

    assert queried.serverResponse["status"] == 5
    assert updated.sid == laid_out.sid == stopped.sid == sid
    names = [item["fileName"] for item in stopped.serverResponse["fileList"]]
    assert names == [f"{sid}_room.m3u8", f"{sid}_room_0.mp4"]
    assert simulator.report()["calls"] == {
        method: {"200": 1}
        for method in ("acquire", "start", "query", "update", "updateLayout", "stop")
    }


def test_an_individual_recording_is_served(simulator: Simulator) -> None:
    """With screenshots beside it."""
    client = built(IndividualRecordingClient, simulator)
    recording = individual_start.RecordingConfig(
        channelType=api.ChannelType.LIVE.value,
        subscribeUidGroup=api.SubscribeUidGroup.UID_1_2.value,
        streamMode=api.StreamMode.DEFAULT.value,
    )
    snapshot = individual_start.SnapshotConfig(captureInterval=5, fileType=["jpg"])

    resource_id = client.acquire("room", "900").resourceId
    storage = individual_start.StorageConfig(**STORAGE)
    sid = client.start(
        resource_id, "room", "900", "token", storage, recording, snapshot_config=snapshot
    ).sid
    simulator.advance(10)
    queried = client.query(resource_id, sid)
    audio = individual_update.AudioUidList(subscribeAudioUids=["123"])
    client.update(
        resource_id, sid, "room", "900", individual_update.StreamSubscribe(audioUidList=audio)
    )
    stopped = client.stop(resource_id, sid, "room", "900", async_stop=True)

    stem = f"{sid}_room__uid_s_123__uid_e_"
    names = [item["fileName"] for item in queried.serverResponse["fileList"]]
    assert names == [f"{stem}audio.m3u8", f"{stem}video.m3u8"]
    assert stopped.serverResponse["uploadingStatus"] == "unknown"
    assert any(name.endswith(".jpg") for name in simulator.files(sid))


def test_a_web_page_recording_is_served(simulator: Simulator) -> None:
    """With hold and resume, and a push beside it."""
    client = built(WebRecordingClient, simulator)
    page = web_start.ServiceParam(
        url="https://example.org",
        audioProfile=0,
        videoWidth=1280,
        videoHeight=720,
        maxRecordingHour=1,
        readyTimeout=0,
    )
    recorder = web_start.ExtensionServices(
        serviceName="web_recorder_service", errorHandlePolicy="error_abort", serviceParam=page
    )
    push = web_start.ExtensionServices(
        serviceName="rtmp_publish_service",
        errorHandlePolicy="error_ignore",
        serviceParam={"outputs": [{"rtmpUrl": "rtmp://example.org/live/key"}]},
    )
    services = web_start.ExtensionServiceConfig(
        errorHandlePolicy="error_abort", extensionServices=[recorder, push]
    )

    resource_id = client.acquire("page", "900").resourceId
    storage = web_start.StorageConfig(**STORAGE)
    sid = client.start(resource_id, "page", "900", storage, services).sid
    simulator.advance(10)
    held = web_update.WebRecordingConfig(onhold=True)
    client.update(resource_id, sid, "page", "900", web_recording_config=held)
    queried = client.query(resource_id, sid)
    stopped = client.stop(resource_id, sid, "page", "900")

    states = {
        s["serviceName"]: s["payload"] for s in queried.serverResponse["extensionServiceState"]
    }
    assert states["web_recorder_service"]["state"] == "inProgress"
    assert states["web_recorder_service"]["onhold"] is True
    assert states["rtmp_publish_service"]["outputs"][0]["status"] == "onhold"
    upload, _ = stopped.serverResponse["extensionServiceState"]
    assert upload["payload"] == {"uploadingStatus": "uploaded"}


def test_a_stop_without_files_is_an_error_to_it(simulator: Simulator) -> None:
    """206 with code 435: it takes only 200 and 201 for a success."""
    simulator.channel("room", users=[])
    client = built(MixRecordingClient, simulator)
    resource_id, sid = mix_started(client)
    simulator.advance(10)

    with pytest.raises(exceptions.ClientRequestException) as refused:
        client.stop(resource_id, sid, "room", "900")

    assert (refused.value.status_code, refused.value.error_code) == (206, 435)
    assert simulator.report()["sessions_running"] == 0


def test_a_second_start_is_a_success_to_it_but_without_a_sid(simulator: Simulator) -> None:
    """201 with code 7, whose body carries no sid."""
    client = built(MixRecordingClient, simulator)
    resource_id, _ = mix_started(client)

    again = client.start(resource_id, "room", "900", "token", mix_start.StorageConfig(**STORAGE))

    assert (again.code, again.sid) == (7, None)
    assert simulator.report()["sessions_started"] == 1


def test_wrong_credentials_are_told_to_it(simulator: Simulator) -> None:
    """401 is not repeated."""
    client = built(MixRecordingClient, simulator)
    client.with_credential_basic_auth("wrong", "wrong")

    with pytest.raises(exceptions.ServiceResponseException) as refused:
        client.acquire("room", "900")

    assert refused.value.status_code == 401
    assert simulator.report()["calls"] == {"acquire": {"401": 1}}


def test_its_lost_start_is_repeated_and_runs_once(simulator: Simulator) -> None:
    """It sends again on a broken connection, with the same resource ID."""
    simulator.fault("start", "lose_answer")

    mix_started(built(MixRecordingClient, simulator))

    assert simulator.report()["calls"]["start"] == {"lost": 1, "201/7": 1}
    assert simulator.report()["sessions_started"] == 1
