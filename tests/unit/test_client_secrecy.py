"""Whom the client trusts, and that no error, proxy or log learns what it carries."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from client_calls import (
    NO_NAME,
    QUICK,
    STORAGE,
    acquire,
    client_of,
    failure_of,
    free,
    start,
)
from client_servers import (
    RESOURCE,
    Act,
    Certificate,
    answer,
    closed_port,
    hang_up,
    make_certificate,
    reset,
    serving,
    silent,
)
from pydantic import SecretStr

from recording_tasks.client import Timeouts
from recording_tasks.errors import NotSentError, RecordingError
from recording_tasks.models import Mode
from recording_tasks.wire import start_body


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that only those trust who are told."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_tls_is_verified(certificate: Certificate) -> None:
    """An unknown authority gets no request, and no credentials."""
    with (
        serving(answer(), tls=certificate.server_context()) as server,
        client_of(server.url) as client,
    ):
        error = failure_of(start, client)

    assert isinstance(error, NotSentError)
    assert "TLS: self-signed certificate" in str(error).replace("self signed", "self-signed")
    assert server.requests == []


def test_a_named_authority_is_trusted(certificate: Certificate) -> None:
    """For networks that terminate TLS with a certificate of their own."""
    with (
        serving(answer(), tls=certificate.server_context()) as server,
        client_of(server.url, ca_file=str(certificate.certificate)) as client,
    ):
        acquire(client)
        start(client)

    assert [request.connection for request in server.requests] == [1, 1]


def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    """Also when its authority is trusted."""
    other = make_certificate(tmp_path, "DNS:api.agora.io")
    with (
        serving(answer(), tls=other.server_context()) as server,
        client_of(server.url, ca_file=str(other.certificate)) as client,
    ):
        error = failure_of(start, client)

    assert isinstance(error, NotSentError)
    assert "TLS: " in str(error)
    assert server.requests == []


def test_the_environment_cannot_change_whom_we_trust(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables that requests would obey are not read."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificate.certificate))
    with (
        serving(answer(), tls=certificate.server_context()) as server,
        client_of(server.url) as client,
    ):
        assert isinstance(failure_of(start, client), NotSentError)


def _tunnel(target: int) -> Act:
    """Be an HTTP proxy: take CONNECT, and carry bytes both ways."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def act(sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", target)) as inner:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=pump, args=(inner, sock), daemon=True).start()
            pump(sock, inner)

    return act


def test_a_proxy_carries_tls_and_sees_no_request(certificate: Certificate) -> None:
    """It gets CONNECT and its own password; the credentials go through inside TLS."""
    with (
        serving(answer(), tls=certificate.server_context()) as server,
        serving(_tunnel(server.port)) as proxy,
    ):
        address = SecretStr(proxy.url.replace("http://", "http://me:hunter2-proxy@"))
        ca_file = str(certificate.certificate)
        with client_of(server.url, ca_file=ca_file, proxy=address) as client:
            start(client)

    assert proxy.requests[0].line.startswith(f"CONNECT 127.0.0.1:{server.port} ")
    assert "Proxy-Authorization" in proxy.requests[0].headers
    assert "hunter2" not in str(vars(client))
    assert "Proxy-Authorization" not in server.requests[0].headers


@pytest.mark.parametrize("act", [answer(407, {}), hang_up, silent], ids=["407", "closed", "silent"])
def test_a_proxy_that_refuses_got_no_request(act: Act, certificate: Certificate) -> None:
    """CONNECT was sent, and nothing of ours."""
    with serving(act) as proxy:
        address = SecretStr(proxy.url.replace("http://", "http://me:hunter2-proxy@"))
        timeouts = Timeouts(connect=0.2, total=2.0)
        with client_of("https://127.0.0.1:1", proxy=address, timeouts=timeouts) as client:
            error = failure_of(start, client)

    assert isinstance(error, NotSentError)
    assert "hunter2" not in str(error)


def _leaks(error: BaseException) -> str:
    """Everything that an error reporter could print of an error."""
    texts = [str(error), repr(error), "".join(traceback.format_exception(error))]
    frame = error.__traceback__.tb_next if error.__traceback__ else None  # the first is the test's
    while frame is not None:
        texts.append(repr(frame.tb_frame.f_locals))
        frame = frame.tb_next
    return "\n".join(texts)


@pytest.mark.parametrize(
    "act",
    [hang_up, reset, silent, answer(400, {"code": 2, "reason": "x"}), answer(content=b"<html>")],
    ids=["closed", "reset", "silent", "refused", "html"],
)
def test_no_error_carries_the_request(act: Act) -> None:
    """No cause, no context, no frame of ours shows a key, a token or the credentials."""
    with serving(act) as server, client_of(server.url, timeouts=QUICK) as client:
        body = start_body("room", "7", Mode.MIX, {}, storage=STORAGE, token="hunter2-token")
        with pytest.raises(RecordingError) as caught:
            client.start(Mode.MIX, RESOURCE, body, permit=free)

    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "hunter2" not in _leaks(error)
    assert "Y3VzdG9tZXI6" not in _leaks(error)  # the beginning of the Basic pair


def test_an_error_after_hosts_were_changed_carries_nothing_either() -> None:
    """The same when all hosts were away."""
    with client_of(NO_NAME, f"http://127.0.0.1:{closed_port()}") as client:
        error = failure_of(start, client)

    assert (error.__cause__, error.__context__) == (None, None)
    assert "hunter2" not in _leaks(error)


def test_the_tls_context_cannot_be_weakened() -> None:
    """requests' own switch for it is ignored."""
    client = client_of("https://api.agora.io")
    session = client._transport._session
    session.verify = False
    adapter: Any = session.get_adapter("https://api.agora.io")

    assert adapter._tls.verify_mode is ssl.CERT_REQUIRED
    assert adapter._tls.check_hostname
