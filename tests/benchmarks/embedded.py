"""How recording_tasks is brought up in one process: SQLite, and a broker in memory."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recording_tasks.recorder import Recorder
from recording_tasks.settings import read_settings
from recording_tasks.store import Database, Store

from .competitor import end, spawn
from .ours import environment, order
from .workload import Recording

READY = "ready"
WITHOUT_STOP_SECONDS = 10.0  # nobody watches its store to stop what has recorded


@dataclass(slots=True, kw_only=True)
class Embedded:
    """`recording-tasks up` on a file of its own; recordings are accepted into that file."""

    name: str
    logs: Path
    rate: int = 10
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    caller: Recorder | None = None
    folder: Path | None = None

    def start(self, stub_url: str) -> None:
        self.folder = self.logs / f"{self.name}-store"
        self._drop()
        self.folder.mkdir()
        url = f"sqlite:///{self.folder / 'recordings.db'}"
        env = {**environment(stub_url, self.rate), "RECORDING_DATABASE_URL": url}
        up = spawn(["recording_tasks.cli", "up"], env, self.logs / f"{self.name}.log")
        self.processes.append(up)
        if up.stdout is None or not any(READY in line for line in up.stdout):
            raise RuntimeError(f"{self.name}: it did not come up, see {self.logs}")
        self.caller = Recorder(Store(Database(url, pool_size=1)), read_settings(env))

    def submit(self, recordings: Sequence[Recording]) -> None:
        if self.caller is None:
            raise RuntimeError("start() comes first")
        for recording in recordings:
            stop_at = recording.stop_at or time.time() + WITHOUT_STOP_SECONDS
            self.caller.record({**order(recording), "stop_at": stop_at}, at_once=False)

    def pids(self) -> Sequence[int]:
        return [process.pid for process in self.processes]

    def counts(self) -> Mapping[str, int]:
        return {}

    def stop(self) -> None:
        for process in self.processes:
            end(process)
        if self.caller is not None:
            self.caller.close()
        self._drop()

    def _drop(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
