"""Every call that arrived: when, what it was about, and what it heard."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice

from recording_tasks.simulator.answers import Json

KEPT = 100_000


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """One line of the log; status is None while, and if, nothing was answered.

    Attributes:
        at_monotonic: Real arrival, on the server's monotonic clock.
        outcome: What the report counts: ``200``, ``206/435``, ``reset``, ``lost``, ``hung``.
    """

    number: int
    at_monotonic: float
    at_unix: float
    simulated_at: float
    method: str = "unknown"
    app: str = ""
    cname: str = ""
    uid: str = ""
    resource_id: str = ""
    sid: str = ""
    mode: str = ""
    path: str = ""
    status: int | None = None
    code: int | None = None
    latency_ms: float | None = None
    fault: str | None = None
    outcome: str = "pending"

    def as_json(self) -> Json:
        """The line as the control door shows it."""
        return {name: getattr(self, name) for name in CallRecord.__slots__}


class CallLog:
    """The last calls, and how often each method heard each answer since the beginning."""

    def __init__(self, kept: int = KEPT) -> None:
        self._records: deque[CallRecord] = deque(maxlen=kept)
        self.count = 0
        self.outcomes: dict[str, Counter[str]] = {}

    def open(self, at_monotonic: float, at_unix: float, simulated_at: float) -> CallRecord:
        """Log an arrival."""
        self.count += 1
        record = CallRecord(
            number=self.count,
            at_monotonic=at_monotonic,
            at_unix=at_unix,
            simulated_at=simulated_at,
        )
        self._records.append(record)
        return record

    def close(self, record: CallRecord, outcome: str, now: float) -> None:
        """Log how it ended, ``now`` on the monotonic clock."""
        record.outcome = outcome
        record.latency_ms = round((now - record.at_monotonic) * 1000, 3)
        self.outcomes.setdefault(record.method, Counter())[outcome] += 1

    def matching(
        self, *, method: str | None, cname: str | None, since: int, limit: int
    ) -> list[Json]:
        """The lines after number ``since``, oldest first, at most ``limit``."""
        found = (
            record.as_json()
            for record in self._records
            if record.number > since
            and method in (None, record.method)
            and cname in (None, record.cname)
        )
        return list(islice(found, limit))
