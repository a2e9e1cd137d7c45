"""What every competitor is asked to do: the recordings of each workload, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording to make: acquire, start, one query, stop.

    Attributes:
        cname: Unique within a run; the stub's log knows a recording by it.
        start_at: When start is due, Unix seconds; None is at once.
        query_after_seconds: From the start's answer to the one query; 0 is at once.
        stop_at: When stop is due, Unix seconds; None is straight after the query.
    """

    cname: str
    uid: str
    start_at: float | None
    query_after_seconds: float
    stop_at: float | None

    def as_json(self) -> dict[str, Any]:
        """The same as a dict that a message or a row can carry."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A set of recordings and the stub they are made against.

    Attributes:
        quota: Requests per sliding second at the stub; None is unlimited.
        lead_seconds: From the submit to the first instant that is due.
        spacing_seconds: Between one recording's instant and the next one's.
        hold_seconds: From a recording's instant to its stop; None stops after the query.
        patience_seconds: After the last instant, a run that is not through is given up.
    """

    name: str
    count: int
    quota: int | None = None
    latency_ms: float = 0.0
    lead_seconds: float | None = None
    spacing_seconds: float = 0.0
    query_after_seconds: float = 0.0
    hold_seconds: float | None = None
    patience_seconds: float = 120.0

    def recordings(self, now: float) -> tuple[Recording, ...]:
        """Lay the recordings out from ``now`` (Unix seconds)."""
        return tuple(self._recording(number, now) for number in range(self.count))

    def last_instant(self, now: float) -> float:
        """When the last thing falls due if ``now`` is the submit."""
        spread = self.spacing_seconds * max(0, self.count - 1)
        return now + (self.lead_seconds or 0.0) + spread + (self.hold_seconds or 0.0)

    def _recording(self, number: int, now: float) -> Recording:
        start_at = None
        if self.lead_seconds is not None:
            start_at = now + self.lead_seconds + number * self.spacing_seconds
        stop_at = None
        if start_at is not None and self.hold_seconds is not None:
            stop_at = start_at + self.hold_seconds
        return Recording(
            cname=f"{self.name}{number}",
            uid=str(900_000 + number),
            start_at=start_at,
            query_after_seconds=self.query_after_seconds,
            stop_at=stop_at,
        )


def throughput(count: int) -> Workload:
    """As fast as it goes: no quota, no waits."""
    return Workload(name="throughput", count=count)


def herd(count: int, quota: int) -> Workload:
    """All due at one instant, under a strict quota."""
    return Workload(
        name="herd",
        count=count,
        quota=quota,
        lead_seconds=10.0,
        query_after_seconds=5.0,
        hold_seconds=30.0,
    )


def lag(count: int, latency_ms: float) -> Workload:
    """One by one in an idle system."""
    return Workload(
        name="lag",
        count=count,
        latency_ms=latency_ms,
        lead_seconds=5.0,
        spacing_seconds=2.0,
        query_after_seconds=0.5,
        hold_seconds=1.0,
    )


def warm_up() -> Workload:
    """A few recordings at once, so that imports and connections are paid before the clock runs."""
    return Workload(name="warmup", count=8)
