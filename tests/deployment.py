"""How the product is run as an operator would: its processes, their environment, their ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from celery import Celery

from recording_tasks.models import Recording, Session
from recording_tasks.simulator import SimulatorClient
from recording_tasks.store import Database, Store

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
CUSTOMER_SECRET = "canary-customer-secret-5e1f"
ACCESS_KEY = "CANARYACCESSKEY7Q2Z"
SECRET_KEY = "canary/secret+key/91ab"
CANARIES = (CUSTOMER_SECRET, ACCESS_KEY, SECRET_KEY)

_SHORT_WAITS = {
    "RECORDING_CONNECT_TIMEOUT_SECONDS": "1",
    "RECORDING_READ_TIMEOUT_SECONDS": "2",
    "RECORDING_STOP_TIMEOUT_SECONDS": "2",
    "RECORDING_FIRST_QUERY_SECONDS": "0.5",
    "RECORDING_QUERY_SECONDS": "2",
    "RECORDING_QUERY_GAP_SECONDS": "0.5",
    "RECORDING_CONFIRM_RETRY_SECONDS": "0.5,1",
    "RECORDING_FAILOVER_SECONDS": "4",
    "RECORDING_FAILOVER_RETRY_SECONDS": "0.5,1",
    "RECORDING_START_RETRY_SECONDS": "0.5,1",
    "RECORDING_CALL_RETRY_SECONDS": "0.5,1",
    "RECORDING_STOP_RETRY_SECONDS": "0.5,1",
    "RECORDING_RESTART_SECONDS": "0.2,1",
    "RECORDING_OVERLOAD_SECONDS": "4",
    "RECORDING_IDLE_SECONDS": "5",
}
_SETPRIV = shutil.which("setpriv")
_DIES_WITH_US = [_SETPRIV, "--pdeathsig", "KILL", "--"] if _SETPRIV else []
SOON = 10.0  # prompt, also where the machine itself stalls for seconds
LEASE_SECONDS = 5.0  # connect + read + two to spare, as the waits above make it


def until(holds: Callable[[], T], seconds: float, what: str) -> T:
    """Wait for something to hold, and give what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.03)


def free_port() -> int:
    """Name a port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Process:
    """A process of its own group, that can be killed, frozen, asked to end, and read."""

    def __init__(self, command: list[str], log: Path, environ: Mapping[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*_DIES_WITH_US, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(environ),
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def says(self, words: str, seconds: float = 20, *, times: int = 1) -> None:
        """Wait until the log holds these words."""

        def holds() -> bool:
            if self.text.count(words) >= times:
                return True
            assert self.is_alive, f"it ended: {self.text[-2000:]}"
            return False

        until(holds, seconds, f"{words!r} in {self.log.name}: {self.text[-1500:]}")

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def kill(self) -> None:
        """End it as the kernel would: no handler, no goodbye."""
        self.send(signal.SIGKILL)
        self._popen.wait()

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def ask_to_end(self) -> None:
        os.kill(self._popen.pid, signal.SIGTERM)

    def wait(self, seconds: float) -> int:
        return self._popen.wait(seconds)


class Server:
    """A server that is one process of ours: it can be killed, frozen, and let go on."""

    _process: Process | None = None

    def kill(self) -> None:
        self._started.kill()

    def freeze(self) -> None:
        self._started.freeze()

    def thaw(self) -> None:
        self._started.thaw()

    @property
    def _started(self) -> Process:
        assert self._process is not None, "start() comes first"
        return self._process


class Deployment:
    """One broker, one database, one simulator, and the processes that are started for them."""

    def __init__(
        self,
        folder: Path,
        *,
        broker: str,
        database: str,
        simulator: SimulatorClient,
        **environ: str,
    ) -> None:
        self.folder, self.broker, self.database_url = folder, broker, database
        self.simulator = simulator
        simulator.configure(customer_secret=CUSTOMER_SECRET)
        self._environ = {**_clean(os.environ), **_SHORT_WAITS, **self._settings(), **environ}
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        Database(self.database_url).migrate()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.thaw()
            process.kill()
        self.store.database.close()
        self.client.close()
        if kind is not None:
            for process in self._processes:
                print(f"--- {process.log.name}\n{process.text[-6000:]}")

    def _settings(self) -> dict[str, str]:
        return {
            "AGORA_APP_ID": self.simulator.app_id,
            "AGORA_CUSTOMER_ID": self.simulator.customer_id,
            "AGORA_CUSTOMER_SECRET": CUSTOMER_SECRET,
            "AGORA_BASE_URLS": self.simulator.url,
            "RECORDING_DATABASE_URL": self.database_url,
            "CELERY_BROKER_URL": self.broker,
            "CELERY_BEAT_SCHEDULE_FILE": str(self.folder / "beat-schedule"),
            "RECORDING_WORKER_THREADS": "16",
            "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
            "RECORDING_STORAGE__DEFAULT__REGION": "0",
            "RECORDING_STORAGE__DEFAULT__BUCKET": "bucket",
            "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": ACCESS_KEY,
            "RECORDING_STORAGE__DEFAULT__SECRET_KEY": SECRET_KEY,
        }

    # -- processes -----------------------------------------------------------------------

    def run(self, *command: str, name: str, **environ: str) -> Process:
        """Start a process of the product."""
        number = len(self._processes)
        log = self.folder / f"{number}-{name}.log"
        process = Process(list(command), log, {**self._environ, **environ})
        self._processes.append(process)
        return process

    def celery(self, role: str, *options: str, **environ: str) -> Process:
        """Start `celery -A recording_tasks` in a role."""
        program = str(Path(sys.executable).with_name("celery"))
        return self.run(program, "-A", "recording_tasks", role, *options, name=role, **environ)

    def worker(self, *options: str, wait: bool = True, **environ: str) -> Process:
        """Start a worker, by default until it takes tasks."""
        name = f"w{len(self._processes)}@{self.folder.name}"
        options = ("-n", name, "-l", "INFO", "--without-mingle", *options)  # saves a second
        process = self.celery("worker", *options, **environ)
        if wait:
            process.says(" ready.")
        return process

    def beat(self, *options: str, **environ: str) -> Process:
        """Start a beat with a schedule file of its own."""
        schedule = str(self.folder / f"beat-{len(self._processes)}")
        return self.celery("beat", "-s", schedule, "-l", "INFO", *options, **environ)

    def up(self, *options: str, workers: int = 1, **environ: str) -> list[Process]:
        """Start workers and a beat together; gives them, the beat last, when both do their work."""
        beat = self.beat(**environ)
        started = [self.worker(*options, wait=False, **environ) for _ in range(workers)]
        for worker in started:
            worker.says(" ready.")
        beat.says("Sending due task sweep")
        return [*started, beat]

    # -- what other services and people see ----------------------------------------------

    @cached_property
    def client(self) -> Celery:
        """A client that knows nothing but the broker's address."""
        return Celery(broker=self.broker)

    @cached_property
    def store(self) -> Store:
        return Store(Database(self.database_url))

    def send(self, task: str, **kwargs: Any) -> str:
        """Send a task by name, without any option; gives the task's id."""
        sent: str = self.client.send_task(f"recording_tasks.{task}", kwargs=kwargs).id
        return sent

    def record(self, channel: str, **arguments: Any) -> str:
        """Ask for a recording and wait for its row; gives its id."""
        self.send("record", channel=channel, **arguments)
        return self.accepted(channel).id

    def accepted(self, channel: str, seconds: float = 10) -> Recording:
        found = until(
            lambda: self.store.recent(channel=channel), seconds, f"a recording of {channel}"
        )
        return found[0]

    def find(self, recording_id: str) -> Recording:
        recording = self.store.find(recording_id)
        assert recording is not None
        return recording

    def session(self, recording_id: str) -> Session:
        """The latest session of a recording."""
        return self.store.sessions_of(recording_id)[-1]

    def is_in(self, recording_id: str, state: str, seconds: float = 15) -> Recording:
        """Wait until a recording is in a state."""

        def holds() -> bool:
            return self.find(recording_id).state.value == state

        try:
            until(holds, seconds, state)
        except AssertionError:
            raise AssertionError(
                f"not {state} within {seconds:g} s: {self.find(recording_id)}"
            ) from None
        return self.find(recording_id)

    def all_final(self, seconds: float, *, most: int = 1000) -> list[Recording]:
        """Wait until every recording is in a final state."""

        def holds() -> list[Recording]:
            all_of_them = self.store.recent(most=most)
            return all_of_them if all(one.state.is_final for one in all_of_them) else []

        try:
            return until(holds, seconds, "every recording final")
        except AssertionError:
            self._print_open()
            raise

    def events(self, recording_id: str) -> list[str]:
        """The events of a recording's timeline."""
        return [entry.event for entry in self.store.timeline_of(recording_id)]

    def calls(self, method: str, channel: str) -> list[dict[str, Any]]:
        """What arrived at the remote side for a channel; queries are found by their session."""
        return self.simulator.calls(method, cname=channel)

    def _print_open(self) -> None:
        for one in self.store.recent(most=100):
            if not one.state.is_final:
                print(one.id, one.channel, one.state, one.reason)
                for entry in self.store.timeline_of(one.id):
                    print("   ", entry.at, entry.event, entry.session_number, dict(entry.facts))
                print("   ", self.store.sessions_of(one.id))


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would configure the product."""
    ours = ("AGORA_", "RECORDING_", "CELERY_", "SENTRY_", "FLOWER_")
    kept = {name: value for name, value in environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
