"""The command: ``python -m tests.benchmarks [throughput|cost|herd|lanes|lag|size|memory …]``."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import psutil
from rich.console import Console

from . import memory, size
from .chain import Chain
from .competitor import Competitor
from .durable import Durable
from .embedded import Embedded
from .measure import Figures, run
from .ours import Ours
from .table import table
from .workload import Workload, cost, herd, lag, lanes, scaling, throughput

WORKLOADS = ("throughput", "cost", "herd", "lanes", "lag", "scaling")
OURS_ALONE = ("size", "apps", "memory")  # one use case, with nobody to compare it with
PEERS_HERD = 100  # with more, the peers retry for many minutes
QUOTA = 10  # Agora's default, requests a second
RATES = {"acquire": "3/s", "start": "3/s", "query": "2/s", "stop": "2/s"}  # together the quota
AT_ONCE = {"RECORDING_FIRST_QUERY_SECONDS": "0", "RECORDING_QUERY_GAP_SECONDS": "0"}
DEFAULTS = {
    "throughput": ("ours-free", "chain", "chain-threads", "dbos", "dbos-2"),
    "cost": ("ours-tapped", "chain"),
    "herd": ("ours", "chain", "chain-rates", "dbos", "dbos-limiter"),
    "lanes": ("ours-unpolled", "ours-polled"),
    "lag": ("ours", "ours-rabbitmq", "ours-embedded", "chain", "dbos"),
    "scaling": ("ours-1", "ours-2", "ours-4"),
}

Contenders = dict[str, Callable[[], Competitor]]


def contenders(redis_url: str, rabbitmq_url: str, postgres_url: str, logs: Path) -> Contenders:
    """Name every contender; each call makes a fresh one."""

    celery = partial(Chain, broker_url=redis_url, logs=logs)
    dbos = partial(Durable, server_url=postgres_url, logs=logs)
    ours = partial(Ours, broker_url=redis_url, server_url=postgres_url, logs=logs)
    free = partial(ours, rate=0, extra=AT_ONCE)
    small = partial(free, threads=4)
    asked = partial(ours, workers=4)  # how often live sessions are queried differs
    limited = partial(dbos, poll_seconds=0.1, calls_per_second=QUOTA)
    return {
        "ours": partial(ours, name="ours", workers=4),
        "ours-rabbitmq": partial(ours, name="ours-rabbitmq", broker_url=rabbitmq_url),
        "ours-embedded": partial(Embedded, name="ours-embedded", logs=logs),
        "ours-free": partial(free, name="ours-free"),
        "ours-tapped": partial(free, name="ours-tapped", is_tapped=True),
        "ours-1": partial(small, name="ours-1", workers=1),
        "ours-2": partial(small, name="ours-2", workers=2),
        "ours-4": partial(small, name="ours-4", workers=4),
        "ours-unpolled": partial(asked, name="ours-unpolled", extra=_queried_every(3600)),
        "ours-polled": partial(asked, name="ours-polled", extra=_queried_every(5)),
        "chain": partial(celery, name="chain", pool=("prefork", 8)),
        "chain-threads": partial(celery, name="chain-threads", pool=("threads", 16)),
        "chain-rates": partial(celery, name="chain-rates", pool=("prefork", 8), rates=RATES),
        "dbos": partial(dbos, name="dbos"),
        "dbos-2": partial(dbos, name="dbos-2", processes=2),
        "dbos-32": partial(dbos, name="dbos-32", concurrency=32, poll_seconds=0.1),
        "dbos-limiter": partial(limited, name="dbos-limiter"),
    }


def _defaults(workload: Workload) -> Sequence[str]:
    names = DEFAULTS[workload.name]
    if workload.name == "herd" and workload.count > PEERS_HERD:
        return [name for name in names if name.startswith("ours")]
    return names


def _queried_every(seconds: int) -> dict[str, str]:
    return {"RECORDING_QUERY_SECONDS": str(seconds)}


@click.command(context_settings={"show_default": True})
@click.argument("names", nargs=-1, type=click.Choice([*WORKLOADS, *OURS_ALONE]))
@click.option("--runs", default=3, help="How often each contender runs; the order rotates.")
@click.option("--only", multiple=True, help="Only this contender; may be repeated.")
@click.option("--count", default=400, help="Recordings in throughput.")
@click.option("--herd", "herds", default=(20, 100, 600), multiple=True, help="Due at one instant.")
@click.option("--quota", default=QUOTA, help="Requests a second in herd.")
@click.option("--singles", default=20, help="Recordings in one run of lag.")
@click.option("--polled", default=300, help="Recordings that are live, in lanes.")
@click.option("--due", default=50, help="Starts, and as many stops, due at one instant, in lanes.")
@click.option("--latency-ms", default=0.0, help="The stub's answers take so long, in lag.")
@click.option("--batches", default=8, help="Of so many recordings as --count says, in memory.")
@click.option("--live", default=10_000, help="Live recordings of the large store in size.")
@click.option("--finished", default=1_000_000, help="Finished ones.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every run here.")
@click.option("--redis", default="redis://127.0.0.1:6379/11", help="A database that is emptied.")
@click.option("--rabbitmq", default="amqp://guest:guest@127.0.0.1:5672//", help="A virtual host.")
@click.option("--postgres", default="postgresql://postgres@127.0.0.1:5432", help="A server.")
def main(
    names: Sequence[str],
    *,
    runs: int,
    only: Sequence[str],
    count: int,
    herds: Sequence[int],
    quota: int,
    singles: int,
    polled: int,
    due: int,
    latency_ms: float,
    batches: int,
    live: int,
    finished: int,
    json_file: Path | None,
    redis: str,
    rabbitmq: str,
    postgres: str,
) -> None:
    """Measure the contenders side by side on one stub and print a table for each workload."""
    logs = Path(tempfile.mkdtemp(prefix="bench-"))
    known = contenders(redis, rabbitmq, postgres, logs)
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    workloads = {
        "throughput": [throughput(count)],
        "cost": [cost(count)],
        "herd": [herd(size, quota) for size in herds],
        "lanes": [lanes(polled, due, quota)],
        "lag": [lag(singles, latency_ms)],
        "scaling": [scaling(count // 2, 100.0)],
    }
    console = Console(width=180 if not sys.stdout.isatty() else None)
    console.print(_machine())
    console.print(f"logs in {logs}")
    everything: list[Figures] = []
    for name in names or (*WORKLOADS, *OURS_ALONE):
        if name == "size":
            size.measure(postgres, live, finished, console)
            continue
        if name == "apps":
            size.measure_apps(postgres, console)
            continue
        if name == "memory":
            ours = partial(Ours, broker_url=redis, server_url=postgres, logs=logs, rate=0)
            memory.measure(ours(name="ours", extra=AT_ONCE), batches, count, logs, console)
            continue
        for workload in workloads[name]:
            chosen = {one: known[one] for one in only or _defaults(workload)}
            measured = _rounds(chosen, workload, runs, logs, console)
            everything += measured
            console.print(table(name, measured), crop=False)
    if json_file is not None:
        json_file.write_text(json.dumps([figures.as_json() for figures in everything], indent=1))


def _rounds(
    chosen: Contenders, workload: Workload, runs: int, logs: Path, console: Console
) -> list[Figures]:
    """Run everybody once per round; each round another one goes first."""
    names = list(chosen)
    measured = []
    for number in range(runs):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            figures = run(chosen[name](), workload, number + 1, logs)
            measured.append(figures)
            console.print(
                f"{workload.name} {number + 1}/{runs} {name}: {figures.wall_seconds:.1f} s,"
                f" CPU {figures.cpu_own:.1f} s, {figures.refused} refused,"
                f" {figures.stopped} of {figures.recordings} stopped, {dict(figures.calls)}"
            )
    return measured


def _machine() -> str:
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores,"
        f" {psutil.virtual_memory().total / 2**30:.1f} GiB, {platform.platform()},"
        f" Python {platform.python_version()}, load before: {load}"
    )


if __name__ == "__main__":
    main()
