"""How a simulator is served: in the foreground, or in a thread of a test."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn

from recording_tasks.simulator.client import SimulatorClient
from recording_tasks.simulator.connection import DroppableProtocol
from recording_tasks.simulator.door import PREFIX, Door
from recording_tasks.simulator.gateway import Gateway, Receive, Scope, Send
from recording_tasks.simulator.settings import Settings
from recording_tasks.simulator.simulation import Simulation

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75  # as long as common gateways: shorter than a client's pool makes races
_GRACE_SECONDS = 2
_START_SECONDS = 10


class _Server(uvicorn.Server):
    """A uvicorn server that says when it is up, and lets hanging requests go when it ends."""

    def __init__(
        self, config: uvicorn.Config, simulation: Simulation, on_up: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._simulation = simulation
        self._on_up = on_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            listening = sockets or [s for server in self.servers for s in server.sockets]
            host, port = listening[0].getsockname()[:2]
            self._on_up(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._simulation.close()
        await super().shutdown(sockets)


class Simulator(SimulatorClient):
    """A simulator that runs in a thread of this process; ``running`` makes one."""


def serve(
    host: str,
    port: int,
    settings: Settings | None = None,
    *,
    on_up: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve in the foreground until SIGTERM or SIGINT; ``on_up`` is told the URL."""
    server = _server(settings or Settings(), on_up, host=host, port=port)
    with _ending_on_signals(server):
        server.run()


@contextmanager
def running(settings: Settings | None = None, **changes: Any) -> Iterator[Simulator]:
    """Serve from a background thread on a free loopback port; ``changes`` are settings."""
    wanted = (settings or Settings()).changed(changes)
    urls: list[str] = []
    up = threading.Event()

    def on_up(url: str) -> None:
        urls.append(url)
        up.set()

    with _loopback_socket() as listening:
        server = _server(wanted, on_up)
        thread = threading.Thread(
            target=server.run, args=([listening],), name="simulator", daemon=True
        )
        thread.start()
        if not up.wait(_START_SECONDS):
            raise RuntimeError("the simulator did not start")
        try:
            yield Simulator(urls[0])
        finally:
            server.should_exit = True
            thread.join()


def _server(settings: Settings, on_up: Callable[[str], None], **bind: Any) -> _Server:
    simulation = Simulation(settings)
    config = uvicorn.Config(
        _app(simulation),
        http=DroppableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        **bind,
    )
    return _Server(config, simulation, on_up)


def _app(simulation: Simulation) -> Any:
    """The control door under its prefix, the service everywhere else."""
    gateway, door = Gateway(simulation), Door(simulation).app()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(PREFIX):
            await door(scope, receive, send)
        else:
            await gateway(scope, receive, send)

    return app


def _loopback_socket() -> socket.socket:
    # asyncio turns Nagle's delay off only where the protocol number is given.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    return listening


@contextmanager
def _ending_on_signals(server: uvicorn.Server) -> Iterator[None]:
    """Make a signal end the server, not the process; uvicorn raises it again when it is done."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
