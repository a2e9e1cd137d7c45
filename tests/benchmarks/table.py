"""How the figures of several runs are shown: medians, with the spread beside them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from rich.table import Table

from .measure import Figures

Cell = Callable[[Sequence[Figures], Sequence[Figures]], str]  # its own runs, everybody's runs

YARDSTICKS = {  # what everybody is compared with
    "throughput": "chain",
    "scaling": "ours-1",
    "lanes": "ours-unpolled",
}


def table(workload: str, runs: Sequence[Figures]) -> Table:
    """Lay out one workload: a row for each contender."""
    columns = _COLUMNS[workload]
    first = runs[0]
    quota = "no quota" if first.quota is None else f"quota {first.quota}/s"
    title = f"{workload}: {first.recordings} recordings, {quota}; median (lowest-highest)"
    shown = Table(title=title, title_justify="left")
    for heading in ("contender", *columns, "runs"):
        shown.add_column(heading, justify="left" if heading == "contender" else "right")
    for name in dict.fromkeys(run.contender for run in runs):
        own = [run for run in runs if run.contender == name]
        cells = [cell(own, runs) for cell in columns.values()]
        shown.add_row(name, *cells, _completed(own))
    return shown


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; ``share`` from 0 to 1."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def _summary(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    low, middle, high = (
        f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return middle if low == high else f"{middle} ({low}-{high})"


def _spread(read: Callable[[Figures], float | None], digits: int) -> Cell:
    def cell(own: Sequence[Figures], _: Sequence[Figures]) -> str:
        return _summary([value for value in map(read, own) if value is not None], digits)

    return cell


def _ratio(read: Callable[[Figures], float | None]) -> Cell:
    """Compare with the yardstick's run of the same round."""

    def cell(own: Sequence[Figures], everybody: Sequence[Figures]) -> str:
        name = YARDSTICKS[own[0].workload]
        yardstick = {run.round: read(run) or 0.0 for run in everybody if run.contender == name}
        return _summary(
            [(read(r) or 0.0) / yardstick[r.round] for r in own if yardstick.get(r.round)], 2
        )

    return cell


def _lag(share: float) -> Cell:
    def cell(own: Sequence[Figures], _: Sequence[Figures]) -> str:
        lags = [lag for run in own for lag in run.lags_ms]
        return f"{percentile(lags, share):.0f}" if lags else "-"

    return cell


def _completed(runs: Sequence[Figures]) -> str:
    """How many runs; a run that was given up is said so."""
    given_up = sum(run.stopped < run.recordings for run in runs)
    return f"{len(runs)}" + (f", {given_up} given up" if given_up else "")


def _server(name: str) -> Cell:
    return _spread(lambda run: run.cpu_seconds[name], 1)


def _to_limit(read: Callable[[Figures], float | None]) -> Callable[[Figures], float | None]:
    """How many times the physical limit it took."""

    def ratio(run: Figures) -> float | None:
        seconds = read(run)
        return seconds / run.limit_seconds if seconds is not None and run.limit_seconds else None

    return ratio


def _each_ms(read: Callable[[Figures], float]) -> Cell:
    """Milliseconds for each recording."""
    return _spread(lambda run: 1000 * read(run) / run.recordings, 1)


def _each(kind: str) -> Cell:
    """Of what was asked of the servers, for each recording."""

    def read(run: Figures) -> float | None:
        return run.asked[kind] / run.recordings if kind in run.asked else None

    return _spread(read, 1)


def _last_start(run: Figures) -> float | None:
    return run.last_start_seconds


def _last_stop(run: Figures) -> float | None:
    return run.last_stop_seconds


def _wall(run: Figures) -> float:
    return run.wall_seconds


_COLUMNS: dict[str, dict[str, Cell]] = {
    "throughput": {
        "wall s": _spread(_wall, 1),
        "wall ratio": _ratio(_wall),
        "per s": _spread(lambda run: run.recordings / run.wall_seconds, 0),
        "CPU s": _spread(lambda run: run.cpu_own, 1),
        "CPU ratio": _ratio(lambda run: run.cpu_own),
        "CPU ms each": _each_ms(lambda run: run.cpu_own),
        "submit s": _spread(lambda run: run.submit_seconds, 1),
        "PostgreSQL": _server("postgresql"),
        "Redis": _server("redis"),
        "RabbitMQ": _server("rabbitmq"),
        "stub": _server("stub"),
    },
    "herd": {
        "limit s": _spread(lambda run: run.limit_seconds, 1),
        "last start s": _spread(_last_start, 2),
        "x limit": _spread(_to_limit(_last_start), 2),
        "last stop s": _spread(_last_stop, 2),
        "x limit ": _spread(_to_limit(_last_stop), 2),
        "refused": _spread(lambda run: run.refused, 0),
        "refused to last start": _spread(lambda run: run.refused_to_last_start, 0),
        "CPU s": _spread(lambda run: run.cpu_own, 1),
    },
    "lanes": {
        "limit s": _spread(lambda run: 2 * run.limit_seconds, 1),
        "last start s": _spread(_last_start, 2),
        "ratio": _ratio(_last_start),
        "last stop s": _spread(_last_stop, 2),
        "ratio ": _ratio(_last_stop),
        "queries": _spread(lambda run: run.calls.get("query 200", 0), 0),
        "refused": _spread(lambda run: run.refused, 0),
    },
    "scaling": {
        "wall s": _spread(_wall, 1),
        "per s": _spread(lambda run: run.recordings / run.wall_seconds, 1),
        "wall ratio": _ratio(_wall),
        "CPU s": _spread(lambda run: run.cpu_own, 1),
        "PostgreSQL": _server("postgresql"),
    },
    "cost": {
        "statements": _each("statements"),
        "trips": _each("trips"),
        "messages": _each("messages"),
        "CPU ms": _each_ms(lambda run: run.cpu_own),
        "servers' CPU ms": _each_ms(lambda run: run.cpu_servers),
        "per s": _spread(lambda run: run.recordings / run.wall_seconds, 0),
    },
    "lag": {
        "p50 ms": _lag(0.5),
        "p95 ms": _lag(0.95),
        "p99 ms": _lag(0.99),
        "max ms": _lag(1.0),
        "CPU s": _spread(lambda run: run.cpu_own, 1),
    },
}
