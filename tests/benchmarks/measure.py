"""One run: a fresh stub, a fresh contender, one workload, and the figures that came out."""

from __future__ import annotations

import json
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import requests

from . import cpu
from .competitor import Competitor, await_line, end, spawn
from .stub import WINDOW_SECONDS, Call
from .workload import Recording, Workload, warm_up

POLL_SECONDS = 0.2  # only to notice the end: all times are read off the stub's log
SETTLE_SECONDS = 0.5  # after the last stop: acknowledgements and commits still belong to the run
REFUSED = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run showed.

    Attributes:
        round: Those of one round ran one after another, so they compare best.
        quota: Of the stub, requests per sliding second.
        stopped: Recordings stopped; fewer than asked for means that the run was given up.
        wall_seconds: From the submit to the last stop's arrival.
        submit_seconds: Until all recordings were accepted.
        cpu_seconds: By whom, see ``cpu.sample``, and the stub's own.
        asked: Of its database and its broker, by kind.
        calls: Requests by "method status".
        refused_to_last_start: Refusals that arrived before the last start did.
        last_start_seconds: After the latest instant that was due.
        last_stop_seconds: The longest that a stop came after its instant.
        lags_ms: Of every start, from its instant to its arrival; empty where none was due.
        stop_lags_ms: The same of every stop.
        busiest_second: Most requests that were admitted in any sliding second.
    """

    contender: str
    workload: str
    round: int
    recordings: int
    quota: int | None
    stopped: int
    wall_seconds: float
    submit_seconds: float
    cpu_seconds: Mapping[str, float]
    asked: Mapping[str, int]
    calls: Mapping[str, int]
    refused: int
    refused_to_last_start: int
    last_start_seconds: float | None
    last_stop_seconds: float | None
    lags_ms: Sequence[float] = field(default_factory=tuple)
    stop_lags_ms: Sequence[float] = field(default_factory=tuple)
    busiest_second: int = 0

    @property
    def limit_seconds(self) -> float:
        """What the quota needs for one call of each recording."""
        return 0.0 if self.quota is None else self.recordings / self.quota

    @property
    def cpu_own(self) -> float:
        """CPU of the contender's processes and of the submit."""
        return self.cpu_seconds["contender"] + self.cpu_seconds["submit"]

    @property
    def cpu_servers(self) -> float:
        """CPU of the databases and brokers."""
        return sum(self.cpu_seconds[name] for name in cpu.SERVERS)

    def as_json(self) -> dict[str, Any]:
        """The same as a dict for a file."""
        return asdict(self)


class Stub:
    """The stub's process and its control door."""

    def __init__(self, log: Path) -> None:
        self._process: subprocess.Popen[str] = spawn(["tests.benchmarks.stub"], {}, log)
        self.url = f"http://127.0.0.1:{await_line(self._process)}"
        self._http = requests.Session()

    def reset(self, quota: int | None, latency_ms: float) -> None:
        """Forget all calls and set the options."""
        options = {"quota": quota, "latency_ms": latency_ms}
        self._http.post(f"{self.url}/_stub/reset", data=json.dumps(options)).raise_for_status()

    def report(self) -> dict[str, Any]:
        """Read its counts."""
        counts: dict[str, Any] = self._http.get(f"{self.url}/_stub/report").json()
        return counts

    def calls(self) -> list[Call]:
        """Read its log."""
        return [Call(**call) for call in self._http.get(f"{self.url}/_stub/calls").json()]

    def close(self) -> None:
        """End it."""
        self._http.close()
        end(self._process)


def run(contender: Competitor, workload: Workload, round_: int, logs: Path) -> Figures:
    """Bring everything up, warm it, measure one workload, take everything down."""
    stub = Stub(logs / "stub.log")
    try:
        contender.start(stub.url)
        first = warm_up()
        contender.submit(first.recordings(time.time()))
        await_stops(stub, first.stops, time.time() + first.patience_seconds)
        time.sleep(SETTLE_SECONDS)
        stub.reset(workload.quota, workload.latency_ms)
        return _measure(contender, workload, round_, stub)
    finally:
        contender.stop()
        stub.close()


def _measure(contender: Competitor, workload: Workload, round_: int, stub: Stub) -> Figures:
    counted = contender.counts()
    before, stub_before = cpu.sample(contender.pids()), stub.report()["cpu_s"]
    began = time.time()
    recordings = workload.recordings(began)
    contender.submit(recordings)
    submitted = time.time()
    used_to_submit = time.process_time()
    await_stops(stub, workload.stops, workload.last_instant(began) + workload.patience_seconds)
    time.sleep(SETTLE_SECONDS)
    after, report = cpu.sample(contender.pids()), stub.report()
    after["submit"] = used_to_submit  # what this process did since then is only watching
    used = cpu.difference(before, after) | {"stub": round(report["cpu_s"] - stub_before, 3)}
    return figures(
        name=contender.name,
        workload=workload,
        round_=round_,
        recordings=recordings,
        calls=stub.calls(),
        used=used,
        asked={kind: n - counted.get(kind, 0) for kind, n in contender.counts().items()},
        began=began,
        submit_seconds=submitted - began,
    )


def figures(
    *,
    name: str,
    workload: Workload,
    round_: int,
    recordings: Sequence[Recording],
    calls: Sequence[Call],
    used: Mapping[str, float],
    asked: Mapping[str, int],
    began: float,
    submit_seconds: float,
) -> Figures:
    """Read the figures off the stub's log."""
    starts = _first_arrivals(calls, "start")
    stops = _first_arrivals(calls, "stop")
    refusals = [call.at for call in calls if call.status == REFUSED]
    last_start = max(starts.values(), default=began)
    due = {r.cname: r.start_at for r in recordings if r.start_at is not None}
    ends = {r.cname: r.stop_at for r in recordings if r.stop_at is not None}
    stop_lags = {c: stops[c] - at for c, at in ends.items() if c in stops}
    counts: dict[str, int] = {}
    for call in calls:
        counts[f"{call.method} {call.status}"] = counts.get(f"{call.method} {call.status}", 0) + 1
    return Figures(
        contender=name,
        workload=workload.name,
        round=round_,
        recordings=workload.count,
        quota=workload.quota,
        stopped=len(stops) - workload.ending,
        wall_seconds=max(stops.values(), default=began) - began,
        submit_seconds=submit_seconds,
        cpu_seconds=used,
        asked=asked,
        calls=counts,
        refused=len(refusals),
        refused_to_last_start=sum(at < last_start for at in refusals),
        last_start_seconds=last_start - max(due.values()) if due else None,
        last_stop_seconds=max(stop_lags.values(), default=None),
        lags_ms=[round((starts[c] - at) * 1000, 2) for c, at in due.items() if c in starts],
        stop_lags_ms=[round(lag * 1000, 2) for lag in stop_lags.values()],
        busiest_second=busiest_second(call.at for call in calls if call.status != REFUSED),
    )


def busiest_second(arrivals: Iterable[float]) -> int:
    """Count the most arrivals in any sliding second."""
    window: deque[float] = deque()
    most = 0
    for at in sorted(arrivals):
        window.append(at)
        while at - window[0] >= WINDOW_SECONDS:
            window.popleft()
        most = max(most, len(window))
    return most


def _first_arrivals(calls: Sequence[Call], method: str) -> dict[str, float]:
    """When each recording's call first got through."""
    arrivals: dict[str, float] = {}
    for call in calls:
        if call.method == method and call.status == 200:
            arrivals.setdefault(call.cname, call.at)
    return arrivals


def await_stops(stub: Stub, count: int, until: float) -> None:
    """Watch the stub until all are stopped, or until it is not worth waiting (Unix seconds)."""
    while time.time() < until and stub.report()["stopped"] < count:
        time.sleep(POLL_SECONDS)
