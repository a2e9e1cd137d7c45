"""Recordings that are accepted while the broker is away."""

from __future__ import annotations

import subprocess
import sys

from .conftest import Deploy

_ACCEPT = "import recording_tasks; print(recording_tasks.accept('room', duration=15))"


def test_a_recording_that_was_accepted_without_a_broker_is_made(deploy: Deploy) -> None:
    """It stands in the store, and the next sweep finds it."""
    deployment = deploy()
    environ = {**deployment._environ, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", _ACCEPT],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    deployment.up()

    deployment.is_in(done.stdout.strip(), "stopped", 30)
    assert len(deployment.calls("start", "room")) == 1
    assert deployment.simulator.report()["sessions_running"] == 0
