"""Chaos runs: everything dies now and then, and what was promised holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deployment import ROOT

NOTHING_TO_RUN_ON = 3  # the command's exit code where a program is not installed


def _figures(folder: Path, *options: str) -> dict[str, Any]:
    """Run it, and give what it found."""
    figures = folder / "figures.json"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *options, "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    if ended.returncode == NOTHING_TO_RUN_ON:
        pytest.skip(ended.stdout.strip())
    print(ended.stdout, ended.stderr)
    found: dict[str, Any] = json.loads(figures.read_text())
    return found


@pytest.mark.timeout(300)
def test_nothing_is_lost_left_running_or_doubled(tmp_path: Path) -> None:
    """Workers, beats, broker, database, network and Agora fail at random; all is accounted for."""
    found = _figures(tmp_path, "--seed", "361", "--seconds", "16", "--recordings", "18")

    assert found["faults"] == []
    assert found["lost"] == found["left_running"] == found["doubles"] == []
    assert sum(found["struck"].values()) >= 5
    assert sum(found["answered"].values()) >= 10
    assert found["states"]["stopped"] >= 4


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_nor_in_a_minute_of_it(tmp_path: Path, broker: str) -> None:
    """Every kind of outage, over each broker."""
    options = ["--seed", "6", "--seconds", "60", "--recordings", "40", "--broker", broker]

    found = _figures(tmp_path, *options)

    assert found["faults"] == []
    assert sum(found["struck"].values()) >= 12
    assert found["states"]["stopped"] >= 10
