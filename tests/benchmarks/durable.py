"""How the DBOS application is brought up and fed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from dbos import DBOSClient
from psycopg import sql

from .competitor import await_line, end, spawn
from .workload import Recording


@dataclass(slots=True, kw_only=True)
class Durable:
    """DBOS executors on a PostgreSQL database of their own.

    Attributes:
        server_url: A PostgreSQL server where databases may be made and dropped.
        processes: How many executors serve the queue.
        concurrency: Workflows at once in one executor; 0 is DBOS's default, no limit.
        poll_seconds: The queues' polling interval; 1.0 is DBOS's default.
        calls_per_second: 0, or the limit of a queue that every call goes through.
    """

    name: str
    server_url: str
    logs: Path
    processes: int = 1
    concurrency: int = 0
    poll_seconds: float = 1.0
    calls_per_second: int = 0
    database: str = "bench_dbos"
    executors: list[subprocess.Popen[str]] = field(default_factory=list)
    client: DBOSClient | None = None

    def start(self, stub_url: str) -> None:
        self._drop()
        self._administer(sql.SQL("CREATE DATABASE {}"))
        url = f"{self.server_url}/{self.database}"
        for number in range(self.processes):
            env = self._environment(stub_url, url) | {"PEER_EXECUTOR": f"executor-{number}"}
            module = "tests.benchmarks.peer_dbos.app"
            executor = spawn([module], env, self.logs / f"{self.name}.log")
            self.executors.append(executor)
            await_line(executor)
        self.client = DBOSClient(system_database_url=url, application_name="peer-dbos")

    def submit(self, recordings: Sequence[Recording]) -> None:
        if self.client is None:
            raise RuntimeError("start() comes first")
        for recording in recordings:
            self.client.enqueue(
                {"workflow_name": "record", "queue_name": "recordings"}, recording.as_json()
            )

    def pids(self) -> Sequence[int]:
        return [executor.pid for executor in self.executors]

    def counts(self) -> Mapping[str, int]:
        return {}

    def stop(self) -> None:
        if self.client is not None:
            self.client.destroy()
        for executor in self.executors:
            end(executor)
        self._drop()

    def _environment(self, stub_url: str, database_url: str) -> dict[str, str]:
        return {
            "PEER_AGORA_URL": stub_url,
            "PEER_DATABASE_URL": database_url,
            "PEER_CONCURRENCY": str(self.concurrency),
            "PEER_POLL_SECONDS": str(self.poll_seconds),
            "PEER_CALLS_PER_SECOND": str(self.calls_per_second),
        }

    def _drop(self) -> None:
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"))

    def _administer(self, statement: sql.SQL) -> None:
        with psycopg.connect(f"{self.server_url}/postgres", autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(self.database)))
