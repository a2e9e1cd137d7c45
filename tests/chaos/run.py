"""One chaos run from its first process to the evidence that it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from deployment import CANARIES, Deployment

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.models import Entry, Recording, Session
from recording_tasks.simulator import running

from .callers import Asked, Callers
from .machine import Machine
from .network import Carried, Network
from .parts import Incident, Parts
from .plan import Plan
from .servers import own_broker, own_cluster

Say = Callable[[str], None]
Act = tuple[float, Callable[[], object], str]  # when, what, in words

_QUIET_SECONDS = 90.0  # the longest that a run may take to come to rest
_RATE = 10


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What a run left behind, to be judged; instants are Unix seconds.

    Attributes:
        report: The simulator's own report at the end.
        sessions: All sessions that the simulator ever had.
        calls: All calls that the simulator saw.
        slowness: How much longer work took than on an idle machine.
        rested_after: Seconds until nothing ran and everything was final; None: never.
        told: Lines of logs that hold a secret.
    """

    plan: Plan
    began: float
    ended: float
    report: dict[str, Any]
    sessions: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    carried: list[Carried]
    incidents: list[Incident]
    asked: list[Asked]
    recordings: list[Recording]
    own_sessions: dict[str, list[Session]]
    timelines: dict[str, list[Entry]]
    slowness: float
    rested_after: float | None
    told: list[str] = field(default_factory=list)


def run(plan: Plan, broker: str, folder: Path, say: Say) -> Evidence:
    """Do what a plan says to a deployment of its own, and collect what became of it."""
    with ExitStack() as stack:
        folder.chmod(0o755)  # the database's user goes through it
        (folder / "database").mkdir()
        cluster = stack.enter_context(own_cluster(folder / "database"))
        own = stack.enter_context(own_broker(broker, folder))
        simulator = stack.enter_context(
            running(
                requests_per_second=_RATE, join_seconds=0.1, latency_ms=80, seed=plan.seed, pcw=500
            )
        )
        network = stack.enter_context(Network(simulator.url, plan.seed))
        deployment = stack.enter_context(
            Deployment(
                folder,
                broker=own.url,
                database=cluster.url,
                simulator=simulator,
                AGORA_BASE_URLS=network.url,
                RECORDING_API_RATE=str(_RATE),
                RECORDING_QUERY_SECONDS="3",
                RECORDING_OVERLOAD_SECONDS="3",
                # A machine this busy wakes its threads late: wider slots, so that few are missed.
                RECORDING_API_MARGIN_SECONDS="0.3",
                RECORDING_API_TOLERANCE_SECONDS="0.2",
            )
        )
        machine = Machine(folder)
        stack.callback(machine.end)
        say(f"{broker}, PostgreSQL and the simulator are up; logs in {folder}")
        parts = Parts(deployment, cluster, own, network)
        return _Run(plan, deployment, network, parts, machine).evidence(say)


class _Run:
    """One plan, carried out once."""

    def __init__(
        self,
        plan: Plan,
        deployment: Deployment,
        network: Network,
        parts: Parts,
        machine: Machine,
    ) -> None:
        self._plan, self._deployment, self._parts = plan, deployment, parts
        self._simulator, self._network = deployment.simulator, network
        self._machine = machine
        self._began = time.time()
        self._callers = Callers(deployment, self._began)

    def evidence(self, say: Say) -> Evidence:
        """Carry the plan out, wait until all is at rest, and collect what is left of it."""
        for at, act, words in self._acts():
            self._wait(self._began + at)
            is_done = act()
            if words:
                left_out = "" if is_done else ": left out, it was still away"
                say(f"{time.time() - self._began:6.1f} s  {words}{left_out}")
        self._wait(self._began + self._plan.seconds)
        self._simulator.clear_faults()
        while not self._parts.is_whole:
            self._parts.mend(now=True)
            time.sleep(0.05)
        say(f"{time.time() - self._began:6.1f} s  all faults cease")
        rested_after = self._rested()
        self._callers.end()
        return self._collected(rested_after)

    def _acts(self) -> list[Act]:
        """Lay everything that the plan holds on one line of time."""
        plan, simulator, acts = self._plan, self._simulator, list[Act]()
        for wish in plan.wishes:
            users = [{"uid": "7", "leaves": wish.users_until}]
            acts.append((0.0, partial(simulator.channel, wish.channel, users=users), ""))
            acts.append((wish.asked_at, partial(self._callers.ask, wish), ""))
        acts += [
            (one.at, partial(simulator.fault, one.method, **one.rule), "") for one in plan.answers
        ]
        acts += [
            (one.at, partial(simulator.disturb, one.kind, one.channel, one.seconds), "")
            for one in plan.disturbances
        ]
        acts += [(one.at, partial(self._parts.strike, one), one.kind.value) for one in plan.strikes]
        return sorted(acts, key=itemgetter(0))

    def _wait(self, until: float) -> None:
        self._parts.mend()
        while time.time() < until:
            time.sleep(min(0.05, max(0.0, until - time.time())))
            self._parts.mend()

    def _rested(self) -> float | None:
        """Wait until every wish is final and nothing runs; gives how long that took."""
        began = time.time()
        last = self._began + max(wish.users_until for wish in self._plan.wishes)
        while time.time() < max(began, last) + _QUIET_SECONDS:
            recordings = self._all()
            is_asked = len(recordings) >= len(self._callers.asked) or time.time() > began + 30
            is_final = all(one.state.is_final for one in recordings)
            if is_asked and is_final and not self._simulator.report()["sessions_running"]:
                return time.time() - began
            time.sleep(0.3)
        return None

    def _all(self) -> list[Recording]:
        while True:
            try:
                return self._deployment.store.recent(most=100_000)
            except StoreUnavailableError:
                time.sleep(0.1)  # a connection of before an outage

    def _collected(self, rested_after: float | None) -> Evidence:
        recordings, store = self._all(), self._deployment.store
        return Evidence(
            plan=self._plan,
            began=self._began,
            ended=time.time(),
            report=self._simulator.report(),
            sessions=self._simulator.sessions(),
            calls=self._simulator.calls(),
            carried=list(self._network.log),
            incidents=self._parts.incidents,
            asked=self._callers.asked,
            recordings=recordings,
            own_sessions={one.id: store.sessions_of(one.id) for one in recordings},
            timelines={one.id: store.timeline_of(one.id) for one in recordings},
            slowness=self._machine.end(),
            rested_after=rested_after,
            told=_told(self._deployment.folder),
        )


def _told(folder: Path) -> list[str]:
    """Find the secrets that got into a log."""
    return [
        f"{log.name}: {secret[:6]}…"
        for log in folder.glob("*.log")
        for secret in CANARIES
        if secret in log.read_text(errors="replace")
    ]
