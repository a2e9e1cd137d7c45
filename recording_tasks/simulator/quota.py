"""How many requests an App ID may send in any second, counted at arrival, in real time."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 1.0


class _Window:
    """The arrivals of the last second, and the most there ever were."""

    __slots__ = ("arrivals", "peak")

    def __init__(self) -> None:
        self.arrivals: deque[float] = deque()
        self.peak = 0

    def count(self, now: float) -> int:
        """Forget what is a second old or older; say how many are left."""
        arrivals = self.arrivals
        while arrivals and now - arrivals[0] >= WINDOW_SECONDS:
            arrivals.popleft()
        return len(arrivals)

    def add(self, now: float) -> None:
        self.arrivals.append(now)
        self.peak = max(self.peak, len(self.arrivals))


class Quota:
    """A strict sliding window for each App ID, shared over all methods.

    A refused request does not count towards the window: whoever keeps knocking is let in
    as soon as the accepted ones are a second old.
    """

    def __init__(self) -> None:
        self._accepted: dict[str, _Window] = {}
        self._arrived: dict[str, _Window] = {}
        self.refused_count = 0

    def admit(self, app: str, now: float, limit: int) -> bool:
        """Count one arrival; arrivals come in the order of ``now`` (monotonic seconds)."""
        arrived = self._arrived.setdefault(app, _Window())
        arrived.count(now)
        arrived.add(now)
        accepted = self._accepted.setdefault(app, _Window())
        if accepted.count(now) >= limit:
            self.refused_count += 1
            return False
        accepted.add(now)
        return True

    def peaks_accepted(self) -> dict[str, int]:
        """The most accepted requests in any sliding second, for each App ID."""
        return {app: window.peak for app, window in self._accepted.items()}

    def peaks_arrived(self) -> dict[str, int]:
        """The most requests in any sliding second, refused ones included."""
        return {app: window.peak for app, window in self._arrived.items()}
