"""What stop says, by what was recorded, how long it uploads, and what happens beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from recording_tasks.simulator import Simulator

from .api import HLS, INDIVIDUAL, Api, Recorded, Reply, file_names


@pytest.fixture
def recorded(simulator: Simulator, api: Api) -> Recorded:
    """A session that has recorded ten seconds and more."""
    found = api.started()
    simulator.advance(12)
    return found


def in_background(call: Callable[[], Reply]) -> Future[Reply]:
    """Make a call that does not answer at once."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    return future


def wait_for_call(simulator: Simulator, method: str) -> None:
    """Wait until a call has arrived."""
    for _ in range(500):
        if simulator.calls(method):
            return
        threading.Event().wait(0.01)
    raise AssertionError(method)


def test_mix_is_stopped_with_its_files(api: Api, recorded: Recorded) -> None:
    """The list and where the files are."""
    reply = api.stop(recorded)

    assert reply.status == 200
    assert reply.body["sid"] == recorded.sid
    assert reply.body["serverResponse"]["uploadingStatus"] == "uploaded"
    assert reply.body["serverResponse"]["fileListMode"] == "json"
    assert file_names(reply) == [f"{recorded.sid}_room.m3u8", f"{recorded.sid}_room_0.mp4"]


def test_hls_alone_is_a_string(simulator: Simulator, api: Api) -> None:
    """As in query, without status and sliceStartTime."""
    recorded = api.started(HLS)
    simulator.advance(12)

    assert api.stop(recorded).body["serverResponse"] == {
        "fileListMode": "string",
        "fileList": f"{recorded.sid}_room.m3u8",
        "uploadingStatus": "uploaded",
    }


def test_screenshots_alone_have_only_a_status(simulator: Simulator, api: Api) -> None:
    """No list."""
    request = {k: v for k, v in INDIVIDUAL.items() if k != "recordingFileConfig"}
    request["snapshotConfig"] = {"fileType": ["jpg"]}
    recorded = api.started(request, mode="individual")
    simulator.advance(12)

    assert api.stop(recorded).body["serverResponse"] == {"uploadingStatus": "uploaded"}


def test_a_web_page_is_stopped_by_its_services(simulator: Simulator, api: Api) -> None:
    """upload_service and web_recorder_service."""
    recorded = api.started(mode="web")
    simulator.advance(12)

    upload, recorder = api.stop(recorded).body["serverResponse"]["extensionServiceState"]

    assert upload == {
        "serviceName": "upload_service",
        "payload": {"uploadingStatus": "uploaded"},
    }
    assert recorder["serviceName"] == "web_recorder_service"
    assert recorder["payload"]["state"] == "exit"
    assert len(recorder["payload"]["fileList"]) == 2


@pytest.mark.parametrize("is_async", [False, True])
def test_nothing_published_is_435(simulator: Simulator, api: Api, is_async: bool) -> None:
    """Stopped all the same."""
    simulator.channel("room", users=[])
    recorded = api.started()
    simulator.advance(10)

    reply = api.stop(recorded, async_stop=is_async)

    assert reply == (206, {"code": 435, "reason": "no recorded data"})
    assert simulator.report()["ended_by_cause"] == {"stopped": 1}


def test_a_stop_before_joining_is_435(api: Api) -> None:
    """Nothing can have been recorded."""
    assert api.stop(api.started()).says == (206, 435)


def test_nothing_published_can_be_an_empty_list(simulator: Simulator, api: Api) -> None:
    """As a switch."""
    simulator.configure(unpublished_stop="empty")

    reply = api.stop(api.started())

    assert reply.status == 200
    assert file_names(reply) == []


def test_an_async_stop_knows_nothing_of_the_files(api: Api, recorded: Recorded) -> None:
    """An empty list and status unknown."""
    reply = api.stop(recorded, async_stop=True)

    assert reply.status == 200
    assert reply.body["serverResponse"] == {
        "fileListMode": "json",
        "fileList": [],
        "uploadingStatus": "unknown",
    }


def test_an_async_stop_can_say_nothing(simulator: Simulator, api: Api, recorded: Recorded) -> None:
    """No serverResponse at all, as a switch."""
    simulator.configure(async_stop_response="absent")

    assert "serverResponse" not in api.stop(recorded, async_stop=True).body


def test_a_second_stop_is_an_invalid_operation_then_nobody_is_there(
    simulator: Simulator, api: Api, recorded: Recorded
) -> None:
    """49 while it exits, 404 when it has left."""
    api.stop(recorded)

    exiting = api.stop(recorded)
    simulator.advance(5)
    gone = api.stop(recorded)

    assert exiting == (400, {"code": 49, "reason": "invalid operation"})
    assert gone == (404, {"code": 404, "reason": "failed to find worker"})


def test_an_invalid_operation_can_look_like_the_real_ones(
    simulator: Simulator, api: Api, recorded: Recorded
) -> None:
    """Ids beside the code, no reason, the file name under fileListStr."""
    simulator.configure(wide_error_bodies=True)
    api.stop(recorded)

    body = api.stop(recorded).body

    assert body["code"] == 49
    assert "reason" not in body
    assert body["serverResponse"]["fileListStr"].startswith(f"folder/room1/{recorded.sid}_room")


@pytest.mark.parametrize("request_", [{"async_stop": "true"}, {"asyncStop": True}])
def test_a_bad_stop_is_code_2(api: Api, recorded: Recorded, request_: dict[str, object]) -> None:
    """Type and spelling."""
    assert api.stop(recorded, **request_).says == (400, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["backuped", "unknown"])
def test_files_may_still_be_on_their_way(simulator: Simulator, api: Api, status: str) -> None:
    """uploadingStatus as told for the channel."""
    simulator.channel("room", uploading_status=status)
    recorded = api.started()
    simulator.advance(10)

    assert api.stop(recorded).body["serverResponse"]["uploadingStatus"] == status


def test_files_on_their_way_can_be_a_206(simulator: Simulator, api: Api) -> None:
    """As the older documents have it."""
    simulator.configure(backuped_stop_status=206)
    simulator.channel("room", uploading_status="backuped")
    recorded = api.started()
    simulator.advance(10)

    reply = api.stop(recorded)

    assert reply.says == (206, None)
    assert len(file_names(reply)) == 2


def test_the_odd_spellings_can_be_chosen(simulator: Simulator, api: Api) -> None:
    """unknow and playload."""
    simulator.configure(unknown_spelling="unknow", payload_spelling="playload")
    recorded = api.started(mode="web")

    upload, _ = api.stop(recorded, async_stop=True).body["serverResponse"]["extensionServiceState"]

    assert upload["playload"] == {"uploadingStatus": "unknow"}


def test_a_sync_stop_waits_for_the_upload(
    simulator: Simulator, api: Api, recorded: Recorded
) -> None:
    """The answer comes when the simulated upload is done; the slot is taken until then."""
    simulator.channel("room", upload_seconds=15)
    stopping = in_background(lambda: api.stop(recorded))
    wait_for_call(simulator, "stop")

    is_early = stopping.done()
    simulator.advance(15)

    assert not is_early
    assert stopping.result(5).body["serverResponse"]["uploadingStatus"] == "uploaded"


def test_an_async_stop_does_not_wait(simulator: Simulator, api: Api, recorded: Recorded) -> None:
    """However long the upload takes; the slot is free only after it."""
    simulator.configure(pcw=1)
    simulator.channel("room", upload_seconds=600)

    reply = api.stop(recorded, async_stop=True)
    simulator.advance(600)
    exiting = api.acquire()
    simulator.advance(5)

    assert reply.status == 200
    assert exiting.says == (400, 406)
    assert api.acquire().status == 200


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, (206, 50)),
        ({"slow_stop_status": 500}, (500, 50)),
        ({"slow_stop_body": "unknown"}, (206, None)),
    ],
)
def test_a_slow_upload_is_cut_off_after_20_seconds(
    simulator: Simulator,
    api: Api,
    recorded: Recorded,
    settings: dict[str, object],
    says: tuple[int, int | None],
) -> None:
    """Code 50, or 206 with an unknown upload: either way it has stopped."""
    simulator.configure(**settings)
    simulator.channel("room", upload_seconds=60)
    stopping = in_background(lambda: api.stop(recorded))
    wait_for_call(simulator, "stop")
    simulator.advance(19)
    is_early = stopping.done()

    simulator.advance(1)

    reply = stopping.result(5)
    assert not is_early
    assert reply.says == says
    if says[1] is None:
        assert reply.body["serverResponse"]["uploadingStatus"] == "unknown"
    assert simulator.sessions()[0]["state"] == "exiting"


def test_a_query_beside_a_stop_takes_its_list(
    simulator: Simulator, api: Api, recorded: Recorded
) -> None:
    """The stop gets 206 without fileList."""
    simulator.channel("room", upload_seconds=10)
    stopping = in_background(lambda: api.stop(recorded))
    wait_for_call(simulator, "stop")

    queried = Api(simulator).query(recorded)
    simulator.advance(10)

    reply = stopping.result(5)
    assert queried.says == (404, 501)
    assert reply.says == (206, None)
    assert "fileList" not in reply.body["serverResponse"]
    assert simulator.report()["queries_beside_stop"] == 1


def test_a_stop_beside_a_query_loses_its_list_too(
    simulator: Simulator, api: Api, recorded: Recorded
) -> None:
    """Whichever of the two came first."""
    simulator.configure(method_latency_ms={"query": 300})
    querying = in_background(lambda: Api(simulator).query(recorded))
    wait_for_call(simulator, "query")

    reply = api.stop(recorded)

    assert reply.says == (206, None)
    assert "fileList" not in reply.body["serverResponse"]
    assert querying.result(5).status == 200


def test_stop_after_query_keeps_its_list(api: Api, recorded: Recorded) -> None:
    """One after the other is fine."""
    api.query(recorded)

    assert api.stop(recorded).status == 200


def test_an_answer_can_be_slow(simulator: Simulator, api: Api, recorded: Recorded) -> None:
    """A real delay for one method; the others are not slowed."""
    simulator.configure(method_latency_ms={"stop": 200})
    began = time.monotonic()
    api.query(recorded)
    between = time.monotonic()

    api.stop(recorded)

    assert between - began < 0.15
    assert time.monotonic() - between >= 0.2
