"""Real servers on this machine that answer as a test's script says, connection by connection."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Act = Callable[[socket.socket], None]

RESOURCE = "R" * 256
SID = "5" * 32
SUCCESS = {"cname": "room", "uid": "7", "resourceId": RESOURCE, "sid": SID}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    content: bytes
    connection: int

    @property
    def body(self) -> Any:
        """The JSON of its body."""
        return json.loads(self.content)


@dataclass(slots=True)
class Server:
    """A server that plays its script, one act per request; the last act is repeated."""

    script: list[Act]
    listener: socket.socket
    port: int
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connection_count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    open: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def run(self) -> None:
        """Accept until the listener is closed."""
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            self.connection_count += 1
            self.open.append(raw)
            number = self.connection_count
            threading.Thread(target=self._serve, args=(raw, number), daemon=True).start()

    def _serve(self, raw: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ssl.SSLError), raw:
            sock = self.tls.wrap_socket(raw, server_side=True) if self.tls else raw
            with sock:
                while (request := _read(sock, number)) is not None:
                    with self.lock:
                        self.requests.append(request)
                        act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    act(sock)

    def close(self) -> None:
        """Stop listening, and drop every connection."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _read(sock: socket.socket, number: int) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return None
        data += more
    head, _, content = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(text.split(": ", 1) for text in lines)
    while len(content) < int(headers.get("Content-Length", "0")):
        content += sock.recv(65536)
    return Request(line=line, headers=headers, content=content, connection=number)


@contextlib.contextmanager
def serving(*script: Act, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server with a script."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Server(list(script), listener, listener.getsockname()[1], tls)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield server
    finally:
        server.close()


def answer(status: int = 200, body: Any = None, *headers: str, content: bytes | None = None) -> Act:
    """Answer with JSON, or with these bytes."""
    data = json.dumps(SUCCESS if body is None else body).encode() if content is None else content
    head = [f"HTTP/1.1 {status} Some Reason", f"Content-Length: {len(data)}", *headers]
    return send("\r\n".join(head).encode() + b"\r\n\r\n" + data)


def send(data: bytes) -> Act:
    """Send these bytes as they are."""
    return lambda sock: sock.sendall(data)


def hang_up(sock: socket.socket) -> None:
    """Close the connection without a byte of an answer."""
    sock.shutdown(socket.SHUT_RDWR)


def reset(sock: socket.socket) -> None:
    """Break the connection with a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def then(*acts: Act) -> Act:
    """Do one after the other."""

    def act(sock: socket.socket) -> None:
        for one in acts:
            one(sock)

    return act


def drip(head: bytes, seconds: float = 0.02) -> Act:
    """Send a beginning, and then a byte now and then, for ever."""

    def act(sock: socket.socket) -> None:
        sock.sendall(head)
        while True:
            time.sleep(seconds)
            sock.sendall(b"x")

    return act


def silent(sock: socket.socket) -> None:
    """Wait until the other side gives up."""
    sock.recv(1)


def closed_port() -> int:
    """Name a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1, and its key."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """The server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(folder: Path, names: str = "IP:127.0.0.1") -> Certificate:
    """Make one with the openssl command."""
    made = Certificate(certificate=folder / "cert.pem", key=folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(
        [
            *command.split(),
            *("-subj", "/CN=test", "-addext", f"subjectAltName={names}"),
            *("-keyout", str(made.key), "-out", str(made.certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return made
