"""How an exchange that drips is cut at its total deadline: by one thread for all of them.

A read timeout counts from byte to byte, so a server that sends a byte now and then holds a
caller for ever. Only shutting the socket down from outside ends every such wait, whether it
is in the TLS handshake, the headers or the body.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator


class Exchange:
    """One request under way, as the watchdog and the sockets below see it.

    Attributes:
        was_sent: Whether a byte of the request itself may have left.
        was_cut: Whether the deadline passed before the end.
        is_unresolved: Whether the host's name could not be resolved.
        permit: Waits until the request may leave; asked whenever a connection stands.
        forbidden: What the permit raised.
    """

    __slots__ = (
        "_socket",
        "deadline",
        "forbidden",
        "is_unresolved",
        "permit",
        "was_cut",
        "was_sent",
    )

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.permit: Callable[[], None] | None = None
        self.forbidden: Exception | None = None
        self.was_sent = False
        self.was_cut = False
        self.is_unresolved = False
        self._socket: socket.socket | None = None

    def await_permit(self) -> None:
        """Wait until the first byte of the request may leave."""
        if self.permit is None:
            return
        try:
            self.permit()
        except Exception as error:
            self.forbidden = error
            raise

    def watch(self, sock: socket.socket) -> None:
        """Name the socket that the exchange waits on from now on."""
        self._socket = sock
        if self.was_cut:  # the deadline passed while there was no socket, in the resolver
            self.cut()

    def cut(self) -> None:
        """Shut the socket down, so that whoever waits on it comes back at once."""
        self.was_cut = True
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):  # it is closed already
                # Not SSLSocket.shutdown: that unwraps TLS under the feet of the reading thread.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Watchdog:
    """Cut every exchange that outlives its deadline.

    The thread sleeps until the earliest deadline it saw; as deadlines mostly grow, a new
    exchange hardly ever has to wake it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._exchanges: set[Exchange] = set()
        self._wake = threading.Event()
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextlib.contextmanager
    def exchange(self, seconds: float) -> Iterator[Exchange]:
        """Guard one exchange for that long."""
        exchange = Exchange(self._clock() + seconds)
        with self._lock:
            self._exchanges.add(exchange)
            if exchange.deadline < self._wakes_at:
                self._wakes_at = exchange.deadline
                self._run()
                self._wake.set()
        try:
            yield exchange
        finally:
            with self._lock:
                self._exchanges.discard(exchange)

    def close(self) -> None:
        """End the thread; exchanges under way are no longer cut."""
        self._is_closed = True
        self._wake.set()

    def _run(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._loop, name="recording-tasks-deadlines", daemon=True
            )
            self._thread.start()

    def _loop(self) -> None:
        while not self._is_closed:
            timeout = self._cut_overdue()
            self._wake.wait(timeout)
            self._wake.clear()

    def _cut_overdue(self) -> float | None:
        """Cut what is overdue; return for how many seconds nothing more will be."""
        now = self._clock()
        with self._lock:
            overdue = [one for one in self._exchanges if one.deadline <= now]
            self._exchanges.difference_update(overdue)
            for one in overdue:
                one.cut()
            self._wakes_at = min((one.deadline for one in self._exchanges), default=math.inf)
            return None if self._wakes_at == math.inf else self._wakes_at - now
