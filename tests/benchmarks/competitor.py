"""What the harness needs from a contender: start it, hand it recordings, end it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from .workload import Recording

ROOT = Path(__file__).resolve().parents[2]


class Competitor(Protocol):
    """A contender; one instance serves one run.

    Attributes:
        name: How the table calls it.
    """

    name: str

    def start(self, stub_url: str) -> None:
        """Bring it up empty and return when it takes work."""

    def submit(self, recordings: Sequence[Recording]) -> None:
        """Hand the work over as another service would; returns when all is accepted."""

    def pids(self) -> Sequence[int]:
        """The roots of the process trees whose CPU is this contender's."""

    def counts(self) -> Mapping[str, int]:
        """What it asked of its servers so far, by kind; empty where nobody counts."""

    def stop(self) -> None:
        """End its processes and drop what it stored; safe after a failed start."""


def spawn(module_args: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[str]:
    """Run ``python -m …`` from the repository's root; stdout is piped, stderr goes to the log."""
    with log.open("a") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", *module_args],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )


def await_line(process: subprocess.Popen[str]) -> str:
    """Wait for the first line a process prints when it is ready."""
    line = _pipe(process).readline()
    if not line:
        raise RuntimeError(f"a process ended before it was ready: {process.args!r}")
    return line.strip()


def end(process: subprocess.Popen[str], patience_seconds: float = 10.0) -> None:
    """End a process and everything it started."""
    if process.poll() is None:
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own session: nobody else is in the group
    process.wait()
    _pipe(process).close()


def _pipe(process: subprocess.Popen[str]) -> IO[str]:
    if process.stdout is None:
        raise RuntimeError("the process was not started by spawn()")
    return process.stdout
