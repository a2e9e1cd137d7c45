"""What the cheapest possible Agora answers: one process, raw asyncio, strict quota, a log of calls.

It knows just enough of the documented life of a session to notice a contender that calls wrongly
(a start twice, a stop twice, a session that never was), and nothing more: it must cost little.

Control, outside the quota and the log: ``GET /_stub/report``, ``GET /_stub/calls``,
``POST /_stub/reset`` with ``{"quota": n or null, "latency_ms": n}``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import resource
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

WINDOW_SECONDS = 1.0  # the quota counts over any sliding second
_RESOURCE_TAIL = "x" * 180  # real resource IDs are hundreds of characters long

Reply = tuple[int, dict[str, Any]]


class Call(NamedTuple):
    """One request as it arrived; refused ones are kept, with their status 429."""

    at: float  # Unix seconds
    method: str
    app: str
    cname: str
    status: int


@dataclass(slots=True)
class Ticket:
    """One resource ID and the session it became."""

    cname: str
    uid: str
    sid: str = ""
    stopped: bool = False


@dataclass(slots=True)
class Agora:
    """The answers, the quota and the log; knows nothing of sockets.

    Attributes:
        quota: Requests per sliding second and App ID; None is unlimited.
        latency_ms: How long every answer waits.
        admitted: Arrivals inside the present window by App ID; refused ones do not count.
    """

    quota: int | None
    latency_ms: float
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    tickets: dict[str, Ticket] = field(default_factory=dict)
    admitted: dict[str, deque[float]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)

    def reset(self, quota: int | None, latency_ms: float) -> None:
        """Forget everything and take new options."""
        self.quota, self.latency_ms = quota, latency_ms
        self.tickets.clear()
        self.admitted.clear()
        self.calls.clear()
        self.counts.clear()

    def answer(self, verb: str, path: str, body: bytes, at: float) -> Reply:
        """Answer one request of Agora's API and write it down; ``at`` is its arrival, Unix s."""
        parts = path.split("/")  # /v1/apps/{app}/cloud_recording/...
        if len(parts) < 6 or parts[4] != "cloud_recording":
            return 404, {"message": "no Route matched with those values"}
        method, ticket_id = parts[-1], parts[6] if len(parts) > 7 else ""
        cname = self._cname(method, ticket_id, body)
        status, reply = 429, {"message": "API rate limit exceeded"}
        if self._admit(parts[3], at):
            status, reply = self._decide(verb, method, ticket_id, body)
        self.calls.append(Call(at, method, parts[3], cname, status))
        self.counts[method, status] += 1
        return status, reply

    def report(self) -> dict[str, Any]:
        """Count what came, by method and status; CPU is this whole process's, in seconds."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "calls": len(self.calls),
            "refused": sum(n for (_, status), n in self.counts.items() if status == 429),
            "stopped": self.counts["stop", 200],
            "by_method": {f"{method} {status}": n for (method, status), n in self.counts.items()},
            "cpu_s": used.ru_utime + used.ru_stime,
        }

    def _cname(self, method: str, ticket_id: str, body: bytes) -> str:
        ticket = self.tickets.get(ticket_id)
        if ticket is not None:
            return ticket.cname
        return str(json.loads(body).get("cname", "")) if method == "acquire" and body else ""

    def _decide(self, verb: str, method: str, ticket_id: str, body: bytes) -> Reply:
        match verb, method:
            case "POST", "acquire":
                return self._acquire(json.loads(body))
            case "POST", "start":
                return self._start(ticket_id)
            case "GET", "query":
                return self._query(ticket_id)
            case "POST", "stop":
                return self._stop(ticket_id)
        return 404, {"message": "no Route matched with those values"}

    def _admit(self, app: str, at: float) -> bool:
        if self.quota is None:
            return True
        window = self.admitted.setdefault(app, deque())
        while window and at - window[0] >= WINDOW_SECONDS:
            window.popleft()
        if len(window) >= self.quota:
            return False
        window.append(at)
        return True

    def _acquire(self, request: dict[str, Any]) -> Reply:
        resource_id = f"r{next(self.numbers):08d}{_RESOURCE_TAIL}"
        ticket = Ticket(cname=request["cname"], uid=request["uid"])
        self.tickets[resource_id] = ticket
        return 200, {"cname": ticket.cname, "uid": ticket.uid, "resourceId": resource_id}

    def _start(self, resource_id: str) -> Reply:
        ticket = self.tickets.get(resource_id)
        if ticket is None:
            return 400, {"code": 1001, "reason": "resource id cannot be parsed"}
        if ticket.sid:
            return 201, {"code": 7, "reason": "already started"}
        ticket.sid = f"{next(self.numbers):032x}"
        return 200, _session(resource_id, ticket)

    def _query(self, resource_id: str) -> Reply:
        ticket = self.tickets.get(resource_id)
        if ticket is None or not ticket.sid or ticket.stopped:
            return 404, {"code": 404, "reason": "failed to find worker"}
        answer = _files(ticket) | {"status": 5, "sliceStartTime": 1562724971626}
        return 200, _session(resource_id, ticket) | {"serverResponse": answer}

    def _stop(self, resource_id: str) -> Reply:
        ticket = self.tickets.get(resource_id)
        if ticket is None or not ticket.sid or ticket.stopped:
            return 404, {"code": 404, "reason": "failed to find worker"}
        ticket.stopped = True
        answer = _files(ticket) | {"uploadingStatus": "uploaded"}
        return 200, _session(resource_id, ticket) | {"serverResponse": answer}


def _session(resource_id: str, ticket: Ticket) -> dict[str, Any]:
    return {
        "cname": ticket.cname,
        "uid": ticket.uid,
        "resourceId": resource_id,
        "sid": ticket.sid,
    }


def _files(ticket: Ticket) -> dict[str, Any]:
    file = {
        "fileName": f"{ticket.sid}_{ticket.cname}_0.mp4",
        "trackType": "audio_and_video",
        "uid": "0",
        "mixedAllUser": True,
        "isPlayable": True,
        "sliceStartTime": 1562724971626,
    }
    return {"fileListMode": "json", "fileList": [file]}


class Door(asyncio.Protocol):
    """One keep-alive connection: whole requests in, whole answers out, one at a time."""

    def __init__(self, agora: Agora, clock: Callable[[], float]) -> None:
        self.agora, self.clock = agora, clock
        self.buffer = b""
        self.is_waiting = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream transport was expected")
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def data_received(self, data: bytes) -> None:
        arrived = self.clock()
        self.buffer += data
        if not self.is_waiting:
            self._serve(arrived)

    def _serve(self, arrived: float) -> None:
        while self.transport is not None and not self.is_waiting:
            request = self._cut()
            if request is None:
                return
            status, reply = self._answer(*request, arrived)
            self._send(status, reply, control=request[1].startswith("/_stub/"))

    def _cut(self) -> tuple[str, str, bytes, bool] | None:
        """Take one whole request off the buffer: verb, path, body, and whether it has Basic."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.buffer[:end]
        lowered = head.lower()
        mark = lowered.find(b"content-length:")
        length = int(lowered[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return None
        body = self.buffer[end + 4 : end + 4 + length]
        self.buffer = self.buffer[end + 4 + length :]
        verb, path, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ", 2)
        return verb, path, body, b"\r\nauthorization: basic " in lowered

    def _answer(
        self, verb: str, path: str, body: bytes, has_credentials: bool, arrived: float
    ) -> tuple[int, Any]:
        match path:
            case "/_stub/report":
                return 200, self.agora.report()
            case "/_stub/calls":
                return 200, [call._asdict() for call in self.agora.calls]
            case "/_stub/reset":
                options = json.loads(body)
                self.agora.reset(options["quota"], options["latency_ms"])
                return 200, {}
        if not has_credentials:
            return 401, {"message": "Unauthorized"}
        return self.agora.answer(verb, path, body, arrived)

    def _send(self, status: int, reply: Any, *, control: bool) -> None:
        body = json.dumps(reply).encode()
        head = (
            f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        if control or not self.agora.latency_ms:
            self._write(head.encode() + body)
            return
        self.is_waiting = True
        loop = asyncio.get_running_loop()
        loop.call_later(self.agora.latency_ms / 1000, self._write_late, head.encode() + body)

    def _write_late(self, answer: bytes) -> None:
        self.is_waiting = False
        self._write(answer)
        self._serve(self.clock())

    def _write(self, answer: bytes) -> None:
        if self.transport is not None:
            self.transport.write(answer)


async def _serve_forever(agora: Agora, port: int) -> None:
    offset = time.time() - time.monotonic()  # wall-clock stamps that never step backwards
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Door(agora, lambda: time.monotonic() + offset), "127.0.0.1", port, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="A very cheap HTTP stub of Agora.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--quota", type=int, help="requests per sliding second and App ID")
    options = parser.parse_args()
    gc.freeze()
    agora = Agora(quota=options.quota, latency_ms=options.latency_ms)
    asyncio.run(_serve_forever(agora, options.port))


if __name__ == "__main__":
    main()
