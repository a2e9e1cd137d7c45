"""The control door under /_simulator/: how a test tells the simulator what to do, and asks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.calls import KEPT
from recording_tasks.simulator.channels import Channel
from recording_tasks.simulator.faults import Fault
from recording_tasks.simulator.files import objects
from recording_tasks.simulator.registry import Disturbance
from recording_tasks.simulator.simulation import Simulation

PREFIX = "/_simulator"


class _ClockChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    advance: float = Field(default=0, ge=0)
    speed: float | None = Field(default=None, ge=0)


class _Disturb(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Disturbance
    channel: str = "*"
    seconds: float = Field(default=60, ge=0)


class Door:
    """Handlers for one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def app(self) -> Starlette:
        """The Starlette application of all routes."""
        return Starlette(
            routes=[
                _route("/faults", self.faults, "GET"),
                _route("/faults", self.add_fault, "POST"),
                _route("/faults", self.clear_faults, "DELETE"),
                _route("/channels", self.channels, "GET"),
                _route("/channels", self.tell, "POST"),
                _route("/disturb", self.disturb, "POST"),
                _route("/clock", self.clock, "GET"),
                _route("/clock", self.turn_clock, "POST"),
                _route("/settings", self.settings, "GET"),
                _route("/settings", self.configure, "POST"),
                _route("/reset", self.reset, "POST"),
                _route("/report", self.report, "GET"),
                _route("/calls", self.calls, "GET"),
                _route("/sessions", self.sessions, "GET"),
                _route("/files", self.files, "GET"),
                _route("/health", self.clock, "GET"),
            ],
            exception_handlers={ValidationError: _invalid, ValueError: _invalid},
        )

    async def faults(self, _: Request) -> Response:
        """The rules that may still strike."""
        return JSONResponse(self._simulation.faults.pending())

    async def add_fault(self, request: Request) -> Response:
        """One rule, or a list of them."""
        told = await request.json()
        rules = [Fault.model_validate(rule) for rule in (told if type(told) is list else [told])]
        for rule in rules:
            self._simulation.faults.tell(rule, self._simulation.clock.now())
        return JSONResponse({"added": len(rules)})

    async def clear_faults(self, _: Request) -> Response:
        """Forget all rules."""
        self._simulation.faults.clear()
        return JSONResponse({})

    async def channels(self, _: Request) -> Response:
        """The channels that were told of."""
        told = self._simulation.world.registry.channels.told()
        return JSONResponse([channel.model_dump() for channel in told])

    async def tell(self, request: Request) -> Response:
        """One channel, or a list of them."""
        told = await request.json()
        items = told if type(told) is list else [told]
        channels = [Channel.model_validate(item) for item in items]
        for channel in channels:
            self._simulation.world.registry.tell(channel, self._simulation.clock.now())
        return JSONResponse({"told": len(channels)})

    async def disturb(self, request: Request) -> Response:
        """Let something go wrong with running sessions."""
        wanted = _Disturb.model_validate(await request.json())
        now = self._simulation.clock.now()
        registry = self._simulation.world.registry
        sids = registry.disturb(wanted.kind, wanted.channel, wanted.seconds, now)
        return JSONResponse({"sids": sids})

    async def clock(self, _: Request) -> Response:
        """The simulated instant and the speed."""
        clock = self._simulation.clock
        return JSONResponse({"now": clock.now(), "speed": clock.speed})

    async def turn_clock(self, request: Request) -> Response:
        """Jump ahead, change the speed, or both in this order."""
        change = _ClockChange.model_validate(await request.json())
        self._simulation.advance(change.advance)
        if change.speed is not None:
            self._simulation.configure({"speed": change.speed})
        return await self.clock(request)

    async def settings(self, _: Request) -> Response:
        """All settings but the secrets."""
        shown = self._simulation.settings.model_dump(mode="json", exclude=_SECRETS)
        return JSONResponse(shown)

    async def configure(self, request: Request) -> Response:
        """Change some settings."""
        self._simulation.configure(await request.json())
        return await self.settings(request)

    async def reset(self, _: Request) -> Response:
        """Back to the beginning."""
        self._simulation.reset()
        return JSONResponse({})

    async def report(self, _: Request) -> Response:
        """The figures."""
        return JSONResponse(self._simulation.report())

    async def calls(self, request: Request) -> Response:
        """The log; ``method``, ``cname``, ``since`` (a number) and ``limit`` narrow it."""
        asked = request.query_params
        lines = self._simulation.log.matching(
            method=asked.get("method"),
            cname=asked.get("cname"),
            since=int(asked.get("since", 0)),
            limit=int(asked.get("limit", KEPT)),
        )
        return JSONResponse(lines)

    async def sessions(self, request: Request) -> Response:
        """All sessions; ``cname`` narrows them."""
        cname = request.query_params.get("cname")
        shown = [s for s in self._simulation.sessions() if cname in (None, s["cname"])]
        return JSONResponse(shown)

    async def files(self, request: Request) -> Response:
        """Every object of one session's bucket folder."""
        session = self._simulation.world.registry.sessions.get(request.query_params.get("sid", ""))
        if session is None:
            return JSONResponse({"message": "no such session"}, status_code=404)
        return JSONResponse(objects(session, self._simulation.clock.now()))


_SECRETS: Json = {
    "customer_secret": True,
    "app_certificate": True,
    "accounts": {"__all__": {"customer_secret", "app_certificate"}},
}


def _route(path: str, handler: Callable[[Request], Awaitable[Response]], verb: str) -> Route:
    return Route(PREFIX + path, handler, methods=[verb])


async def _invalid(_: Request, error: Exception) -> Response:
    if isinstance(error, ValidationError):
        faults: Any = json.loads(error.json(include_url=False, include_input=False))
        return JSONResponse({"message": "invalid", "faults": faults}, status_code=422)
    return JSONResponse({"message": str(error)}, status_code=422)
