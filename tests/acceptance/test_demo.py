"""The demo, as somebody runs it who has just installed the product."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name("recording-tasks"))


def demo(folder: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end in an empty folder."""
    return subprocess.run(
        [PROGRAM, "demo", *options],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_demo_keeps_its_promises(tmp_path: Path) -> None:
    """Within the minute: all recorded, on time, nothing left running, no call refused."""
    began = time.monotonic()

    done = demo(tmp_path)

    assert time.monotonic() - began < 60
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "✓ nothing lost: 5 of 5 recorded" in done.stdout
    assert "✓ nothing left running: 0 sessions" in done.stdout
    assert "✓ on time" in done.stdout
    assert "✓ inside the quota" in done.stdout
    assert done.stdout.count(".m3u8") == 5


def test_the_demo_survives_a_kill(tmp_path: Path) -> None:
    """Worker and beat are killed in mid-recording, and every recording is stopped on time."""
    done = demo(tmp_path, "--kill", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["is_kept"]
    assert document["kill_count"] == 1
    assert [each["state"] for each in document["recordings"]] == ["stopped"] * 5
    assert all(each["session_count"] == 1 for each in document["recordings"])
    assert document["simulator"]["sessions_running"] == 0
    assert document["simulator"]["refused_by_quota"] == 0


@pytest.mark.parametrize("name", ["AGORA_BASE_URLS", "CELERY_BROKER_URL", "RECORDING_DATABASE_URL"])
def test_the_demo_leaves_a_deployment_alone(tmp_path: Path, name: str) -> None:
    """What the environment says of a real deployment is not used, nor even read."""
    done = demo(tmp_path, "--recordings", "1", "--seconds", "3", **{name: "http://192.0.2.1:1"})

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_database_of_the_demo_can_be_looked_at(tmp_path: Path) -> None:
    """It says where it is, and the commands work on it."""
    done = demo(tmp_path, "--recordings", "2", "--seconds", "3", "--json")
    url = json.loads(done.stdout)["database_url"]

    listed = subprocess.run(
        [PROGRAM, "list"],
        env={**os.environ, "RECORDING_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=True,
    )

    assert [line.split()[1] for line in listed.stdout.splitlines()] == [
        "CHANNEL",
        "lesson-2",
        "lesson-1",
    ]
