"""No answer: what was surely not sent, what may have been, and where to turn next."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from client_calls import (
    NO_NAME,
    QUICK,
    acquire,
    client_of,
    failure_of,
    query,
    start,
    stop,
)
from client_servers import (
    RESOURCE,
    SID,
    SUCCESS,
    Act,
    Certificate,
    answer,
    closed_port,
    drip,
    hang_up,
    make_certificate,
    reset,
    send,
    serving,
    silent,
    then,
)

from recording_tasks.client import Client, Retries, Timeouts
from recording_tasks.client.deadlines import Watchdog
from recording_tasks.client.hosts import Hosts
from recording_tasks.errors import NotSentError, OutcomeUnknownError
from recording_tasks.models import Mode
from recording_tasks.wire import acquire_body


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that only those trust who are told."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN: dict[str, Act] = {
    "closed": hang_up,
    "reset": reset,
    "cut in the headers": then(send(HEAD), hang_up),
    "cut in the body": then(send(HEAD + b"Content-Length: 50\r\n\r\n{"), hang_up),
    "cut in a chunk": then(send(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"), hang_up),
    "no HTTP": send(b"220 ready for mail\r\n\r\n"),
    "a bad chunk": send(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
    "bad gzip": send(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"),
    "endless header": then(send(HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n"), hang_up),
}


@pytest.mark.parametrize("act", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("call", [start, stop])
def test_a_broken_start_or_stop_is_unknown_and_not_repeated(
    act: Act, call: Callable[[Client], Any]
) -> None:
    """It may have been carried out; when to repeat it is the recorder's decision."""
    with serving(act) as server, client_of(server.url) as client:
        error = failure_of(call, client)

    assert isinstance(error, OutcomeUnknownError)
    assert len(server.requests) == 1


@pytest.mark.parametrize("act", [hang_up, reset], ids=["closed", "reset"])
def test_a_broken_acquire_or_query_is_repeated_once_at_once(act: Act) -> None:
    """Both change nothing, so the second try costs only its permit."""
    alive = answer(200, SUCCESS | {"serverResponse": {"status": 5}})
    for call in (acquire, query):
        with serving(act, alive) as server, client_of(server.url) as client:
            call(client)
            assert len(server.requests) == 2
        with serving(act) as server, client_of(server.url) as client:
            assert isinstance(failure_of(call, client), OutcomeUnknownError)
            assert len(server.requests) == 2


DRIPS: dict[str, bytes] = {
    "status line": b"HTTP/1.1 2",
    "headers": HEAD + b"X-Long: ",
    "body": HEAD + b"Content-Length: 99999\r\n\r\n",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n",
    "body until the end": HEAD + b"Connection: close\r\n\r\n",
}


@pytest.mark.parametrize("head", DRIPS.values(), ids=DRIPS.keys())
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_a_server_that_drips_is_cut_at_the_total_deadline(
    head: bytes, is_tls: bool, certificate: Certificate
) -> None:
    """The read timeout counts from byte to byte, and would wait for ever."""
    tls = certificate.server_context() if is_tls else None
    ca_file = str(certificate.certificate)
    with (
        serving(drip(head), tls=tls) as server,
        client_of(server.url, timeouts=QUICK, ca_file=ca_file) as client,
    ):
        began_at = time.monotonic()
        error = failure_of(start, client)
        took = time.monotonic() - began_at

    assert isinstance(error, OutcomeUnknownError)
    assert "no complete answer within 0.3 s" in str(error)
    assert took < 5.0


def test_a_handshake_that_hangs_is_cut_and_nothing_was_sent() -> None:
    """A server that accepts and never speaks TLS got no request."""
    with serving(silent) as server:
        url = server.url.replace("http://", "https://")
        with client_of(url, timeouts=Timeouts(connect=5.0, total=0.2)) as client:
            error = failure_of(start, client)

    assert isinstance(error, NotSentError)
    assert "no connection within" in str(error)


def test_a_refused_connection_was_not_sent() -> None:
    """Twice on the only host, then given up."""
    port = closed_port()
    permits: list[int] = []
    with client_of(f"http://127.0.0.1:{port}") as client, pytest.raises(NotSentError) as error:
        client.query(Mode.MIX, RESOURCE, SID, permit=lambda: permits.append(1))

    assert str(error.value) == f"query: 127.0.0.1:{port}: connection refused"
    assert len(permits) == 1  # the first try found no connection to ask for one


def test_a_name_that_cannot_be_resolved_was_not_sent() -> None:
    """And says so."""
    with client_of(NO_NAME) as client:
        error = failure_of(stop, client)

    assert isinstance(error, NotSentError)
    assert "its name cannot be resolved" in str(error)


@pytest.mark.parametrize("call", [acquire, start, query, stop])
def test_the_next_host_answers_when_the_first_is_away(call: Callable[[Client], Any]) -> None:
    """Any method: nothing was sent, so repeating elsewhere is safe."""
    alive = answer(200, SUCCESS | {"serverResponse": {"status": 5}})
    with (
        serving(alive) as server,
        client_of(f"http://127.0.0.1:{closed_port()}", server.url) as client,
    ):
        call(client)

    assert len(server.requests) == 1


def test_a_working_host_is_kept_for_a_while() -> None:
    """Then the primary host is tried again."""
    now = [0.0]
    with (
        serving(answer()) as other,
        serving(answer()) as primary,
        client_of(NO_NAME, other.url, clock=lambda: now[0]) as client,
    ):
        acquire(client)
        now[0] = 299.0
        permits: list[int] = []
        body = acquire_body("room", "7", Mode.MIX, {})
        client.acquire(body, permit=lambda: permits.append(1))
        now[0] = 301.0
        client.acquire(body, permit=lambda: permits.append(2))

    assert permits == [1, 2, 2, 2]  # after two waits, and when the other's connection stands
    assert primary.requests == []


def test_the_order_of_hosts_is_agoras() -> None:
    """Same host, other top-level host, neighbours; a network fault goes to neighbours first."""
    hosts = Hosts(["https://a", "https://b", "https://api-eu-west-1.agora.io"], ["https://n"], 300)

    def route(*, is_unresolved: bool) -> list[str]:
        tried = [hosts.first(0.0)]
        while (url := hosts.after(tried, is_unresolved=is_unresolved)) is not None:
            tried.append(url)
        return tried

    regional = "https://api-eu-west-1.agora.io"
    assert route(is_unresolved=True) == [
        "https://a",
        "https://a",
        "https://b",
        regional,
        "https://n",
    ]
    assert route(is_unresolved=False) == [
        "https://a",
        "https://a",
        regional,
        "https://n",
        "https://b",
    ]


def test_two_silences_in_a_row_move_on() -> None:
    """A host that takes requests and never answers is left, and returned to later."""
    hosts = Hosts(["https://a", "https://b"], [], 300)

    assert hosts.note_silence("https://a", 0.0) is None
    assert hosts.note_silence("https://a", 1.0) == "https://b"
    assert hosts.first(2.0) == "https://b"
    assert hosts.first(302.0) == "https://a"


def test_an_answer_between_two_silences_forgives() -> None:
    """One slow call is no reason to leave."""
    hosts = Hosts(["https://a", "https://b"], [], 300)
    hosts.note_silence("https://a", 0.0)
    hosts.note_success("https://a", 1.0)

    assert hosts.note_silence("https://a", 2.0) is None
    assert hosts.first(3.0) == "https://a"


def test_the_waits_between_hosts_are_1_3_and_6_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agora's back-off, scaled here to hundredths."""
    stamps: list[float] = []
    ports = [closed_port() for _ in range(4)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    look_up = socket.getaddrinfo

    def stamped(*arguments: Any) -> Any:
        stamps.append(time.monotonic())
        return look_up(*arguments)

    monkeypatch.setattr(socket, "getaddrinfo", stamped)
    with client_of(*urls, retries=Retries(scale=0.02)) as client:
        assert isinstance(failure_of(query, client), NotSentError)

    gaps = [after - before for before, after in itertools.pairwise(stamps)]
    assert len(stamps) == 4
    assert all(gap >= wait for gap, wait in zip(gaps, (0.02, 0.06, 0.12), strict=True))
    assert sum(gaps) < 2.0


def test_the_watchdog_cuts_only_what_is_late() -> None:
    """Exchanges that ended in time are left alone, and one thread serves all."""
    watchdog = Watchdog()
    before = threading.active_count()
    with watchdog.exchange(10.0) as long:
        with watchdog.exchange(10.0) as done:
            pass
        with watchdog.exchange(0.01) as short:
            for _ in range(200):
                if short.was_cut:
                    break
                time.sleep(0.01)
        count = threading.active_count()
    watchdog.close()

    assert (short.was_cut, long.was_cut, done.was_cut) == (True, False, False)
    assert count <= before + 1


def test_a_thread_of_deadlines_starts_with_the_first_request_only() -> None:
    """A client that is never used costs no thread."""
    names = {thread.name for thread in threading.enumerate()}
    with client_of("https://api.agora.io"):
        assert {thread.name for thread in threading.enumerate()} <= names
