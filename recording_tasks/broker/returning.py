"""How soon a broker that was away is tried again: every two seconds, however long it was away.

Left alone, workers and beats wait two seconds longer after each try, up to thirty: after an
outage of half a minute they would come back ten seconds after their broker.
"""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection

_INTERVALS = {"interval_start": 1, "interval_step": 0.5, "interval_max": 2}


class _Connection(Connection):
    """A connection that is tried again at short intervals."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect, and try again for as long as was asked; gives this connection."""
        return super().ensure_connection(*args, **{**_INTERVALS, **kwargs})


class ReturningAMQP(AMQP):
    """Celery's messaging over such connections."""

    Connection = _Connection
    BrokerConnection = _Connection
