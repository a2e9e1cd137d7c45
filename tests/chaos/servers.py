"""The servers of a chaos run, each its own, so that each may be killed: PostgreSQL and RabbitMQ."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
from deployment import Process, Server, free_port, until
from kombu.connection import Connection
from neighbours import RedisServer

_QUEUES = ("celery", "recording_tasks.sweep", "recording_tasks.calls")
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_OVERDUE = """
    SELECT count(*) FROM sessions
    WHERE is_open AND state <> 'unaccounted'
      AND least(due_at, stop_at) < now() - interval '0.3 seconds'
      AND (lease_until IS NULL OR lease_until < now())
"""


class MissingError(Exception):
    """A program that a chaos run needs is not installed."""


def initdb() -> Path:
    """Find the newest PostgreSQL's initdb.

    Raises:
        MissingError: There is none.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise MissingError("initdb is not installed")
    return found[-1] if found else Path(str(on_path)).resolve()


def _version(program: Path) -> float:
    name = program.parts[-3]
    return float(name) if name.replace(".", "", 1).isdecimal() else 0.0


class Cluster:
    """A PostgreSQL cluster in a folder of its own, on a free port."""

    def __init__(self, folder: Path) -> None:
        self._programs = initdb().parent
        self._folder, self._data = folder, folder / "data"
        self._environ = {**os.environ, "LC_ALL": "C"}
        self._process: Process | None = None
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        if os.geteuid() == 0:  # it refuses to run as root
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        command = [*_as_postgres(), str(self._programs / "initdb"), "-D", str(self._data), *options]
        made = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, env=self._environ
        )
        assert made.returncode == 0, made.stderr

    def start(self) -> None:
        """Start the server, which may have to recover first; does not wait."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # its number may be another's now
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "max_connections": "200",
        }
        settings = [part for pair in options.items() for part in ("-c", "=".join(pair))]
        command = [str(self._programs / "postgres"), "-D", str(self._data), *settings]
        log = self._folder / "postgresql.log"
        self._process = Process(
            [*_as_postgres("--pdeathsig", "KILL"), *command], log, self._environ
        )

    def kill(self) -> None:
        """Kill the server and every process of it, as a machine would that dies."""
        assert self._process is not None
        children = _children(self._process)
        self._process.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=5)

    def stop_at_once(self) -> None:
        """Stop it without a goodbye to anyone: its next start recovers."""
        assert self._process is not None
        children = _children(self._process)
        os.kill(self._process.pid, 3)  # SIGQUIT: an immediate shutdown
        self._process.wait(15)
        psutil.wait_procs(children, timeout=5)

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def overdue(self) -> int | None:
        """Count the steps that somebody should have begun by now; None while it is away."""
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                found = connection.execute(_OVERDUE).fetchone()
        except psycopg.OperationalError:
            return None
        return None if found is None else int(found[0])

    def end(self) -> None:
        if self._process is not None and self._process.is_alive:
            self.kill()


def _children(process: Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children


def _as_postgres(*options: str) -> list[str]:
    """Change the user where we are root; without root, the cluster is ours."""
    program = shutil.which("setpriv")
    if os.geteuid() != 0:
        return []
    if program is None:
        raise MissingError("setpriv is not installed")
    user = ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    return [program, *user, *options, "--"]


class OwnRedis(RedisServer):
    """A Redis that forgets everything when it dies, and may be emptied."""

    def restart(self) -> None:
        """Start it again; does not wait."""
        self.start()

    def answers(self) -> bool:
        return self._answers()

    def flush(self) -> None:
        self.client.flushall()

    def end(self) -> None:
        self.thaw()
        self.kill()


class OwnRabbit(Server):
    """A RabbitMQ node of its own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        if not _RABBITMQ.exists():
            raise MissingError("rabbitmq-server is not installed")
        self._folder, self.port = folder, free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._process: Process | None = None

    def start(self) -> None:
        """Start it and wait: the first start is slow."""
        self.restart()
        until(self.answers, 60, "RabbitMQ answers")

    def restart(self) -> None:
        """Start it again; does not wait."""
        folder = self._folder
        environ = {
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"chaos{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        }
        self._process = Process([str(_RABBITMQ)], folder / "rabbitmq-out.log", environ)

    def answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.connect()
        except connection.connection_errors:
            return False
        return True

    def flush(self) -> None:
        with Connection(self.url, connect_timeout=2) as connection:
            channel = connection.channel()
            for queue in _QUEUES:
                channel.queue_purge(queue)

    def end(self) -> None:
        if self._process is not None:
            self.thaw()
            self.kill()


Broker = OwnRedis | OwnRabbit


@contextlib.contextmanager
def own_broker(kind: str, folder: Path) -> Iterator[Broker]:
    """Bring up a broker of its own."""
    broker: Broker = OwnRabbit(folder) if kind == "rabbitmq" else OwnRedis(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.end()


@contextlib.contextmanager
def own_cluster(folder: Path) -> Iterator[Cluster]:
    """Bring up a PostgreSQL cluster of its own."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        until(cluster.answers, 30, "PostgreSQL answers")
        yield cluster
    finally:
        cluster.end()
        time.sleep(0.1)
