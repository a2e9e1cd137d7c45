"""How recording_tasks is brought up and fed: real workers and beat, a store, a broker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from celery import Celery
from psycopg import sql
from redis import Redis

from recording_tasks.store import Database

from .chain import messages
from .competitor import ROOT, await_line, end, spawn
from .tap import Tap
from .workload import Recording

READY_SECONDS = 30
APP_ID = "0123456789abcdef0123456789abcdef"


def environment(stub_url: str, rate: int) -> dict[str, str]:
    """The settings that every deployment of ours has here."""
    storage = "RECORDING_STORAGE__DEFAULT__"
    return {
        "AGORA_APP_ID": APP_ID,
        "AGORA_CUSTOMER_ID": "customer",
        "AGORA_CUSTOMER_SECRET": "secret",
        "AGORA_BASE_URLS": stub_url,
        "RECORDING_API_RATE": str(rate),
        "RECORDING_ASYNC_STOP": "true",
        f"{storage}VENDOR": "1",
        f"{storage}REGION": "0",
        f"{storage}BUCKET": "b",
        f"{storage}ACCESS_KEY": "k",
        f"{storage}SECRET_KEY": "s",
    }


def order(recording: Recording) -> dict[str, Any]:
    """The arguments of `record` for one recording."""
    return {
        "channel": recording.cname,
        "uid": recording.uid,
        "start_at": recording.start_at,
        "stop_at": recording.stop_at,
    }


@dataclass(slots=True, kw_only=True)
class Ours:
    """Workers and one beat over PostgreSQL and any broker.

    Attributes:
        broker_url: Emptied at the start when it is a Redis database.
        server_url: A PostgreSQL server where databases may be made and dropped.
        workers: How many, with so many threads (or processes) each.
        is_tapped: Every statement is counted on its way, which slows them a little.
        rate: What the workers are told of the quota; 0 is none.
        extra: Settings of this workload.
    """

    name: str
    broker_url: str
    server_url: str
    logs: Path
    workers: int = 2
    threads: int = 16
    rate: int = 10
    pool: str = "threads"
    extra: Mapping[str, str] = field(default_factory=dict)
    is_tapped: bool = False
    database: str = "bench_ours"
    tap: Tap | None = None
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    client: Celery | None = None

    def start(self, stub_url: str) -> None:
        self.client = Celery("caller", broker=self.broker_url, set_as_current=False)
        self._empty_broker()
        self._drop()
        if self.is_tapped:
            server = urlsplit(self.server_url)
            self.tap = Tap(server.hostname or "127.0.0.1", server.port or 5432)
        self._administer(sql.SQL("CREATE DATABASE {}"))
        env = self._environment(stub_url)
        database = Database(env["RECORDING_DATABASE_URL"])
        database.migrate()
        database.close()
        log = self.logs / f"{self.name}.log"
        for number in range(self.workers):
            arguments = ["worker", f"-nbench{number}@%h", "--loglevel=WARNING"]
            arguments += [f"--pool={self.pool}", f"--concurrency={self.threads}"]
            arguments += ["--without-mingle", "--without-gossip"]
            self.processes.append(spawn(["celery", "-A", "recording_tasks", *arguments], env, log))
        beat = ["celery", "-A", "recording_tasks", "beat", "--loglevel=WARNING"]
        beat += [f"--schedule={self.logs / (self.name + '-beat')}"]
        self.processes.append(spawn(beat, env, log))
        stopper = spawn(["tests.benchmarks.stopper"], env, log)
        self.processes.append(stopper)
        await_line(stopper)
        for _ in range(READY_SECONDS * 2):
            if len(self.client.control.ping(timeout=0.5)) >= self.workers:
                return
        raise RuntimeError(f"{self.name}: the workers did not answer, see {self.logs}")

    def submit(self, recordings: Sequence[Recording]) -> None:
        if self.client is None:
            raise RuntimeError("start() comes first")
        for recording in recordings:
            self.client.send_task("recording_tasks.record", kwargs=order(recording))

    def pids(self) -> Sequence[int]:
        return [process.pid for process in self.processes]

    def counts(self) -> Mapping[str, int]:
        told = {} if self.tap is None else dict(self.tap.counts)
        if self.broker_url.startswith("redis"):
            told["messages"] = messages(self.broker_url)
        return told

    def stop(self) -> None:
        for process in self.processes:
            end(process)
        if self.client is not None:
            self.client.close()
        if self.tap is not None:
            self.tap.close()
        self._drop()

    def _empty_broker(self) -> None:
        if self.broker_url.startswith("redis"):
            Redis.from_url(self.broker_url).flushdb()
            return
        purge = [sys.executable, "-m", "celery", "-A", "recording_tasks", "purge", "-f"]
        env = {**os.environ, "CELERY_BROKER_URL": self.broker_url}
        subprocess.run(purge, cwd=ROOT, env=env, check=True, capture_output=True, timeout=60)

    def _environment(self, stub_url: str) -> dict[str, str]:
        server, how = self.server_url.removeprefix("postgresql://"), ""
        if self.tap is not None:
            how = "?sslmode=disable"  # encrypted, nothing could be counted
            server = f"{server.rpartition('@')[0]}@127.0.0.1:{self.tap.port}"
        return {
            **environment(stub_url, self.rate),
            "CELERY_BROKER_URL": self.broker_url,
            "RECORDING_DATABASE_URL": f"postgresql://{server}/{self.database}{how}",
            "RECORDING_WORKER_THREADS": str(self.threads),
            **self.extra,
        }

    def _drop(self) -> None:
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"))

    def _administer(self, statement: sql.SQL) -> None:
        with psycopg.connect(f"{self.server_url}/postgres", autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(self.database)))
