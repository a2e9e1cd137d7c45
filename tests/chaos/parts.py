"""The parts of the deployment under chaos: how each is struck, made good, and seen to be back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psutil
from deployment import Deployment, Process

from .network import Network
from .plan import Kind, Strike
from .servers import Broker, Cluster


@dataclass(slots=True, kw_only=True)
class Incident:
    """One outage as it really was; instants are Unix seconds.

    Attributes:
        is_mid_call: Whether a worker was struck while it had a call under way.
        back_at: When the part did its work again; None while it does not.
        overdue: How many steps were overdue when it came back; None where nobody could tell.
    """

    kind: Kind
    at: float
    note: str = ""
    is_mid_call: bool = False
    back_at: float | None = None
    overdue: int | None = None


@dataclass(slots=True, kw_only=True)
class _Repair:
    """What is still to be done about an incident.

    Attributes:
        due_at: When the part is made good, on the monotonic clock.
        begin: Makes it good; None when that was done.
        is_back: Whether it does its work again.
    """

    incident: Incident
    due_at: float
    begin: Callable[[], None] | None
    is_back: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Outage:
    strike: Callable[[], None]
    mend: Callable[[], None]
    is_back: Callable[[], bool] = lambda: True


_OF_ONE_WORKER = frozenset({Kind.WORKER_KILLED, Kind.WORKER_FROZEN, Kind.WORKER_ENDED})


class Parts:
    """Two workers, two beats, a broker, a database and a network; used from one thread only."""

    def __init__(
        self, deployment: Deployment, cluster: Cluster, broker: Broker, network: Network
    ) -> None:
        self._deployment, self._cluster, self._broker = deployment, cluster, broker
        self._network = network
        self._repairs: list[_Repair] = []
        self.incidents: list[Incident] = []
        self._workers = [deployment.worker(wait=False) for _ in range(2)]
        self._beats = [deployment.beat() for _ in range(2)]
        for worker in self._workers:
            worker.says(" ready.", 60)
        for beat in self._beats:
            beat.says("Sending due task sweep", 60)

    @property
    def is_whole(self) -> bool:
        """Whether every part does its work."""
        return not self._repairs

    def strike(self, strike: Strike) -> bool:
        """Let an outage begin; not where its part has not come back from the one before."""
        away = {part for repair in self._repairs for part in repair.incident.kind.parts}
        if away & strike.kind.parts:
            return False
        incident = Incident(kind=strike.kind, at=time.time())
        outage = self._outage(strike, incident)
        if strike.kind in _OF_ONE_WORKER:
            incident.is_mid_call = self._await_call(self._workers[strike.index])
            incident.at = time.time()
        outage.strike()
        due_at = time.monotonic() + strike.seconds
        self._repairs.append(
            _Repair(incident=incident, due_at=due_at, begin=outage.mend, is_back=outage.is_back)
        )
        self.incidents.append(incident)
        return True

    def _outage(self, strike: Strike, incident: Incident) -> _Outage:
        index, broker, cluster, network = strike.index, self._broker, self._cluster, self._network
        worker, beat = self._workers[index], self._beats[index]
        match strike.kind:
            case Kind.WORKER_KILLED:
                return _Outage(worker.kill, partial(self._new_worker, index), self._ready(index))
            case Kind.WORKERS_KILLED:
                return _Outage(
                    partial(_kill_all, self._workers), self._new_workers, self._any_ready
                )
            case Kind.WORKER_FROZEN:
                return _Outage(worker.freeze, worker.thaw)
            case Kind.WORKER_ENDED:
                follow = partial(self._has_followed, incident, worker, index)
                return _Outage(worker.ask_to_end, _nothing, follow)
            case Kind.BEAT_KILLED:
                return _Outage(beat.kill, partial(self._new_beat, index), self._beating(index))
            case Kind.BEATS_KILLED:
                return _Outage(
                    partial(_kill_all, self._beats), self._new_beats, self._beating(0, 1)
                )
            case Kind.BEAT_FROZEN:
                return _Outage(beat.freeze, beat.thaw)
            case Kind.BROKER_KILLED:
                return _Outage(broker.kill, broker.restart, broker.answers)
            case Kind.BROKER_FROZEN:
                return _Outage(broker.freeze, broker.thaw)
            case Kind.BROKER_FLUSHED:
                return _Outage(broker.flush, _nothing)
            case Kind.DATABASE_KILLED:
                return _Outage(cluster.kill, cluster.start, cluster.answers)
            case Kind.DATABASE_STOPPED:
                return _Outage(cluster.stop_at_once, cluster.start, cluster.answers)
            case _:
                return _Outage(partial(network.turn, strike.kind), partial(network.turn, None))

    def mend(self, *, now: bool = False) -> None:
        """Make good what is due to be, and note what is back."""
        clock = time.monotonic()
        for repair in list(self._repairs):
            if repair.begin is not None and (now or repair.due_at <= clock):
                repair.begin()
                repair.begin = None
            if repair.begin is None and repair.is_back():
                repair.incident.back_at = time.time()
                repair.incident.overdue = self._cluster.overdue()
                self._repairs.remove(repair)

    # -- inside --------------------------------------------------------------------------

    def _await_call(self, worker: Process, seconds: float = 1.5) -> bool:
        """Wait until a worker has a call under way; give up soon."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            waiting = {one.port for one in self._network.under_way()}
            if waiting and waiting & _ports(worker):
                return True
            time.sleep(0.01)
        return False

    def _new_worker(self, index: int) -> None:
        self._workers[index] = self._deployment.worker(wait=False)

    def _new_workers(self) -> None:
        for index in range(len(self._workers)):
            self._new_worker(index)

    def _ready(self, index: int) -> Callable[[], bool]:
        return lambda: " ready." in self._workers[index].text

    def _any_ready(self) -> bool:
        return any(" ready." in worker.text for worker in self._workers)

    def _new_beat(self, index: int) -> None:
        self._beats[index] = self._deployment.beat()

    def _new_beats(self) -> None:
        for index in range(len(self._beats)):
            self._new_beat(index)

    def _beating(self, *indices: int) -> Callable[[], bool]:
        return lambda: any("beat: Starting" in self._beats[index].text for index in indices)

    def _has_followed(self, incident: Incident, ending: Process, index: int) -> bool:
        """Replace a worker that was asked to end when it has, and wait for the new one."""
        if ending.is_alive:
            return False
        if self._workers[index] is ending:
            incident.note = f"exit {ending.wait(1)} after {time.time() - incident.at:.1f} s"
            self._new_worker(index)
        return self._ready(index)()


def _nothing() -> None:
    """Leave it: it comes back by itself."""


def _kill_all(processes: list[Process]) -> None:
    for process in processes:
        process.kill()


def _ports(process: Process) -> set[int]:
    try:
        connections = psutil.Process(process.pid).net_connections("tcp4")
    except psutil.Error:
        return set()
    return {one.laddr.port for one in connections}
