"""What every competitor is asked to do: the recordings of each workload, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

EARLIER_CALLS = 3.5  # acquire, start, the first query, and a little room


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
        live: Recordings that began before and outlast the run.
        ending: Recordings that began before, and whose stop is due at the instant.
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
    live: int = 0
    ending: int = 0

    @property
    def stops(self) -> int:
        """How many stops end the run."""
        return self.count + self.ending

    def recordings(self, now: float) -> tuple[Recording, ...]:
        """Lay the recordings out from ``now`` (Unix seconds)."""
        own = tuple(self._recording(number, now) for number in range(self.count))
        return (*self._earlier(now), *own)

    def last_instant(self, now: float) -> float:
        """When the last thing falls due if ``now`` is the submit."""
        spread = self.spacing_seconds * max(0, self.count - 1)
        return now + (self.lead_seconds or 0.0) + spread + (self.hold_seconds or 0.0)

    def _earlier(self, now: float) -> Iterator[Recording]:
        """Begin one after another, as the quota lets them (each takes three calls at first)."""
        instant = now + (self.lead_seconds or 0.0)
        apart = EARLIER_CALLS / self.quota if self.quota else 0.0
        for number in range(self.live + self.ending):
            yield Recording(
                cname=f"{self.name}-earlier{number}",
                uid=str(800_000 + number),
                start_at=now + 5.0 + number * apart,
                query_after_seconds=self.query_after_seconds,
                stop_at=instant + 7200 if number < self.live else instant,
            )

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


def cost(count: int) -> Workload:
    """The same, to count what one recording asks of the servers."""
    return Workload(name="cost", count=count)


def herd(count: int, quota: int) -> Workload:
    """All due at one instant, and all stops at another, under a strict quota."""
    turn = count / quota  # seconds that one call of each takes
    return Workload(
        name="herd",
        count=count,
        quota=quota,
        lead_seconds=8.0 + 1.2 * turn,
        query_after_seconds=5.0,
        hold_seconds=26.0 + 2 * turn,
    )


def lanes(live: int, count: int, quota: int) -> Workload:
    """So many starts and so many stops due at one instant, while others are live."""
    return Workload(
        name="lanes",
        count=count,
        quota=quota,
        lead_seconds=40.0 + EARLIER_CALLS * (live + count) / quota,  # so long they are polled
        query_after_seconds=5.0,
        hold_seconds=30.0,
        live=live,
        ending=count,
    )


def scaling(count: int, latency_ms: float) -> Workload:
    """Calls that take as long as real ones: what is waited for, not computed."""
    return Workload(name="scaling", count=count, latency_ms=latency_ms)


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
