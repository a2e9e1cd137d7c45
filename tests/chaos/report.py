"""How a run is shown: what was done to it, what came of it, how soon it went on."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from .judge import AFTER_KILL, QUOTA, RETURN_SECONDS, Verdict
from .plan import Plan


def show(plan: Plan, verdict: Verdict, console: Console) -> None:
    """Print the tables of one run, and its verdict."""
    console.print(_faults(verdict))
    console.print(_outcome(plan, verdict))
    console.print(_recovery(verdict))
    for note in verdict.notes:
        console.print(f"  {note}", style="dim")
    for fault in verdict.faults:
        console.print(f"  {fault}", style="red")
    console.print("it held" if not verdict.faults else "IT DID NOT HOLD", style="bold")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _faults(verdict: Verdict) -> Table:
    table = _table("faults injected", "kind", "times")
    for kind, count in sorted(verdict.struck.items()):
        table.add_row(kind, str(count))
    table.add_section()
    for kind, count in sorted(verdict.answered.items()):
        table.add_row(f"remote side: {kind}", str(count))
    table.add_section()
    outages, answers = verdict.struck.total(), verdict.answered.total()
    table.add_row("together", f"{outages + answers} ({outages} outages, {answers} answers)")
    return table


def _outcome(plan: Plan, verdict: Verdict) -> Table:
    table = _table(f"seed {plan.seed}, {plan.seconds:g} s of faults", "", "")
    states = ", ".join(f"{count} {state}" for state, count in sorted(verdict.states.items()))
    rows = {
        "recordings asked for": f"{verdict.recordings}, {len(verdict.asked_in_vain)} in vain",
        "final states": states,
        "lost": str(len(verdict.lost)),
        "left running": str(len(verdict.left_running)),
        "unasked doubles": str(len(verdict.doubles)),
        "unaccounted, ended by idle time": str(verdict.unaccounted),
        "windows covered": f"{verdict.covered_share:.1%}",
        "healthy part of the windows": f"{verdict.healthy_share:.1%}",
        "of that covered": f"{verdict.healthy_covered_share:.1%}",
        "stops after their instant, s": _spread(verdict.stop_lags),
        "own calls in a second, most": f"{verdict.peak_own} of {QUOTA}",
        "refused by the quota, with what the network did": str(verdict.refused_by_quota),
        "queries beside a stop": str(verdict.queries_beside_stop),
        "at rest after, s": "never"
        if verdict.rested_after is None
        else f"{verdict.rested_after:.1f}",
        "work took, of what it takes alone": f"{verdict.slowness:.2f}",
        "secrets in logs": str(len(verdict.told)),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _recovery(verdict: Verdict) -> Table:
    title = "seconds to the first overdue step, where nothing else was away"
    table = _table(title, "after", "times", "median", "max", "wanted")
    for kind, seconds in sorted(verdict.recoveries.items()):
        table.add_row(kind, *_figures(seconds), f"{RETURN_SECONDS:g}")
    repeats = _figures(verdict.repeats) if verdict.repeats else ("0", "-", "-")
    table.add_row("SIGKILL in mid-call: its next call", *repeats, f"{AFTER_KILL:g}")
    return table


def _figures(seconds: Sequence[float]) -> tuple[str, str, str]:
    return str(len(seconds)), f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}"


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    return f"median {statistics.median(seconds):.2f}, max {max(seconds):.2f}"
