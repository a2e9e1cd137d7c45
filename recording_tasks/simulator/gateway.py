"""How a request becomes an answer over HTTP: counted, routed, held up, carried out, sent, lost."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from recording_tasks.simulator.answers import Answer, Json, gateway, refused
from recording_tasks.simulator.calls import CallRecord
from recording_tasks.simulator.connection import close_connection, reset_connection
from recording_tasks.simulator.faults import Fault
from recording_tasks.simulator.routes import Path, parsed_path
from recording_tasks.simulator.settings import Method
from recording_tasks.simulator.simulation import Simulation
from recording_tasks.simulator.world import Call

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON_TYPE = re.compile(r"application/json(?: ?; ?charset=\"?utf-8\"?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request for a method, and the line it came on.

    Attributes:
        body: None where it was not a JSON object; empty for query, which has none.
    """

    method: Method
    path: Path
    headers: dict[bytes, bytes]
    body: Json | None
    record: CallRecord
    scope: Scope
    receive: Receive


class Gateway:
    """The ASGI application for everything that is not the control door."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._sent_count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; it is counted before anything else is done."""
        arrived = time.monotonic()
        simulation = self._simulation
        path = parsed_path(scope["path"], scope["method"])
        limit = simulation.settings.requests_per_second
        is_admitted = not path.app or simulation.quota.admit(path.app, arrived, limit)
        raw = await _body(receive)
        if raw is None:
            return
        record = self._opened(scope["path"], path, arrived)
        if path.method is None:
            await self._send(self._not_routed(path, is_admitted=is_admitted), record, send)
            return
        exchange = Exchange(
            method=path.method,
            path=path,
            headers=dict(scope["headers"]),
            body={} if path.method == "query" else _parsed(raw),
            record=record,
            scope=scope,
            receive=receive,
        )
        self._note(exchange)
        answer = await self._served(exchange) if is_admitted else gateway(429)
        if answer is not None:
            await self._send(answer, record, send)

    def _opened(self, raw_path: str, path: Path, arrived: float) -> CallRecord:
        clock = self._simulation.clock
        record = self._simulation.log.open(arrived, clock.unix(arrived), clock.now())
        record.path, record.app, record.mode = raw_path, path.app, path.mode
        record.resource_id, record.sid = path.resource_id, path.sid
        record.method = path.method or "unknown"
        return record

    def _not_routed(self, path: Path, *, is_admitted: bool) -> Answer:
        if not is_admitted:
            return gateway(429)
        return self._code_8() if path.lacks_service else gateway(404)

    def _note(self, exchange: Exchange) -> None:
        record, body = exchange.record, exchange.body
        if body:
            record.cname, record.uid = str(body.get("cname", "")), str(body.get("uid", ""))
            return
        session = self._simulation.world.registry.sessions.get(exchange.path.sid)
        if session is not None:
            record.cname, record.uid = session.cname, session.uid

    async def _served(self, exchange: Exchange) -> Answer | None:
        """The answer, late where it is late; None where there is none."""
        simulation = self._simulation
        now = simulation.clock.now()
        fault = simulation.faults.striking(exchange.method, exchange.record.cname, now)
        if fault is None:
            return await self._answered(exchange)
        exchange.record.fault = fault.action
        return await self._with_fault(fault, exchange)

    def _carried_out(self, exchange: Exchange) -> Answer:
        simulation, path = self._simulation, exchange.path
        authorization = exchange.headers.get(b"authorization")
        caller = simulation.credentials.caller(path.app, authorization)
        if caller.refusal is not None:
            return caller.refusal
        if exchange.body is None or not (exchange.method == "query" or _is_json(exchange.headers)):
            return self._code_8()
        call = Call(
            method=exchange.method,
            app=path.app,
            account=caller.account,
            resource_id=path.resource_id,
            sid=path.sid,
            mode=path.mode,
            body=exchange.body,
        )
        return simulation.world.carry_out(call, simulation.clock.now())

    def _code_8(self) -> Answer:
        return refused("", 8, status=self._simulation.settings.undocumented_status)

    async def _answered(self, exchange: Exchange) -> Answer:
        """Carry out, then hold the answer back as long as it takes."""
        simulation = self._simulation
        is_query, sid = exchange.method == "query", exchange.path.sid
        if is_query:
            simulation.world.begin_query(sid)
        try:
            answer = self._carried_out(exchange)
            latency = simulation.settings.latency_seconds(exchange.method)
            if latency:
                await asyncio.sleep(latency)
        finally:
            if is_query:
                simulation.world.end_query(sid)
        if answer.ready_at is not None:
            await simulation.sleep_until(answer.ready_at)
        return answer.finish() if answer.finish is not None else answer

    async def _with_fault(self, fault: Fault, exchange: Exchange) -> Answer | None:
        answer = await self._answered(exchange) if fault.is_carried_out_first else None
        match fault.action:
            case "refuse":
                return fault.refusal(exchange.method)
            case "delay":
                await asyncio.sleep(fault.seconds)
                return answer or await self._answered(exchange)
            case "duplicate":
                return await self._answered(exchange)
            case "hang":
                await self._hang(exchange.receive)
                self._close(exchange.record, "hung")
            case "reset":
                self._close(exchange.record, "reset")
                reset_connection(exchange.scope)
            case "lose_answer":
                self._close(exchange.record, "lost")
                close_connection(exchange.scope)
        await self._unanswered(exchange)
        return None

    async def _hang(self, receive: Receive) -> None:
        """Wait until the client gives up, or the server shuts down."""
        gone = asyncio.ensure_future(_gone(receive))
        closing = asyncio.ensure_future(self._simulation.closing.wait())
        await asyncio.wait({gone, closing}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        closing.cancel()

    async def _unanswered(self, exchange: Exchange) -> None:
        """Make sure that the connection ends: without an answer it is of no more use."""
        close_connection(exchange.scope)
        await _gone(exchange.receive)

    def _close(self, record: CallRecord, outcome: str) -> None:
        self._simulation.log.close(record, outcome, time.monotonic())

    async def _send(self, answer: Answer, record: CallRecord, send: Send) -> None:
        record.status, record.code = answer.status, answer.code
        told = f"{answer.status}" if answer.code is None else f"{answer.status}/{answer.code}"
        self._close(record, told)
        self._sent_count += 1
        is_page = isinstance(answer.body, str)
        body = (str(answer.body) if is_page else json.dumps(answer.body)).encode()
        headers = [
            (b"content-type", b"text/html" if is_page else b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", f"simulated-{self._sent_count}".encode()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away before it was sent."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    """Wait until the connection has ended."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _parsed(raw: bytes) -> Json | None:
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return parsed if type(parsed) is dict else None


def _is_json(headers: dict[bytes, bytes]) -> bool:
    return _JSON_TYPE.fullmatch(headers.get(b"content-type", b"").decode("latin-1")) is not None
