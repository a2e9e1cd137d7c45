"""The servers the product leans on, as a test needs them: killed, frozen, cut off, brand new."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import redis
import sqlalchemy as sa
from deployment import Process, Server, free_port, until

POSTGRESQL = os.environ.get("TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


class RedisServer(Server):
    """A Redis of its own on a free port, that keeps nothing over its death unless told to."""

    def __init__(self, folder: Path, *, persists: bool = False) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder, self._persists = folder, persists
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.thaw()
        self.kill()

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed")
        keeps = ["--appendonly", "yes", "--appendfsync", "always"] if self._persists else []
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *keeps]
        command += ["--dir", str(self._folder)]
        self._process = Process(command, self._folder / "redis.log", os.environ)
        until(self._answers, 10, "redis answers")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False


@contextmanager
def new_database() -> Iterator[str]:
    """Make an empty PostgreSQL database, and drop it afterwards."""
    name = f"rt_test_{uuid.uuid4().hex[:12]}"
    url = sa.engine.make_url(POSTGRESQL).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(
        url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3}
    )
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    except sa.exc.OperationalError as error:
        pytest.skip(f"no PostgreSQL: {error.orig}")
    try:
        shown = url.set(drivername="postgresql", database=name)
        yield shown.render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        engine.dispose()


@contextmanager
def new_vhost() -> Iterator[str]:
    """Make an empty RabbitMQ virtual host, and delete it afterwards."""
    program = shutil.which("rabbitmqctl")
    if program is None:
        pytest.skip("rabbitmqctl is not installed")
    name = f"rt-test-{uuid.uuid4().hex[:12]}"
    user = RABBITMQ.partition("://")[2].partition(":")[0]
    made = subprocess.run([program, "add_vhost", name], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no RabbitMQ: {made.stderr.decode()[:200]}")
    try:
        everything = [".*", ".*", ".*"]
        subprocess.run(
            [program, "set_permissions", "-p", name, user, *everything],
            capture_output=True,
            check=True,
        )
        yield RABBITMQ.rpartition("/")[0].removesuffix("/") + "/" + name
    finally:
        subprocess.run([program, "delete_vhost", name], capture_output=True, check=False)


class Proxy:
    """A TCP proxy that can hold back what its clients send, cut them off, or answer nothing."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._holds = threading.Event()
        self._is_closed = False
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closed = True
        self._listening.close()
        self.cut()

    def hold(self) -> None:
        """From now on, nothing that clients send arrives; what is sent to them does."""
        self._holds.set()

    def let_go(self) -> None:
        """Let everything pass again, and what was held back arrive."""
        self._holds.clear()

    def cut(self) -> None:
        """Drop every connection; new ones are taken."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    @property
    def connection_count(self) -> int:
        with self._lock:
            return len(self._pairs)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.append((near, far))
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, near, far:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select(0.05):
                    source, sink = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    if source is near and self._holds.is_set():
                        time.sleep(0.01)
                        continue
                    try:
                        data = source.recv(65536)
                        if not data:
                            return
                        sink.sendall(data)
                    except OSError:
                        return


@contextmanager
def black_hole() -> Iterator[int]:
    """Listen on a port, take connections, and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        yield port
