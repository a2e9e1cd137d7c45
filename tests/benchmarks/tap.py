"""What passes between the contender and PostgreSQL, counted on the wire."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from contextlib import suppress

_CHUNK = 65536
_ENCRYPTION = frozenset({80877103, 80877104})  # requests for TLS and for GSSAPI


class Tap:
    """Carries connections to a PostgreSQL server, and counts what the clients say.

    Attributes:
        counts: "statements" that were executed, and "trips": how often a client waited for it.
    """

    def __init__(self, host: str, port: int) -> None:
        self.counts: Counter[str] = Counter()
        self._target = (host, port)
        self._door = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._door.close()

    def _listen(self) -> None:
        with suppress(OSError):  # the door was closed
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection(self._target)
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for carry in (self._ask, self._answer):
                    threading.Thread(target=carry, args=(client, server), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        reader = Reader()
        with suppress(OSError):
            while chunk := client.recv(_CHUNK):
                server.sendall(chunk)
                self.counts.update(reader.read(chunk))
            server.shutdown(socket.SHUT_WR)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := server.recv(_CHUNK):
                client.sendall(chunk)
            client.shutdown(socket.SHUT_WR)


class Reader:
    """The messages of one client, as they come in pieces."""

    def __init__(self) -> None:
        self._buffer = b""
        self._is_begun = False

    def read(self, chunk: bytes) -> Counter[str]:
        """Count what the whole messages so far say, and keep the rest."""
        self._buffer += chunk
        counts: Counter[str] = Counter()
        while (message := self._cut()) is not None:
            if message in {b"E", b"Q"}:  # Execute; a simple query
                counts["statements"] += 1
            if message in {b"S", b"Q"}:  # Sync
                counts["trips"] += 1
        return counts

    def _cut(self) -> bytes | None:
        """Take the next whole message and give its kind; a connection's first ones have none."""
        at = 1 if self._is_begun else 0
        if len(self._buffer) < at + 4:
            return None
        (length,) = struct.unpack_from("!I", self._buffer, at)
        if len(self._buffer) < at + length:
            return None
        kind = self._buffer[:at]
        if not self._is_begun:
            (version,) = struct.unpack_from("!I", self._buffer, 4)
            self._is_begun = version not in _ENCRYPTION  # after those, another first one follows
        self._buffer = self._buffer[at + length :]
        return kind
