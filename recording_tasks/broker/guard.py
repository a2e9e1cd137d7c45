"""A guard against a fault of kombu that kills workers when Redis goes away.

When the connection is lost while a worker holds an unacknowledged message, closing the channel
reaches for the parameters of a connection that is gone, and the AttributeError ends the worker
(celery 5.7.0 with kombu 5.7.0).  As a connection error, it is what it is, and the worker lives.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis as transport
from redis.exceptions import ConnectionError as RedisConnectionError

_GUARDED = "_recording_tasks_guarded"


def install() -> None:
    """Make a detached channel's missing parameters a connection error; safe to repeat."""
    channel = transport.Channel
    if getattr(channel, _GUARDED, False):
        return
    unguarded: Any = channel._connparams  # noqa: SLF001 - the faulty method itself

    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the channel has lost its connection")
        return unguarded(self, *args, **kwargs)

    setattr(channel, "_connparams", guarded)  # noqa: B010 - a method, which the type checker guards
    setattr(channel, _GUARDED, True)
