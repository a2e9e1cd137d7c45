"""The scene of the demo: a database of its own, `up` in a process of its own, its recordings."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from recording_tasks.cli.simulate import environment
from recording_tasks.cli.up import READY
from recording_tasks.errors import RecordingError
from recording_tasks.models import Recording, Session
from recording_tasks.recorder import Recorder
from recording_tasks.settings import read_settings
from recording_tasks.store import Database, Store

_START_SECONDS = 25.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_OURS = ("AGORA_", "RECORDING_", "CELERY_", "SENTRY_")


class DemoError(RecordingError):
    """The demo could not be set up."""


class Scene:
    """Everything of the demo but the simulator; what runs is killed at the end."""

    def __init__(self, folder: Path, simulator_url: str) -> None:
        self.folder = folder
        self.database_url = f"sqlite:///{folder / 'recordings.db'}"
        self._environ = _environ(os.environ, simulator_url, self.database_url)
        self._settings = read_settings(self._environ)
        self._store = Store(Database(self.database_url))
        self._recorder = Recorder(self._store, self._settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "up.log"
        self._log_begins, self._launched_at = 0, 0.0
        self._ids: list[str] = []
        self.start_at = self.stop_at = self._store.now()
        self.kill_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_process()
        self._recorder.close()

    def start_up(self) -> None:
        """Start `recording-tasks up` and wait until it works.

        Raises:
            DemoError: It did not start.
        """
        self.launch_up()
        while not self.is_up():
            time.sleep(_LOOK_SECONDS)

    def launch_up(self) -> None:
        """Start `recording-tasks up`."""
        with self._log.open("ab") as sink:
            self._log_begins = sink.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "recording_tasks.cli", "up"],
                env=self._environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on
            )
        self._launched_at = time.monotonic()

    def is_up(self) -> bool:
        """Tell whether `recording-tasks up` works.

        Raises:
            DemoError: It did not start.
        """
        said = self._log.read_bytes()[self._log_begins :]
        if f"\n{READY}".encode() in said:
            return True
        is_dead = self._process is None or self._process.poll() is not None
        if is_dead or time.monotonic() > self._launched_at + _START_SECONDS:
            raise DemoError(f"recording-tasks up did not start; its log is {self._log}")
        return False

    def stop_up(self) -> None:
        """Ask `recording-tasks up` to end, and wait for it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_SECONDS)

    def kill_up(self) -> None:
        """End `recording-tasks up` as kill -9 does."""
        self._end_process()
        self.kill_count += 1

    def record(self, count: int, *, ahead: timedelta, duration: timedelta) -> None:
        """Ask for recordings that begin at the same instant, a moment ahead."""
        self.start_at = self._store.now() + ahead
        self.stop_at = self.start_at + duration
        for number in range(1, count + 1):
            arguments = {
                "channel": f"lesson-{number}",
                "start_at": self.start_at,
                "stop_at": self.stop_at,
            }
            accepted = self._recorder.record(arguments, at_once=False)
            self._ids.append(accepted.recording_id)

    def recordings(self) -> list[Recording]:
        """Read the recordings of the demo, in their order."""
        return [found for each in self._ids if (found := self._store.find(each)) is not None]

    def session_of(self, recording: Recording) -> Session:
        """Read a recording's latest session."""
        return self._store.sessions_of(recording.id)[-1]

    def now(self) -> datetime:
        """Tell the database's time."""
        return self._store.now()

    def is_over(self) -> bool:
        """Tell whether nothing more will happen."""
        return all(recording.state.is_final for recording in self.recordings())

    def _end_process(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _environ(surroundings: Mapping[str, str], url: str, database_url: str) -> dict[str, str]:
    """Make an environment in which nothing of a real deployment is left."""
    plain = {name: value for name, value in surroundings.items() if not name.startswith(_OURS)}
    return {**plain, **environment(url), "RECORDING_DATABASE_URL": database_url}
