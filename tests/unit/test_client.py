"""The six methods against a real server: what goes out, what comes back."""

from __future__ import annotations

import base64
import gzip
import logging
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from client_calls import CREDENTIALS, NO_NAME, acquire, client_of, free, start
from client_servers import (
    RESOURCE,
    SID,
    SUCCESS,
    answer,
    hang_up,
    make_certificate,
    serving,
    silent,
    then,
)
from pydantic import SecretStr

from recording_tasks.client import Client, Credentials, Timeouts
from recording_tasks.errors import ConfigurationError, OutcomeUnknownError, Remedy, ServiceError
from recording_tasks.models import Acquired, Mode, Observed, Started, Stopped, Updated, UploadStatus
from recording_tasks.wire import (
    layout_body,
    stop_body,
    update_body,
)

APP_ID = "0123456789abcdef0123456789abcdef"
PREFIX = f"/v1/apps/{CREDENTIALS.app_id}/cloud_recording"


def test_acquire_and_start_send_what_is_documented() -> None:
    """POST, the path, the headers, JSON; ids in the path as they came."""
    with serving(answer()) as server, client_of(server.url) as client:
        acquired = acquire(client)
        started = start(client)

    first, second = server.requests
    pair = base64.b64encode(b"customer:hunter2-customer").decode()
    assert (acquired, started) == (Acquired(resource_id=RESOURCE), Started(sid=SID))
    assert first.line == f"POST {PREFIX}/acquire HTTP/1.1"
    assert first.headers["Authorization"] == f"Basic {pair}"
    assert first.headers["Content-Type"] == "application/json;charset=utf-8"
    assert first.body["cname"] == "room"
    assert second.line == f"POST {PREFIX}/resourceid/{RESOURCE}/mode/mix/start HTTP/1.1"
    assert second.body["clientRequest"]["storageConfig"]["secretKey"] == "hunter2-s"
    assert "Cookie" not in second.headers


def test_a_running_session_is_watched_changed_and_stopped() -> None:
    """query is a GET without a body; the others are POSTs."""
    ids = (Mode.MIX, RESOURCE, SID)
    query_answer = answer(200, SUCCESS | {"serverResponse": {"status": 5}})
    stop_answer = answer(200, SUCCESS | {"serverResponse": {"uploadingStatus": "uploaded"}})
    script = (query_answer, answer(), answer(), stop_answer)
    with serving(*script) as server, client_of(server.url) as client:
        observed = client.query(*ids, permit=free)
        updated = client.update(*ids, update_body("room", "7", {}), permit=free)
        laid_out = client.update_layout(*ids, layout_body("room", "7", {}), permit=free)
        stopped = client.stop(*ids, stop_body("room", "7", async_stop=True), permit=free)

    path = f"{PREFIX}/resourceid/{RESOURCE}/sid/{SID}/mode/mix"
    assert [request.line for request in server.requests] == [
        f"GET {path}/query HTTP/1.1",
        f"POST {path}/update HTTP/1.1",
        f"POST {path}/updateLayout HTTP/1.1",
        f"POST {path}/stop HTTP/1.1",
    ]
    assert server.requests[0].content == b""
    assert (observed, updated, laid_out) == (Observed(status=5), Updated(), Updated())
    assert stopped == Stopped(upload_status=UploadStatus.UPLOADED)


def test_one_connection_serves_many_calls() -> None:
    """Connections are pooled."""
    with serving(answer()) as server, client_of(server.url) as client:
        for _ in range(20):
            acquire(client)

    assert server.connection_count == 1


def test_a_connection_that_rested_long_is_opened_anew() -> None:
    """A firewall may have forgotten it, and a start into the void has an unknown outcome."""
    with serving(answer()) as server, client_of(server.url, idle_seconds=0.0) as client:
        acquire(client)
        start(client)

    assert [request.connection for request in server.requests] == [1, 2]


def test_a_connection_that_the_server_closed_is_not_used() -> None:
    """A start after the gateway's keep-alive ended goes out on a fresh connection."""
    dropped = threading.Event()

    def answer_and_close(sock: Any) -> None:
        then(answer(), hang_up)(sock)
        dropped.set()

    with serving(answer_and_close, answer()) as server, client_of(server.url) as client:
        acquire(client)
        dropped.wait(5)
        started = start(client)

    assert started == Started(sid=SID)
    assert server.connection_count == 2


def test_threads_share_a_client() -> None:
    """Sixteen threads, each with its own answers; no connection is shared at one time."""

    def echo(sock: Any) -> None:
        answer()(sock)

    results: list[Started] = []
    with serving(echo) as server, client_of(server.url) as client:
        threads = [
            threading.Thread(target=lambda: results.extend(start(client) for _ in range(10)))
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(results) == len(server.requests) == 160
    assert server.connection_count <= 16


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (400, {"code": 53, "reason": "task conflict"}, Remedy.OTHER_UID),
        (401, {"message": "Unauthorized"}, Remedy.CREDENTIALS),
        (429, {"message": "API rate limit exceeded"}, Remedy.SLOW_DOWN),
        (206, {"code": 65, "reason": "request not completed"}, Remedy.SAME_RESOURCE),
        (302, {}, Remedy.REFUSED),
    ],
)
def test_another_answer_is_an_error_with_its_remedy(
    status: int, body: dict[str, Any], remedy: Remedy
) -> None:
    """And is not repeated here: that is the recorder's business."""
    with (
        serving(answer(status, body)) as server,
        client_of(server.url) as client,
        pytest.raises(ServiceError) as error,
    ):
        start(client)

    assert (error.value.method, error.value.status, error.value.remedy) == (
        "start",
        status,
        remedy,
    )
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed() -> None:
    """Credentials and bucket keys do not go where an answer points."""
    with serving(answer()) as other:
        redirect = answer(307, {}, f"Location: {other.url}/v1")
        with (
            serving(redirect) as server,
            client_of(server.url) as client,
            pytest.raises(ServiceError),
        ):
            start(client)

    assert other.requests == []


def test_cookies_are_not_kept() -> None:
    """One caller's answer does not change another's request."""
    with (
        serving(answer(200, None, "Set-Cookie: a=b; Path=/")) as server,
        client_of(server.url) as client,
    ):
        acquire(client)
        acquire(client)

    assert "Cookie" not in server.requests[1].headers


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No .netrc replaces the credentials, no variable sends bucket keys through a proxy."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(answer()) as server, client_of(server.url) as client:
        acquire(client)

    pair = base64.b64encode(b"customer:hunter2-customer").decode()
    assert server.requests[0].headers["Authorization"] == f"Basic {pair}"


def test_a_permit_is_taken_before_every_request() -> None:
    """The quota counts requests, not calls: the repeat of a broken query takes another one."""
    seen: list[int] = []
    with (
        serving(hang_up, answer(200, SUCCESS | {"serverResponse": {}})) as server,
        client_of(server.url) as client,
    ):
        client.query(Mode.MIX, RESOURCE, SID, permit=lambda: seen.append(len(server.requests)))

    assert seen == [0, 1]


def test_a_permit_is_asked_for_when_the_connection_stands(tmp_path: Path) -> None:
    """Over a new connection, too, a request arrives as soon after its permit as it can."""
    certificate = make_certificate(tmp_path)
    held: list[int] = []
    alive = answer(200, SUCCESS | {"serverResponse": {}})
    with (
        serving(alive, tls=certificate.server_context()) as server,
        client_of(server.url, ca_file=str(certificate.certificate)) as client,
    ):
        for _ in range(2):
            client.query(
                Mode.MIX, RESOURCE, SID, permit=lambda: held.append(server.connection_count)
            )

    assert held == [1, 1]
    assert [one.connection for one in server.requests] == [1, 1]


def test_a_connection_that_is_closed_during_the_wait_is_opened_anew() -> None:
    """Nothing is sent into it: a start's outcome would be unknown."""
    body = stop_body("room", "7", async_stop=True)

    asked: list[int] = []

    def wait() -> None:
        asked.append(len(asked))
        if len(asked) == 1:
            for sock in server.open:
                sock.shutdown(socket.SHUT_RDWR)

    with serving(answer()) as server, client_of(server.url) as client:
        client.stop(Mode.MIX, RESOURCE, SID, body, permit=free)
        client.stop(Mode.MIX, RESOURCE, SID, body, permit=wait)

    assert [one.connection for one in server.requests] == [1, 2]
    assert asked == [0, 1]  # once more when the new one stands: to connect took time


def test_a_repeat_asks_for_its_permit_when_its_connection_stands(tmp_path: Path) -> None:
    """To connect takes round trips: it would reach Agora later than its slot."""
    certificate = make_certificate(tmp_path)
    ca_file = str(certificate.certificate)
    held: list[int] = []
    alive = answer(200, SUCCESS | {"serverResponse": {}})
    with (
        serving(hang_up, alive, tls=certificate.server_context()) as server,
        client_of(server.url, ca_file=ca_file) as broken,
        client_of(NO_NAME, server.url, ca_file=ca_file) as moved,
    ):
        for client in (broken, moved):
            client.query(
                Mode.MIX, RESOURCE, SID, permit=lambda: held.append(server.connection_count)
            )

    connections = [one.connection for one in server.requests]
    assert connections == [1, 2, 3]
    assert held[:2] == connections[:2]
    assert held[-1] == connections[-1]


def test_a_permit_may_forbid() -> None:
    """What it raises passes through, and nothing is sent."""

    class TooLateError(Exception):
        """The permit's own."""

    def forbid() -> None:
        raise TooLateError

    with serving(answer()) as server, client_of(server.url) as client, pytest.raises(TooLateError):
        client.query(Mode.MIX, RESOURCE, SID, permit=forbid)

    assert server.requests == []


def test_a_compressed_answer_is_read() -> None:
    """Some proxies compress what nobody asked them to."""
    content = gzip.compress(b'{"resourceId":"R"}')
    with (
        serving(answer(200, None, "Content-Encoding: gzip", content=content)) as server,
        client_of(server.url) as client,
    ):
        acquired = acquire(client)

    assert acquired == Acquired(resource_id="R")


def test_an_answer_without_end_is_cut_at_4_mib() -> None:
    """Compressed or not; the outcome is then unknown."""
    blank = b" " * (5 * 1024 * 1024)
    for act in (
        answer(content=blank),
        answer(200, None, "Content-Encoding: gzip", content=gzip.compress(blank)),
    ):
        with (
            serving(act) as server,
            client_of(server.url) as client,
            pytest.raises(OutcomeUnknownError, match="too large"),
        ):
            start(client)


def test_the_secret_of_a_request_is_blotted_out_of_an_answer() -> None:
    """Agora may repeat what it was sent."""
    reason = {"code": 2, "reason": "bad accessKey hunter2-a, token hunter2-token"}
    with (
        serving(answer(400, reason)) as server,
        client_of(server.url) as client,
        pytest.raises(ServiceError) as error,
    ):
        start(client)

    assert error.value.reason == "bad accessKey ***, token ***"


def test_requests_are_logged_without_bodies(caplog: pytest.LogCaptureFixture) -> None:
    """With Agora's request id, at debug, and no secret in any field."""
    with (
        serving(answer(200, None, "X-Request-Id: req-1")) as server,
        caplog.at_level(logging.DEBUG),
        client_of(server.url) as client,
    ):
        start(client)

    (record,) = [one for one in caplog.records if one.message == "request.answered"]
    assert (vars(record)["request_id"], vars(record)["status"]) == ("req-1", 200)
    for one in caplog.records:
        assert "hunter2" not in str(vars(one)) + one.getMessage()


def test_nothing_shows_the_secret() -> None:
    """Neither the credentials nor the client."""
    with serving(answer()) as server, client_of(server.url) as client:
        texts = (repr(CREDENTIALS), str(CREDENTIALS), repr(client), str(vars(client)))

    pair = base64.b64encode(b"customer:hunter2-customer").decode()
    for text in texts:
        assert "hunter2" not in text
        assert pair not in text


@pytest.mark.parametrize(
    "urls", [(), ("http://api.agora.io",), ("https://api.agora.io", "ftp://x"), ("nonsense",)]
)
def test_bad_addresses_are_refused_at_once(urls: tuple[str, ...]) -> None:
    """Plain http reaches no network."""
    with pytest.raises(ConfigurationError):
        client_of(*urls)


def test_every_bad_address_is_told() -> None:
    """All of them, and the App ID."""
    credentials = Credentials(app_id="a/b", customer_id="c", customer_secret=SecretStr("s"))
    with pytest.raises(ConfigurationError) as error:
        Client(credentials, base_urls=["http://a.example"], neighbours=["http://b.example"])

    assert len(error.value.faults) == 3


def test_a_forked_process_opens_its_own_connections() -> None:
    """Two processes on one connection would read each other's answers."""
    with serving(answer()) as server, client_of(server.url) as client:
        acquire(client)
        child = os.fork()
        if child == 0:
            try:
                acquire(client)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        acquire(client)

    assert sorted(request.connection for request in server.requests) == [1, 1, 2]


def test_a_stop_may_take_longer_than_the_others() -> None:
    """Agora waits for the upload, up to 20 s."""
    timeouts = Timeouts(read=0.1, stop_read=5.0, total=0.1, stop_total=5.0)
    waited = threading.Event()

    def slow(sock: Any) -> None:
        waited.wait(0.4)
        answer()(sock)

    body = stop_body("room", "7", async_stop=False)
    with serving(slow) as server, client_of(server.url, timeouts=timeouts) as client:
        assert client.stop(Mode.MIX, RESOURCE, SID, body, permit=free) == Stopped()
        with pytest.raises(OutcomeUnknownError):
            start(client)


def test_a_silent_server_is_given_up() -> None:
    """After the read timeout, once: a start that timed out may run."""
    with (
        serving(silent) as server,
        client_of(server.url, timeouts=Timeouts(read=0.1)) as client,
        pytest.raises(OutcomeUnknownError, match=r"no byte for 0\.1 s"),
    ):
        start(client)

    assert len(server.requests) == 1
