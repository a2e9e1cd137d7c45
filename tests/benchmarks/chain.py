"""How the hand-written Celery chain is brought up and fed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import Celery, chain
from redis import Redis

from .competitor import end, spawn
from .workload import Recording

READY_SECONDS = 30


def messages(redis_url: str) -> int:
    """How many messages Redis was given, since ever; others that use it count too."""
    told: Any = Redis.from_url(redis_url).info("commandstats")
    return int(told.get("cmdstat_lpush", {}).get("calls", 0))


@dataclass(slots=True, kw_only=True)
class Chain:
    """A real worker on Redis; ETAs hold the waits.

    Attributes:
        broker_url: A Redis database that may be emptied.
        pool: Celery's pool, with its size.
        rates: Celery's rate_limit for each task; empty is what most people have.
    """

    name: str
    broker_url: str
    logs: Path
    pool: tuple[str, int] = ("threads", 16)
    rates: Mapping[str, str] = field(default_factory=dict)
    client: Celery | None = None
    worker: subprocess.Popen[str] | None = None

    def start(self, stub_url: str) -> None:
        Redis.from_url(self.broker_url).flushdb()
        env = {"PEER_AGORA_URL": stub_url, "PEER_BROKER_URL": self.broker_url}
        if self.rates:
            env["PEER_RATES"] = ",".join(f"{name}={rate}" for name, rate in self.rates.items())
        pool, size = self.pool
        options = [f"--pool={pool}", f"--concurrency={size}", "--loglevel=WARNING"]
        app = "tests.benchmarks.peer_chain.app"
        self.worker = spawn(
            ["celery", "-A", app, "worker", *options], env, self.logs / f"{self.name}.log"
        )
        self.client = Celery("caller", broker=self.broker_url, set_as_current=False)
        for _ in range(READY_SECONDS * 2):
            if self.client.control.ping(timeout=0.5):
                return
        raise RuntimeError(f"{self.name}: the worker did not answer, see {self.logs}")

    def submit(self, recordings: Sequence[Recording]) -> None:
        if self.client is None:
            raise RuntimeError("start() comes first")
        for recording in recordings:
            acquire = self.client.signature("peer_chain.acquire", (recording.as_json(),))
            begin = chain(acquire, self.client.signature("peer_chain.start"), app=self.client)
            due = recording.start_at
            begin.apply_async(eta=None if due is None else datetime.fromtimestamp(due, UTC))

    def pids(self) -> Sequence[int]:
        return [] if self.worker is None else [self.worker.pid]

    def counts(self) -> Mapping[str, int]:
        return {"messages": messages(self.broker_url)}

    def stop(self) -> None:
        if self.worker is not None:
            end(self.worker)
        if self.client is not None:
            self.client.close()
        Redis.from_url(self.broker_url).flushdb()
