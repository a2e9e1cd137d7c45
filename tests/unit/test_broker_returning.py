"""How soon a broker that was away is tried again."""

from __future__ import annotations

import pytest
from deployment import free_port

from recording_tasks.app import app


class _EnoughError(Exception):
    """Three tries tell how the pauses grow."""


def test_a_broker_is_tried_again_at_short_intervals() -> None:
    """However long it was away, a worker finds it within two seconds of its return."""
    pauses: list[float] = []

    def failed(_: Exception, pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 3:
            raise _EnoughError

    connection = app.connection_for_read(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(_EnoughError):
        connection.ensure_connection(failed, None)

    assert pauses == [1, 1.5, 2]
