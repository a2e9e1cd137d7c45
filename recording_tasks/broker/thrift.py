"""A channel to Redis that keeps its client, where kombu makes one for every acknowledgement.

Making a client fills a table of some two hundred callbacks, which costs more than what is sent
(kombu 5.7.0 with redis 8): a tenth of a worker's time.  A client holds no connection of its own,
and may be used by many threads; it is worth as much as its pool, and is made anew with that.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis as transport

_THRIFTY = "_recording_tasks_thrifty"
_KEPT = "_recording_tasks_client"


def install() -> None:
    """Let every channel keep one client for each of its pools; safe to repeat."""
    channel = transport.Channel
    if getattr(channel, _THRIFTY, False):
        return
    wasteful: Any = channel._create_client  # noqa: SLF001 - the wasteful method itself

    def thrifty(self: Any, asynchronous: bool = False) -> Any:
        if asynchronous:
            return wasteful(self, asynchronous=True)
        kept = self.__dict__.get(_KEPT)
        # A lost connection, a fork and a close each take the channel's pool away.
        if kept is None or kept.connection_pool is not self.pool:
            kept = self.__dict__[_KEPT] = wasteful(self)
        return kept

    setattr(channel, "_create_client", thrifty)  # noqa: B010 - a method, see the guard
    setattr(channel, _THRIFTY, True)
