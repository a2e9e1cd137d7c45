"""How much memory a worker holds after many recordings: it must not grow with them."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from .measure import SETTLE_SECONDS, Stub, await_stops
from .ours import Ours
from .workload import throughput

MIB = 2**20


def measure(ours: Ours, batches: int, count: int, logs: Path, console: Console) -> None:
    """Let the same workers do batch after batch, and read what they hold after each."""
    stub = Stub(logs / "stub.log")
    table = Table(title=f"memory of {ours.workers} workers and a beat", title_justify="left")
    for name in ("recordings so far", "a worker, MiB", "since the batch before", "the beat, MiB"):
        table.add_column(name, justify="right")
    try:
        ours.start(stub.url)
        before: float | None = None
        for number in range(1, batches + 1):
            stub.reset(None, 0.0)
            workload = throughput(count)
            ours.submit(workload.recordings(time.time()))
            await_stops(stub, workload.stops, time.time() + workload.patience_seconds)
            time.sleep(SETTLE_SECONDS)
            if (stopped := stub.report()["stopped"]) < count:
                raise RuntimeError(f"{count - stopped} were not stopped, see {logs}")
            held = [_resident(pid) for pid in ours.pids()]
            worker, beat = sum(held[: ours.workers]) / ours.workers, held[ours.workers]
            grown = "" if before is None else f"{worker - before:+.1f}"
            table.add_row(str(number * count), f"{worker:.1f}", grown, f"{beat:.1f}")
            console.print(f"memory {number}/{batches}: {worker:.1f} MiB a worker")
            before = worker
    finally:
        ours.stop()
        stub.close()
    console.print(table)


def _resident(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss / MIB)
