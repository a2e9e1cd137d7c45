"""Answers as Agora really gives them: two spellings, strings for numbers, keys that lack."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from recording_tasks.errors import Remedy, ServiceError
from recording_tasks.models import (
    Acquired,
    File,
    Observed,
    Started,
    Stopped,
    Updated,
    UploadStatus,
)
from recording_tasks.wire import Method, read_answer

IDS = {"resourceId": "R" * 300, "sid": "5" * 32, "cname": "room", "uid": "7"}
HLS = {
    "fileListMode": "string",
    "fileList": "s_room.m3u8",
    "status": 5,
    "sliceStartTime": 1562724971626,
}
MP4 = {
    "fileName": "s_room_0.mp4",
    "trackType": "audio_and_video",
    "uid": "0",
    "mixedAllUser": True,
    "isPlayable": True,
    "sliceStartTime": 1562724971626,
}
MP4_FILE = File(
    name="s_room_0.mp4",
    track_type="audio_and_video",
    uid="0",
    is_playable=True,
    slice_start_ms=1562724971626,
)


def read(method: Method, status: int, body: Any) -> Any:
    """Read an answer whose body is this JSON."""
    return read_answer(method, status, json.dumps(body).encode())


def refused(method: Method, status: int, body: Any) -> ServiceError:
    """Read an answer that must not be a success."""
    with pytest.raises(ServiceError) as error:
        read(method, status, body)
    assert (error.value.method, error.value.status) == (method, status)
    return error.value


def serve(**server: Any) -> dict[str, Any]:
    """An answer with this serverResponse."""
    return IDS | {"serverResponse": server}


@pytest.mark.parametrize(
    "body", [{"resourceId": "R"}, IDS | {"resourceId": "R"}, {"resourceId": "R", "code": 0}]
)
def test_acquire_gives_a_resource(body: dict[str, Any]) -> None:
    """In the old form and the new one."""
    assert read(Method.ACQUIRE, 200, body) == Acquired(resource_id="R")


@pytest.mark.parametrize("body", [{}, {"resourceId": ""}, {"resourceId": None}, {"resourceId": []}])
def test_acquire_without_a_resource_is_an_error(body: dict[str, Any]) -> None:
    """A 200 that lacks what it must carry is said so, and asked again."""
    error = refused(Method.ACQUIRE, 200, body)

    assert error.reason == "the answer lacks resourceId"
    assert error.remedy is Remedy.SAME_AGAIN


def test_start_gives_a_sid() -> None:
    """The only thing that queries and stops need."""
    assert read(Method.START, 200, IDS) == Started(sid="5" * 32)


def test_start_without_a_sid_is_repeated_with_the_same_resource() -> None:
    """It may run."""
    error = refused(Method.START, 200, {"resourceId": "R", "sid": ""})

    assert error.reason == "the answer lacks sid"
    assert error.remedy is Remedy.SAME_RESOURCE


@pytest.mark.parametrize(
    ("body", "sid"),
    [
        ({"code": 7, "reason": "already started"}, None),
        ({"code": 7, "sid": ""}, None),
        ({}, None),
        (IDS | {"code": 7}, "5" * 32),
    ],
)
def test_a_start_that_was_done_before_runs(body: dict[str, Any], sid: str | None) -> None:
    """201, whether or not the sid comes with it."""
    assert read(Method.START, 201, body) == Started(sid=sid, was_running=True)


def test_start_206_may_run() -> None:
    """Code 65: only the same resource may be started again."""
    error = refused(Method.START, 206, {"code": 65, "reason": "request not completed"})

    assert (error.code, error.remedy) == (65, Remedy.SAME_RESOURCE)


@pytest.mark.parametrize("method", [Method.UPDATE, Method.UPDATE_LAYOUT])
def test_updates_are_taken(method: Method) -> None:
    """Whatever the body says."""
    assert read(method, 200, IDS) == Updated()
    assert read(method, 200, {}) == Updated()
    assert read_answer(method, 200, b"") == Updated()
    assert refused(method, 206, {"code": 65}).remedy is Remedy.SAME_AGAIN


@pytest.mark.parametrize("status", [5, "5", 5.0])
def test_a_status_may_be_a_number_or_a_string(status: Any) -> None:
    """Agora's own pages show both."""
    observed = read(Method.QUERY, 200, serve(**(HLS | {"status": status})))

    assert observed == Observed(status=5, files=(File(name="s_room.m3u8"),))


@pytest.mark.parametrize("status", [None, "", "x", True, [], 5.5, 10**30, "9" * 5000, float("nan")])
def test_an_odd_status_is_none(status: Any) -> None:
    """The session exists, and says nothing that can be read."""
    assert read(Method.QUERY, 200, serve(status=status)).status is None


@pytest.mark.parametrize("key", ["fileName", "filename"])
def test_file_names_have_two_spellings(key: str) -> None:
    """One in RTC modes, one in web payloads, and sometimes the other way round."""
    item = {name: value for name, value in MP4.items() if name != "fileName"} | {
        key: "s_room_0.mp4"
    }
    observed = read(Method.QUERY, 200, serve(status=4, fileListMode="json", fileList=[item]))

    assert observed.files == (MP4_FILE,)


@pytest.mark.parametrize(
    "listed", [None, "", [], {}, 7, [None, 7, {}, {"fileName": ""}, {"fileName": None}]]
)
def test_an_empty_or_odd_file_list_is_no_error(listed: Any) -> None:
    """Before the first slice there is none."""
    assert read(Method.QUERY, 200, serve(status=5, fileList=listed)).files == ()
    assert read(Method.QUERY, 200, serve(status=5)).files == ()


def test_a_query_of_a_page_tells_its_services() -> None:
    """Files come from the payloads; a misspelt payload is read, too."""
    web = {"state": "inProgress", "onhold": False, "fileList": [{"filename": "x.m3u8"}]}
    push = {"state": "init", "outputs": [{"rtmpUrl": "rtmp://x", "status": "publishing"}]}
    observed = read(
        Method.QUERY,
        200,
        serve(
            status=5,
            extensionServiceState=[
                {"serviceName": "web_recorder_service", "payload": web},
                {"serviceName": "rtmp_publish_service", "playload": push},
                {"serviceName": "odd"},
                None,
            ],
        ),
    )

    assert observed == Observed(
        status=5,
        files=(File(name="x.m3u8"),),
        services={"web_recorder_service": "inProgress", "rtmp_publish_service": "init"},
    )


def test_a_vod_task_tells_a_word_for_its_status() -> None:
    """The legacy service has no number."""
    words = {"recordingService": "serviceInProgress"}

    assert read(Method.QUERY, 200, serve(subServiceStatus=words)).status == 5


def test_a_query_without_server_response_is_odd_but_alive() -> None:
    """The session was found; a 200 from somebody else is an error."""
    assert read(Method.QUERY, 200, IDS) == Observed(status=None)
    assert refused(Method.QUERY, 200, {"hello": 1}).remedy is Remedy.SAME_AGAIN


@pytest.mark.parametrize(
    ("word", "upload"),
    [
        ("uploaded", UploadStatus.UPLOADED),
        ("backuped", UploadStatus.BACKUPED),
        ("unknown", UploadStatus.UNKNOWN),
        ("unknow", UploadStatus.UNKNOWN),
        ("stranded", UploadStatus.UNKNOWN),
        ("", None),
        (None, None),
    ],
)
def test_a_stop_tells_where_the_files_are(word: Any, upload: UploadStatus | None) -> None:
    """Odd words mean unknown; no word means nothing was said."""
    stopped = read(Method.STOP, 200, serve(fileList=[MP4], uploadingStatus=word))

    assert stopped == Stopped(files=(MP4_FILE,), upload_status=upload)


def test_a_stop_of_a_page_reads_its_services() -> None:
    """The upload stands in a service of its own."""
    stopped = read(
        Method.STOP,
        200,
        serve(
            extensionServiceState=[
                {"serviceName": "upload_service", "payload": {"uploadingStatus": "uploaded"}},
                {
                    "serviceName": "web_recorder_service",
                    "payload": {"state": "exit", "fileList": [{"filename": "x.m3u8"}]},
                },
            ]
        ),
    )

    assert stopped == Stopped(files=(File(name="x.m3u8"),), upload_status=UploadStatus.UPLOADED)


@pytest.mark.parametrize("body", [IDS, {}, serve()])
def test_an_async_stop_may_say_nothing(body: dict[str, Any]) -> None:
    """The files come later."""
    assert read(Method.STOP, 200, body) == Stopped()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (206, {}),
        (206, serve(uploadingStatus=None)),
        (206, {"code": 50, "reason": "timeout"}),
        (500, {"code": 50}),
        (206, {"code": "50"}),
    ],
)
def test_a_slow_upload_is_a_stop(status: int, body: dict[str, Any]) -> None:
    """Stopped, and the upload is unknown; never a failure to stop."""
    assert read(Method.STOP, status, body) == Stopped(upload_status=UploadStatus.UNKNOWN)


def test_a_stop_that_ran_beside_a_query_keeps_what_it_told() -> None:
    """Then 206 comes without files."""
    stopped = read(Method.STOP, 206, serve(uploadingStatus="backuped"))

    assert stopped == Stopped(upload_status=UploadStatus.BACKUPED)


def test_nothing_recorded_is_an_empty_stop() -> None:
    """435 ends a session as well as any."""
    assert read(Method.STOP, 206, {"code": 435, "reason": "no recorded data"}).is_empty


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (206, {"code": 65}, Remedy.SAME_AGAIN),
        (504, {"code": 62}, Remedy.SAME_AGAIN),
        (404, {"code": 404, "reason": "failed to find worker"}, Remedy.SUSPECT),
        (400, {"code": 2}, Remedy.PARAMETERS),
        (500, {"code": 500}, Remedy.SAME_AGAIN),
    ],
)
def test_a_stop_that_is_not_settled(status: int, body: dict[str, Any], remedy: Remedy) -> None:
    """It must be sent again, or a person must act."""
    assert refused(Method.STOP, status, body).remedy is remedy


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"code": 65'])
def test_a_partial_stop_that_cannot_be_read_is_not_settled(content: bytes) -> None:
    """It may have been 65, not done yet: to stop once more does no harm."""
    with pytest.raises(ServiceError) as error:
        read_answer(Method.STOP, 206, content)

    assert error.value.remedy is Remedy.SAME_AGAIN


def test_a_double_stop_as_it_was_really_seen() -> None:
    """No reason, many other keys, the file under another name."""
    error = refused(
        Method.STOP,
        400,
        IDS
        | {"code": 49, "serverResponse": {"fileListStr": "p/s.m3u8", "payload": {"message": "F"}}},
    )

    assert (error.code, error.remedy, error.reason) == (49, Remedy.SETTLED, "no reason given")


@pytest.mark.parametrize(
    ("method", "reason", "remedy"),
    [
        (Method.START, "task conflict", Remedy.OTHER_UID),
        (Method.ACQUIRE, "vendor_over_load", Remedy.OVERLOADED),
        (Method.ACQUIRE, "no_active_status", Remedy.ACCOUNT),
        (Method.STOP, "invalid operation", Remedy.SETTLED),
        (Method.QUERY, "invalid operation", Remedy.REFUSED),
        (Method.STOP, "task conflict", Remedy.REFUSED),
    ],
)
def test_a_known_reason_needs_no_code(method: Method, reason: str, remedy: Remedy) -> None:
    """Everything in a body may be missing; what is left is enough where it is plain."""
    assert refused(method, 400, {"reason": reason}).remedy is remedy


@pytest.mark.parametrize("method", [Method.QUERY, Method.UPDATE, Method.UPDATE_LAYOUT, Method.STOP])
def test_a_404_needs_no_code(method: Method) -> None:
    """Only the gateway's own, which has a text, and a proxy's page are about the address."""
    for body in ({}, IDS, {"code": "404"}, {"reason": "failed to find worker"}):
        assert refused(method, 404, body).remedy is Remedy.SUSPECT
    with pytest.raises(ServiceError) as empty:
        read_answer(method, 404, b"")
    with pytest.raises(ServiceError) as page:
        read_answer(method, 404, b"<html>Not Found</html>")

    assert empty.value.remedy is Remedy.SUSPECT
    assert page.value.remedy is Remedy.REFUSED
    no_route = {"message": "no Route matched with those values"}
    assert refused(method, 404, no_route).remedy is Remedy.REFUSED
    assert refused(Method.START, 404, {}).remedy is Remedy.REFUSED


def test_gateways_and_proxies_answer_otherwise() -> None:
    """A message without a code, HTML, nothing at all."""
    assert refused(Method.QUERY, 401, {"message": "Unauthorized"}).reason == "Unauthorized"
    for content in (b"<html>Bad Gateway</html>", b"", b"[1]", b"\xff\xfe", b"null", b"[" * 100_000):
        with pytest.raises(ServiceError) as error:
            read_answer(Method.START, 502, content)
        assert (error.value.code, error.value.remedy) == (None, Remedy.SAME_RESOURCE)


@pytest.mark.parametrize("method", list(Method))
def test_a_page_of_html_with_200_is_no_success(method: Method) -> None:
    """Some proxies say OK to everything."""
    with pytest.raises(ServiceError) as error:
        read_answer(method, 200, b"<html>Please log in</html>")

    assert error.value.reason == "the answer is no JSON object"


def test_a_reason_is_made_fit_for_a_log() -> None:
    """One line, no URL, not long, and no secret of the request."""
    text = "see https://api.agora.io/v1/apps/x\nkey-1 " + "x" * 500
    with pytest.raises(ServiceError) as error:
        read_answer(
            Method.START,
            400,
            json.dumps({"code": 2, "reason": text}).encode(),
            lambda told: told.replace("key-1", "***"),
        )

    assert error.value.reason.startswith("see <url> *** xxx")
    assert len(error.value.reason) == 200


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("status", [200, 201, 206, 404, 500])
def test_no_body_breaks_the_reader(method: Method, status: int) -> None:
    """An answer or a ServiceError, whatever stands where."""
    odd: list[Any] = [None, True, 0, 1.5, "", "x", [], [[]], {}, {"a": 1}, [None]]
    keys = ("code", "sid", "resourceId", "reason", "serverResponse")
    inner = ("status", "fileList", "extensionServiceState", "uploadingStatus", "subServiceStatus")
    bodies = [{key: value} for key in keys for value in odd]
    bodies += [{"serverResponse": {key: value}} for key in inner for value in odd]
    bodies += [
        {"serverResponse": {"extensionServiceState": [{"serviceName": value, "payload": value}]}}
        for value in odd
    ]
    for body in bodies:
        with contextlib.suppress(ServiceError):
            assert read(method, status, body)
