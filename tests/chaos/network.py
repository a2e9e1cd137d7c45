"""The network between the workers and the remote side: it drops, delays, repeats and keeps silent.

It is an HTTP proxy of its own threads.  What came out of the workers, when, and what they were
told, is in its log; it is where our own calls are counted, before anything repeats or delays them.
"""

from __future__ import annotations

import http.client
import json
import random
import select
import socket
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from .plan import Kind

_SILENCE_SECONDS = 15.0
_DELAYS = (0.2, 3.0)  # the longest are beyond the caller's patience
_DROPPED = frozenset({Kind.NET_REFUSES, Kind.NET_SILENT})  # nothing is carried


@dataclass(slots=True, kw_only=True)
class Carried:
    """One request of a worker.

    Attributes:
        cname: The channel, where the body names one.
        port: The worker's end of the connection.
        effect: What befell it.
        sid: What an answer to a start said.
        was_delivered: Whether the answer was written to a caller that still listened.
        was_abandoned: Whether the caller had gone when the answer came.
        is_followed: Whether the caller used the connection again: it had taken the answer in.
        left_at: When the caller closed the connection after this, its last request on it.
    """

    at: float
    method: str
    path: str
    cname: str
    port: int
    effect: Kind | None = None
    ended_at: float | None = None
    status: int | None = None
    sid: str | None = None
    was_delivered: bool = False
    was_abandoned: bool = False
    is_followed: bool = False
    left_at: float | None = None


class Network:
    """Carries requests to one place, well or badly; safe to use from many threads."""

    def __init__(self, target: str, seed: int) -> None:
        self._target = urlsplit(target)
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._weather: tuple[Kind, float] | None = None  # what, and for which share of requests
        self.log: list[Carried] = []
        self._server = _Server(("127.0.0.1", 0), self._handler(), False)
        self._server.request_queue_size = 256
        self._server.daemon_threads = True
        self._server.server_bind()
        self._server.server_activate()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def turn(self, kind: Kind | None, share: float = 0.7) -> None:
        """From now on, this befalls a share of the requests; None lets all pass."""
        with self._lock:
            self._weather = None if kind is None else (kind, share)

    def under_way(self) -> list[Carried]:
        """The requests whose callers wait at this moment."""
        with self._lock:
            return [one for one in self.log if one.ended_at is None]

    def open(self, carried: Carried) -> tuple[Kind | None, float]:
        """Log a request, and decide what befalls it, and how long a delay of it would be."""
        with self._lock:
            self.log.append(carried)
            weather, chance = self._weather, self._rng.random()
            delay = self._rng.uniform(*_DELAYS)
            if weather is not None and chance < weather[1]:
                carried.effect = weather[0]
            return carried.effect, delay

    def forward(self, verb: str, path: str, headers: dict[str, str], body: bytes) -> _Reply:
        """Carry one request; raises OSError or HTTPException where no answer came."""
        host, port = self._target.hostname, self._target.port
        assert host is not None
        connection = http.client.HTTPConnection(host, port, timeout=60)
        try:
            connection.request(verb, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            return _Reply(status=answer.status, headers=answer.getheaders(), body=answer.read())
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("_OfNetwork", (_Handler,), {"network": self})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a caller that was killed resets its connections."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of a worker."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    network: Network
    last: Carried | None = None

    def handle(self) -> None:
        """Serve a connection, and note when its caller left it."""
        super().handle()
        if self.last is not None:
            self.last.left_at = time.time()

    def do_GET(self) -> None:
        self._carry()

    def do_POST(self) -> None:
        self._carry()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the network has a log of its own."""

    def _carry(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        carried = Carried(
            at=time.time(),
            method=self.path.rpartition("/")[2],
            path=self.path,
            cname=_cname(body),
            port=self.client_address[1],
        )
        if self.last is not None:
            self.last.is_followed = True
        self.last = carried
        effect, delay = self.network.open(carried)
        try:
            reply = None if effect in _DROPPED else self._forwarded(body, effect)
        except (OSError, http.client.HTTPException):
            reply = None  # the remote side dropped it
        if effect is Kind.NET_SILENT:
            self._wait_until_left(_SILENCE_SECONDS)
        elif effect is Kind.NET_DELAYS:
            self._wait_until_left(delay)
        self._answer(carried, None if effect is Kind.NET_LOSES else reply)

    def _forwarded(self, body: bytes, effect: Kind | None) -> _Reply:
        kept = {"Authorization", "Content-Type", "Accept", "User-Agent"}
        headers = {name: value for name, value in self.headers.items() if name.title() in kept}
        reply = self.network.forward(self.command, self.path, headers, body)
        if effect is not Kind.NET_REPEATS:
            return reply
        again = self.network.forward(self.command, self.path, headers, body)
        # Who repeats hands on what was carried out: that the repetition was refused tells nothing.
        return reply if reply.status < HTTPStatus.BAD_REQUEST <= again.status else again

    def _answer(self, carried: Carried, reply: _Reply | None) -> None:
        """Hand the answer over, or end the connection without one."""
        carried.was_abandoned = self._has_left()
        carried.status = None if reply is None else reply.status
        if reply is None:
            self.close_connection = True
            self._shut()
        else:
            carried.was_delivered = self._written(reply) and not carried.was_abandoned
            carried.sid = _sid(reply.body)
        carried.ended_at = time.time()

    def _written(self, reply: _Reply) -> bool:
        try:
            self.send_response_only(reply.status)
            for name, value in reply.headers:
                if name.title() in {"Content-Type", "X-Request-Id"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
        except OSError:
            self.close_connection = True
            return False
        return True

    def _has_left(self) -> bool:
        """Whether the caller has closed its end, or died."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        if not readable:
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _wait_until_left(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._has_left():
            time.sleep(0.05)

    def _shut(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            self.close_connection = True


def _cname(body: bytes) -> str:
    return str(_parsed(body).get("cname", ""))


def _sid(body: bytes) -> str | None:
    sid = _parsed(body).get("sid")
    return sid if isinstance(sid, str) and sid else None


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
