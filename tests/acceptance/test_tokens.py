"""A project with its App Certificate enabled: real processes get in, or say why they do not."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from deployment import ROOT, Deployment

from recording_tasks.simulator import DEFAULT_APP_ID

from .conftest import Deploy

PROGRAM = str(Path(sys.executable).with_name("recording-tasks"))
CERTIFICATE = "CA11ab1eCA11ab1eCA11ab1eCA11ab1e"
WRONG = "0123456789abcdef0123456789abcdef"
CERTIFIED = {"app_certificate": CERTIFICATE, "async_check_seconds": 0.2}
START_SECONDS = 20.0

PROVIDER = f"""
import time
from datetime import UTC, datetime
from recording_tasks.tokens import join_token

def make(*, app_id, channel, uid, lifetime):
    assert app_id == "{DEFAULT_APP_ID}"
    time.sleep(0.8)
    return join_token(
        app_id=app_id, certificate="{CERTIFICATE}", channel=channel, uid=uid, lifetime=lifetime,
        issued_at=datetime.now(UTC), salt=uid % 1000,
    )
"""


def recorded(deployment: Deployment, *options: str) -> str:
    """Run the embedded mode, and ask for a recording on the command line; gives its id."""
    deployment.run(PROGRAM, "up", name="up").says("ready;")
    process = deployment.run(PROGRAM, "record", "lesson", *options, name="record")
    assert process.wait(START_SECONDS) == 0, process.text
    return process.text.split()[0]


def test_the_certificate_in_the_environment_is_enough(deploy: Deploy) -> None:
    """The lesson is recorded; neither the certificate nor a token is in any output or file."""
    deployment = deploy(
        broker="memory://",
        database="sqlite",
        simulator=CERTIFIED,
        AGORA_APP_CERTIFICATE=CERTIFICATE,
    )

    recording_id = recorded(deployment, "--duration", "3s")

    recording = deployment.is_in(recording_id, "stopped", 30)
    assert recording.reason == "stopped on time"
    assert deployment.simulator.report()["ended_by_cause"] == {"stopped": 1}
    written = [
        file.read_bytes().decode("latin-1")
        for file in deployment.folder.iterdir()
        if file.is_file()
    ]
    assert len(written) >= 2
    for secret in (CERTIFICATE, "007eJ"):
        assert [text[:300] for text in written if secret in text] == []


def test_a_wrong_certificate_ends_in_a_reason_that_names_the_token(deploy: Deploy) -> None:
    """Agora takes each start without a word; who reads the reason knows where to look."""
    deployment = deploy(
        broker="memory://",
        database="sqlite",
        simulator=CERTIFIED,
        AGORA_APP_CERTIFICATE=WRONG,
        RECORDING_FAILOVER_SECONDS="0.5",
        RECORDING_RESTARTS="1",
    )

    recording_id = recorded(deployment, "--duration", "60s")

    recording = deployment.is_in(recording_id, "failed", 30)
    assert "a wrong or expired token" in str(recording.reason)
    assert deployment.simulator.report()["ended_by_cause"] == {"token": 2}


def test_a_provider_of_ones_own_is_asked_by_a_worker(deploy: Deploy, tmp_path: Path) -> None:
    """A module that the worker can import, asked ahead: a slow one does not miss the instant."""
    (tmp_path / "corp_tokens.py").write_text(PROVIDER)
    deployment = deploy(
        simulator=CERTIFIED,
        RECORDING_TOKEN_PROVIDER="corp_tokens:make",
        RECORDING_API_MARGIN_SECONDS="0.6",
        RECORDING_API_TOLERANCE_SECONDS="0.5",
        PYTHONPATH=os.pathsep.join([str(ROOT), str(tmp_path)]),
    )
    worker, _ = deployment.up()

    recording_id = deployment.record("lesson", start_at=time.time() + 4, duration=3)

    recording = deployment.is_in(recording_id, "stopped", 30)
    assert recording.reason == "stopped on time"
    assert deployment.simulator.report()["ended_by_cause"] == {"stopped": 1}
    assert "slot.missed" not in worker.text


@pytest.mark.parametrize("role", ["up", "worker"])
def test_a_provider_that_cannot_be_imported_starts_nothing(deploy: Deploy, role: str) -> None:
    """Exit code 78, and one line beside those of the other faults."""
    deployment = deploy(
        broker="memory://",
        database="sqlite",
        RECORDING_TOKEN_PROVIDER="no_such_package:make",
        RECORDING_RESTARTS="-1",
    )

    if role == "up":
        process = deployment.run(PROGRAM, "up", name="up")
    else:
        process = deployment.worker(wait=False)

    assert process.wait(START_SECONDS) == 78
    assert "RECORDING_RESTARTS: must be 0 or more" in process.text
    assert "RECORDING_TOKEN_PROVIDER: cannot be imported: ModuleNotFoundError" in process.text
    assert "no_such_package" not in process.text


def test_the_simulator_can_be_told_the_certificate(deploy: Deploy) -> None:
    """On the command line; it prints what lets the product in."""
    deployment = deploy(broker="memory://", database="sqlite")

    process = deployment.run(
        PROGRAM, "simulator", "--port", "0", "--certificate", CERTIFICATE, name="simulator"
    )

    process.says(f"export AGORA_APP_CERTIFICATE={CERTIFICATE}")
