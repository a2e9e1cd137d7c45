"""Everything that goes through a Redis broker, read as it passes: messages, events, results."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import redis
from neighbours import RedisServer

_BODY = re.compile(r'\\?"body\\?": \\?"([A-Za-z0-9+/=]+)\\?"')


@dataclass
class Wiretap:
    """The commands that Redis was given since the tap was opened."""

    commands: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All that passed, with what was in base64 decoded behind it."""
        told = "\n".join(self.commands)
        bodies = [base64.b64decode(body).decode(errors="replace") for body in _BODY.findall(told)]
        return "\n".join([told, *bodies])

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The task messages that were published, as they were on the wire."""
        return [message for message in self._pushed() if "task" in message.get("headers", {})]

    def arguments(self, message: dict[str, Any]) -> Any:
        """The args, kwargs and embedded signatures of one message."""
        return json.loads(base64.b64decode(message["body"]))

    def eta_seconds(self) -> list[tuple[str, float]]:
        """For each message with an ETA: its task, and how far ahead it was when it passed."""
        found = []
        for line in self.commands:
            for message in _messages_of(line):
                headers = message["headers"]
                if headers.get("eta"):
                    passed_at = float(line.split(" ", 1)[0])
                    eta = datetime.fromisoformat(headers["eta"]).timestamp()
                    found.append((headers["task"], eta - passed_at))
        return found

    def _pushed(self) -> Iterator[dict[str, Any]]:
        for line in self.commands:
            yield from _messages_of(line)


def _messages_of(line: str) -> Iterator[dict[str, Any]]:
    """Read the message in an LPUSH; a restored one is pushed with RPUSH and is none."""
    _, _, command = line.partition(" ")
    if not command.startswith("LPUSH ") or '"headers"' not in command:
        return
    raw = command[command.index("{") : command.rindex("}") + 1]
    message = json.loads(raw)
    if "task" in message.get("headers", {}):
        yield message


@contextmanager
def tapped(server: RedisServer) -> Iterator[Wiretap]:
    """Read along from now on."""
    tap = Wiretap()
    client = redis.Redis(port=server.port)
    with client.monitor() as monitor:

        def listen() -> None:
            try:
                for command in monitor.listen():
                    tap.commands.append(f"{command['time']:.6f} {command['command']}")
            except (redis.RedisError, ValueError, OSError, AttributeError):
                return

        threading.Thread(target=listen, daemon=True).start()
        try:
            yield tap
        finally:
            monitor.connection.disconnect()
