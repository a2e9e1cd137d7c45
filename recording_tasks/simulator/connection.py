"""How a TCP connection is dropped under uvicorn: its protocol hands the transport to the app."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORT = "simulator.transport"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger on, for no time: close sends RST


class DroppableProtocol(H11Protocol):
    """HTTP/1.1 whose application can reach the connection it is served on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Bind the application to this connection."""
        super().connection_made(transport)
        app = self.app

        async def bound(scope: Any, receive: Any, send: Any) -> None:
            scope[_TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = bound


def reset_connection(scope: MutableMapping[str, Any]) -> None:
    """Drop the connection so that the client sees a reset."""
    transport = _transport(scope)
    peer: socket.socket | None = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


def close_connection(scope: MutableMapping[str, Any]) -> None:
    """End the connection so that the client sees it closed without an answer."""
    _transport(scope).abort()


def _transport(scope: MutableMapping[str, Any]) -> asyncio.Transport:
    return cast("asyncio.Transport", scope[_TRANSPORT])
