"""How much processor time was used, by whom: the contender's trees and each server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import psutil

SERVERS = {"postgresql": "postgres", "redis": "redis-server", "rabbitmq": "beam.smp"}


def sample(pids: Sequence[int]) -> dict[str, float]:
    """Read CPU seconds (user and system, since ever): contender, this process, each server.

    The servers are counted whole: on a machine where somebody else uses them, their share is in
    it too.
    """
    used = {name: _whole(_named(program)) for name, program in SERVERS.items()}
    used["contender"] = sum(_tree(pid) for pid in pids)
    used["submit"] = time.process_time()
    return used


def difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was used between two samples."""
    return {name: round(after[name] - before[name], 3) for name in after}


def _tree(pid: int) -> float:
    try:
        root = psutil.Process(pid)
        return _whole([root, *root.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0.0


def _named(program: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["name"]) if p.info["name"] == program]


def _whole(processes: Iterable[psutil.Process]) -> float:
    return sum(_used(process) for process in processes)


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    # children_*: those that ended and were waited for, such as a database's closed connections
    return float(times.user + times.system + times.children_user + times.children_system)
