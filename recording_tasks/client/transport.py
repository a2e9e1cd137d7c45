"""How one HTTP request is carried over requests, and what became of it when no answer came."""

from __future__ import annotations

import errno
import functools
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError

from recording_tasks.client.deadlines import Exchange, Watchdog

_FRAMES = ("Content-Length", "Transfer-Encoding")  # without them, the end of an answer is a guess
MAX_ANSWER_BYTES = 4 * 1024 * 1024

_current = threading.local()  # the exchange of this thread, for the sockets far below


class Silence(StrEnum):
    """Why no answer came; the first two mean that nothing was sent."""

    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    TIMED_OUT = "timed_out"
    UNREADABLE = "unreadable"

    @property
    def was_sent(self) -> bool:
        """Whether the request may have reached the service."""
        return self not in {Silence.UNRESOLVED, Silence.UNREACHABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """No answer: why, and in words that hold no URL and no secret."""

    silence: Silence
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that was read to its end."""

    status: int
    content: bytes = field(repr=False)
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds that one request may take: to connect, from byte to byte, and in all."""

    connect: float
    read: float
    total: float


class Transport:
    """Carry requests over pooled connections; safe to share between threads.

    Nothing of the environment takes part: no .netrc, no proxy variables, no CA variables, no
    cookies; redirects are answers like others. There is no way to turn verification off.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str],
        pool_size: int,
        idle_seconds: float,
        ca_file: str | None,
        proxy: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._headers = dict(headers)
        self._watchdog = Watchdog(clock)
        self._proxies = {"https": proxy} if proxy else {}  # plain http only goes to this machine
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = _Adapter(_tls_context(ca_file), idle_seconds, pool_maxsize=pool_size)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)

    def send(
        self,
        verb: str,
        url: str,
        body: bytes | None,
        limits: Limits,
        permit: Callable[[], None] | None,
    ) -> Reply | Fault:
        """Send one request and read the answer; never raises for the network.

        Args:
            permit: Called when the connection stands, so that the request arrives as soon after
                its permit over a new connection as over an old one; what it raises passes through.
        """
        request = self._prepared(verb, url, body)
        host = _host_of(request)
        with self._watchdog.exchange(limits.total) as exchange:
            exchange.permit = permit
            _current.exchange = exchange
            failure: Exception | None = None
            try:
                reply = self._carried(request, limits)
            except (requests.RequestException, HTTPError, OSError, EOFError, ValueError) as error:
                failure = error
            finally:
                _current.exchange = None
        if exchange.forbidden is not None:
            raise exchange.forbidden
        if exchange.was_cut or failure is not None:
            fault = _fault(exchange, failure, limits)
            return Fault(silence=fault.silence, reason=f"{host}: {fault.reason}")
        return reply or Fault(silence=Silence.UNREADABLE, reason=f"{host}: the answer is too large")

    def close(self) -> None:
        """Close every pooled connection."""
        self._session.close()
        self._watchdog.close()

    def _prepared(self, verb: str, url: str, body: bytes | None) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        request.prepare(method=verb, url=url, headers=self._headers, data=body)
        return request

    def _carried(self, request: requests.PreparedRequest, limits: Limits) -> Reply | None:
        response = self._session.send(
            request,
            stream=True,  # so that the answer's size can be bounded
            allow_redirects=False,
            timeout=(limits.connect, limits.read),
            proxies=self._proxies,
            verify=True,
        )
        content = response.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)
        if len(content) > MAX_ANSWER_BYTES:
            response.close()
            return None
        response.raw.drain_conn()
        if not content and not any(name in response.headers for name in _FRAMES):
            raise EOFError("the headers may have been cut off")
        return Reply(
            status=response.status_code,
            content=content,
            request_id=response.headers.get("X-Request-Id"),
        )


def _host_of(request: requests.PreparedRequest) -> str:
    return (request.url or "").split("/", 3)[2]


def _fault(exchange: Exchange, failure: Exception | None, limits: Limits) -> Fault:
    if not exchange.was_sent:
        if exchange.is_unresolved:
            return Fault(silence=Silence.UNRESOLVED, reason="its name cannot be resolved")
        return Fault(
            silence=Silence.UNREACHABLE, reason=_why_unreachable(exchange, failure, limits)
        )
    if exchange.was_cut:
        reason = f"no complete answer within {limits.total:g} s"
        return Fault(silence=Silence.TIMED_OUT, reason=reason)
    chain = list(_chain(failure))
    if any(isinstance(one, TimeoutError | ReadTimeoutError) for one in chain):
        return Fault(silence=Silence.TIMED_OUT, reason=f"no byte for {limits.read:g} s")
    return Fault(silence=Silence.BROKEN, reason="the connection broke before the answer's end")


def _why_unreachable(exchange: Exchange, failure: Exception | None, limits: Limits) -> str:
    if exchange.was_cut:
        return f"no connection within {limits.total:g} s"
    for one in _chain(failure):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"TLS: {one.verify_message}"
        if isinstance(one, ssl.SSLError):
            return f"TLS: {(one.reason or 'handshake failed').replace('_', ' ').lower()}"
        if isinstance(one, TimeoutError) or getattr(one, "errno", None) == errno.ETIMEDOUT:
            return f"no connection within {limits.connect:g} s"
        if isinstance(one, OSError) and isinstance(one.errno, int) and one.errno > 0:
            return os.strerror(one.errno).lower()
    return "no connection"


def _chain(failure: BaseException | None) -> Iterator[BaseException]:
    """Walk from an error to its origin, the way urllib3 and requests wrap it."""
    pending, seen = [failure], set()
    while pending:
        error = pending.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        inner = (error.__context__, error.__cause__, getattr(error, "reason", None), *error.args)
        pending.extend(one for one in inner if isinstance(one, BaseException))


def _exchange() -> Exchange | None:
    return getattr(_current, "exchange", None)


class _TlsSocket(ssl.SSLSocket):
    """A TLS socket whose handshake is under the deadline, too."""

    def do_handshake(self, block: bool = False) -> None:
        if (exchange := _exchange()) is not None:
            exchange.watch(self)
        super().do_handshake(block)


class _Watched(HTTPConnection):
    """Tell the exchange of this thread which socket it waits on, and whether it was sent.

    A connection that rested for long is opened anew: the gateway or a firewall may have
    dropped it, and a request that is sent into the void has an unknown outcome.
    """

    idle_seconds: ClassVar[float] = 0.0
    _rested_at = 0.0
    _has_answered = False  # before it has, there may be bytes of the TLS handshake to read

    def _new_conn(self) -> Any:
        exchange = _exchange()
        try:
            sock = super()._new_conn()
        except NameResolutionError:
            if exchange is not None:
                exchange.is_unresolved = True
            raise
        if exchange is not None:
            exchange.watch(sock)
        return sock

    def connect(self) -> None:
        exchange = _exchange()
        self._has_answered = False
        try:
            super().connect()
            self._rested_at = time.monotonic()
        finally:
            if exchange is not None:
                exchange.was_sent = False  # what went out so far was for the proxy

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None and time.monotonic() - self._rested_at > self.idle_seconds:
            self.close()
        if self.sock is None:
            self.connect()
        if (exchange := _exchange()) is not None:
            exchange.await_permit()
            if self._has_answered and not self.is_connected:  # closed by Agora's side meanwhile
                self.close()
                self.connect()
                exchange.await_permit()  # to connect took time: it would leave late
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if (exchange := _exchange()) is not None:
            exchange.was_sent = True
            exchange.watch(self.sock)
        super().send(data)

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._rested_at, self._has_answered = time.monotonic(), True
        return response


class _WatchedTls(_Watched, HTTPSConnection):
    """The same over TLS."""


class _Adapter(HTTPAdapter):
    """Pools of watched connections under one TLS context that always verifies."""

    def __init__(self, tls: ssl.SSLContext, idle_seconds: float, *, pool_maxsize: int) -> None:
        self._tls = tls
        own = {"idle_seconds": idle_seconds}
        plain_pool = type("_PlainPool", (HTTPConnectionPool,), {})
        plain_pool.ConnectionCls = type("_Plain", (_Watched,), own)  # type: ignore[attr-defined]
        tls_pool = type("_TlsPool", (HTTPSConnectionPool,), {})
        tls_pool.ConnectionCls = type("_Tls", (_WatchedTls,), own)  # type: ignore[attr-defined]
        self._pools = {"http": plain_pool, "https": tls_pool}
        super().__init__(pool_maxsize=pool_maxsize)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: Any,  # noqa: ARG002 - it is not asked: the TLS context verifies
        cert: Any = None,
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, True, cert)
        return host, {"ssl_context": self._tls} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the pool as it is: its TLS context verifies, whatever is asked here."""


@functools.lru_cache(maxsize=8)  # reading the bundle costs some 20 ms, and Apps share it
def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.sslsocket_class = _TlsSocket
    return context
