"""Agora Cloud Recording over HTTP, for tests and demos: as documented, with faults on demand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recording_tasks.simulator.client import SimulatorClient
    from recording_tasks.simulator.server import Simulator, running, serve
    from recording_tasks.simulator.settings import (
        DEFAULT_APP_ID,
        DEFAULT_CUSTOMER_ID,
        DEFAULT_CUSTOMER_SECRET,
        Account,
        Settings,
    )

__all__ = [
    "DEFAULT_APP_ID",
    "DEFAULT_CUSTOMER_ID",
    "DEFAULT_CUSTOMER_SECRET",
    "Account",
    "Settings",
    "Simulator",
    "SimulatorClient",
    "running",
    "serve",
]

_HOMES = {
    "SimulatorClient": "client",
    "Simulator": "server",
    "running": "server",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the command line knows this package, and rarely needs it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'settings')}"), name)
