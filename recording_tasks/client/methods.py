"""Agora's six methods as calls of one App, repeated where repeating is safe and short."""

from __future__ import annotations

import base64
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_result

from recording_tasks.client.hosts import Hosts
from recording_tasks.client.transport import Fault, Limits, Reply, Silence, Transport
from recording_tasks.errors import (
    ConfigurationError,
    NotSentError,
    OutcomeUnknownError,
    TransportError,
)
from recording_tasks.models import Acquired, Mode, Observed, Started, Stopped, Updated
from recording_tasks.wire import (
    Body,
    Method,
    check_app_id,
    check_base_url,
    path_of,
    read_answer,
)

log = logging.getLogger(__name__)

Permit = Callable[[], None]
Answer = Acquired | Started | Observed | Updated | Stopped

_REPEATED_AT_ONCE = frozenset({Method.ACQUIRE, Method.QUERY})
_JSON = "application/json;charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who calls: the App, and the account's REST credentials that belong to it."""

    app_id: str
    customer_id: str
    customer_secret: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for one HTTP request; a synchronous stop takes up to 20 s on Agora's side.

    Attributes:
        connect: For the TCP connection, and again for each step of the TLS handshake.
        read: From byte to byte.
        total: For everything of one request but the resolver, which cannot be interrupted.
    """

    connect: float = 5.0
    read: float = 15.0
    stop_read: float = 30.0
    total: float = 20.0
    stop_total: float = 40.0

    def limits(self, method: Method) -> Limits:
        """Say what one request of a method may take."""
        if method is Method.STOP:
            return Limits(connect=self.connect, read=self.stop_read, total=self.stop_total)
        return Limits(connect=self.connect, read=self.read, total=self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How a request that could not be sent goes from host to host.

    Attributes:
        waits: Seconds before the second, third and fourth try.
        hold_seconds: How long a host that worked is preferred before the primary is tried again.
        scale: What the waits are multiplied with.
    """

    waits: tuple[float, ...] = (1.0, 3.0, 6.0)
    hold_seconds: float = 300.0
    scale: float = 1.0


class Client:
    """Agora's six methods for one App; one client serves any number of threads.

    Every method raises ServiceError for an answer that is not a success, NotSentError when
    nothing left this machine, and OutcomeUnknownError when the request may have been carried
    out. What ``permit`` raises passes through; it is called before every HTTP request, before the
    first one of a call when its connection stands.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_urls: Sequence[str],
        neighbours: Sequence[str] = (),
        timeouts: Timeouts = Timeouts(),
        retries: Retries = Retries(),
        pool_size: int = 32,
        idle_seconds: float = 30.0,
        ca_file: str | None = None,
        proxy: SecretStr | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Check the addresses; nothing is sent yet.

        Args:
            credentials: Whose calls these are.
            base_urls: The hosts, the primary first.
            neighbours: Hosts of adjacent regions, the last resort.
            timeouts: For each HTTP request.
            retries: For requests that could not be sent.
            pool_size: How many idle connections are kept for each host.
            idle_seconds: After that much rest a connection is opened anew.
            ca_file: Authorities to trust instead of the bundle of requests.
            proxy: URL of an HTTP proxy for https; may hold a password.
            clock: Monotonic seconds.

        Raises:
            ConfigurationError: Lists every fault of the App ID and the hosts.
        """
        faults = check_app_id(credentials.app_id)
        faults += [fault for url in (*base_urls, *neighbours) for fault in check_base_url(url)]
        if faults or not base_urls:
            raise ConfigurationError(faults or ["base URLs: none is given"])
        self._app_id = credentials.app_id
        self._hosts = Hosts(base_urls, neighbours, retries.hold_seconds)
        self._timeouts, self._retries, self._clock = timeouts, retries, clock
        self._transport_of: Callable[[], Transport] = lambda: Transport(
            headers=_headers(credentials),
            pool_size=pool_size,
            idle_seconds=idle_seconds,
            ca_file=ca_file,
            proxy=proxy.get_secret_value() if proxy is not None else None,
        )
        self._lock = threading.Lock()
        self._transport, self._pid = self._transport_of(), os.getpid()

    def acquire(self, body: Body, *, permit: Permit) -> Acquired:
        """Ask for a resource: the ticket for one session."""
        path = path_of(Method.ACQUIRE, self._app_id, Mode.MIX, None, None)
        return cast("Acquired", self._call(Method.ACQUIRE, path, body, permit))

    def start(self, mode: Mode, resource_id: str, body: Body, *, permit: Permit) -> Started:
        """Start the session of a resource; safe to repeat with the same resource ID only."""
        path = path_of(Method.START, self._app_id, mode, resource_id, None)
        return cast("Started", self._call(Method.START, path, body, permit))

    def query(self, mode: Mode, resource_id: str, sid: str, *, permit: Permit) -> Observed:
        """Look at a running session; never together with its stop."""
        path = path_of(Method.QUERY, self._app_id, mode, resource_id, sid)
        return cast("Observed", self._call(Method.QUERY, path, None, permit))

    def update(
        self, mode: Mode, resource_id: str, sid: str, body: Body, *, permit: Permit
    ) -> Updated:
        """Change a running session's subscription, pause or push."""
        path = path_of(Method.UPDATE, self._app_id, mode, resource_id, sid)
        return cast("Updated", self._call(Method.UPDATE, path, body, permit))

    def update_layout(
        self, mode: Mode, resource_id: str, sid: str, body: Body, *, permit: Permit
    ) -> Updated:
        """Replace the whole layout of a running mixed session."""
        path = path_of(Method.UPDATE_LAYOUT, self._app_id, mode, resource_id, sid)
        return cast("Updated", self._call(Method.UPDATE_LAYOUT, path, body, permit))

    def stop(
        self, mode: Mode, resource_id: str, sid: str, body: Body, *, permit: Permit
    ) -> Stopped:
        """Stop a session; safe to repeat until it is settled."""
        path = path_of(Method.STOP, self._app_id, mode, resource_id, sid)
        return cast("Stopped", self._call(Method.STOP, path, body, permit))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, method: Method, path: str, body: Body | None, permit: Permit) -> Answer:
        outcome, trip = self._travel(method, path, body, permit)
        if isinstance(outcome, Fault):
            raise trip.error(method, outcome)
        redact = body.redact if body is not None else str
        return read_answer(method, outcome.status, outcome.content, redact)

    def _travel(
        self, method: Method, path: str, body: Body | None, permit: Permit
    ) -> tuple[Reply | Fault, _Trip]:
        trip = _Trip(method, self._hosts, self._retries, self._clock)
        retrying = Retrying(
            retry=retry_if_result(trip.goes_on),
            wait=lambda _: trip.wait_seconds,
            retry_error_callback=_last_outcome,
        )
        outcome = retrying(self._send, method, path, body, permit, trip)
        return outcome, trip

    def _send(
        self, method: Method, path: str, body: Body | None, permit: Permit, trip: _Trip
    ) -> Reply | Fault:
        if trip.has_moved:  # it took long, so whoever lets us go on is asked before all else
            permit()
        began_at = self._clock()
        outcome = self._own_transport().send(
            "GET" if method is Method.QUERY else "POST",
            trip.url + path,
            body.encode() if body is not None else None,
            self._timeouts.limits(method),
            permit,
        )
        if log.isEnabledFor(logging.DEBUG):
            _log(method, outcome, trip.url, self._clock() - began_at)
        return outcome

    def _own_transport(self) -> Transport:
        """Return the connections of this process: a fork must not speak over its parent's."""
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._transport, self._pid = self._transport_of(), os.getpid()
        return self._transport


class _Trip:
    """Where one call has been, and whether it goes on.

    Attributes:
        url: The host that the next request goes to.
        wait_seconds: How long to wait before it.
    """

    def __init__(
        self, method: Method, hosts: Hosts, retries: Retries, clock: Callable[[], float]
    ) -> None:
        self._method, self._hosts = method, hosts
        self._retries, self._clock = retries, clock
        self.url = hosts.first(clock())
        self._tried: list[str] = []
        self._was_sent = False
        self.wait_seconds = 0.0

    @property
    def has_moved(self) -> bool:
        """Whether a request of this call could not be sent already, and waited."""
        return bool(self._tried)

    def goes_on(self, outcome: Reply | Fault) -> bool:
        """Learn from an outcome, and choose the next host if the request is to be repeated."""
        if isinstance(outcome, Reply):
            self._tell(self._hosts.note_success(self.url, self._clock()))
            return False
        if outcome.silence.was_sent:
            return self._repeats_at_once(outcome)
        return self._finds_host(outcome)

    def error(self, method: Method, fault: Fault) -> TransportError:
        """Make the error of a call that got no answer; any try that was sent makes it unknown."""
        if self._was_sent:
            return OutcomeUnknownError(method.value, fault.reason)
        return NotSentError(method.value, fault.reason)

    def _repeats_at_once(self, fault: Fault) -> bool:
        is_first, self._was_sent = not self._was_sent, True
        self._tell(self._hosts.note_silence(self.url, self._clock()))
        self.wait_seconds = 0.0
        is_broken = fault.silence is Silence.BROKEN
        return is_broken and is_first and self._method in _REPEATED_AT_ONCE

    def _finds_host(self, fault: Fault) -> bool:
        self._tried.append(self.url)
        waits = self._retries.waits
        count = len(self._tried)
        is_unresolved = fault.silence is Silence.UNRESOLVED
        url = self._hosts.after(self._tried, is_unresolved=is_unresolved)
        if url is None or count > len(waits):
            return False
        self.wait_seconds = waits[count - 1] * self._retries.scale
        self.url = url
        return True

    def _tell(self, url: str | None) -> None:
        if url is not None:
            log.warning("host.switched", extra={"host": url})


def _last_outcome(state: RetryCallState) -> Reply | Fault:
    if state.outcome is None:
        raise RuntimeError("tenacity ended before the first try")
    return cast("Reply | Fault", state.outcome.result())


def _headers(credentials: Credentials) -> dict[str, str]:
    pair = f"{credentials.customer_id}:{credentials.customer_secret.get_secret_value()}"
    return {
        "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
        "Content-Type": _JSON,
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # the answers are small
        "User-Agent": "recording-tasks",
    }


def _log(method: Method, outcome: Reply | Fault, url: str, seconds: float) -> None:
    facts: dict[str, object] = {"method": str(method), "host": url, "ms": round(seconds * 1000, 1)}
    if isinstance(outcome, Reply):
        facts |= {"status": outcome.status, "request_id": outcome.request_id}
        log.debug("request.answered", extra=facts)
    else:
        facts |= {"silence": str(outcome.silence), "reason": outcome.reason}
        log.debug("request.failed", extra=facts)
