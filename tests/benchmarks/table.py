"""How the figures of several runs are shown: medians, with the spread beside them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from rich.table import Table

from .measure import Figures

Cell = Callable[[Sequence[Figures], Sequence[Figures]], str]  # its own runs, everybody's runs

YARDSTICK = "chain"  # what everybody is compared with


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


def _ratio(read: Callable[[Figures], float]) -> Cell:
    """Compare with the yardstick's run of the same round."""

    def cell(own: Sequence[Figures], everybody: Sequence[Figures]) -> str:
        yardstick = {run.round: read(run) for run in everybody if run.contender == YARDSTICK}
        return _summary([read(r) / yardstick[r.round] for r in own if yardstick.get(r.round)], 2)

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


def _to_floor(run: Figures) -> float | None:
    """How many times the best possible the last start took."""
    if run.last_start_seconds is None or not run.floor_seconds:
        return None
    return run.last_start_seconds / run.floor_seconds


_COLUMNS: dict[str, dict[str, Cell]] = {
    "throughput": {
        "wall s": _spread(lambda run: run.wall_seconds, 1),
        "wall ratio": _ratio(lambda run: run.wall_seconds),
        "CPU s": _spread(lambda run: run.cpu_own, 1),
        "CPU ratio": _ratio(lambda run: run.cpu_own),
        "submit s": _spread(lambda run: run.submit_seconds, 1),
        "PostgreSQL": _server("postgresql"),
        "Redis": _server("redis"),
        "RabbitMQ": _server("rabbitmq"),
        "stub": _server("stub"),
    },
    "herd": {
        "last start s": _spread(lambda run: run.last_start_seconds, 1),
        "floor s": _spread(lambda run: run.floor_seconds, 0),
        "x floor": _spread(_to_floor, 1),
        "refused": _spread(lambda run: run.refused, 0),
        "refused to last start": _spread(lambda run: run.refused_to_last_start, 0),
        "last stop s": _spread(lambda run: run.last_stop_seconds, 1),
        "CPU s": _spread(lambda run: run.cpu_own, 1),
    },
    "lag": {
        "p50 ms": _lag(0.5),
        "p95 ms": _lag(0.95),
        "p99 ms": _lag(0.99),
        "max ms": _lag(1.0),
        "CPU s": _spread(lambda run: run.cpu_own, 1),
    },
}
