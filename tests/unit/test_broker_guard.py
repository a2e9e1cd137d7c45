"""The guard against a fault of kombu: workers survive a lost connection to Redis."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.transport import redis as transport
from redis.exceptions import ConnectionError as RedisConnectionError

from recording_tasks.broker import guard


@pytest.mark.parametrize("connection", [None, SimpleNamespace(client=None)])
def test_a_channel_without_a_connection_says_so(connection: object) -> None:
    """A connection error, which the worker mends, and no AttributeError, which ends it."""
    guard.install()
    parameters: Any = transport.Channel._connparams
    channel = SimpleNamespace(connection=connection)

    with pytest.raises(RedisConnectionError):
        parameters(channel)


def test_the_guard_is_put_up_once() -> None:
    """However often the application is made."""
    guard.install()
    guarded = transport.Channel._connparams

    guard.install()

    assert transport.Channel._connparams is guarded
