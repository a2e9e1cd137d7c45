"""The parts of one simulator together: clock, service, quota, faults and log."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import isinf
from typing import Any

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.calls import CallLog
from recording_tasks.simulator.clock import SimulatedClock
from recording_tasks.simulator.credentials import Credentials
from recording_tasks.simulator.faults import Faults
from recording_tasks.simulator.quota import Quota
from recording_tasks.simulator.report import described, session_figures
from recording_tasks.simulator.settings import Settings
from recording_tasks.simulator.world import World


class Simulation:
    """Everything one simulator remembers; used from one event loop only."""

    def __init__(self, settings: Settings) -> None:
        self.initial = settings
        self.closing = asyncio.Event()  # set when the server shuts down, so that hangs end
        self._clock_turned = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        """Go back to the beginning: nothing recorded, told or logged; the first settings."""
        self.settings = self.initial
        self.clock = SimulatedClock(speed=self.settings.speed)
        self.credentials = Credentials(self.settings)
        self.world = World(self.settings)
        self.quota = Quota()
        self.faults = Faults(self.settings.seed)
        self.log = CallLog()
        self._turn_clock()

    def configure(self, changes: dict[str, Any]) -> None:
        """Change settings; raises pydantic's error and changes nothing when they are wrong."""
        settings = self.settings.changed(changes)
        if settings.speed != self.settings.speed:
            self.clock.set_speed(settings.speed)
            self._turn_clock()
        self.settings = settings
        self.credentials = Credentials(settings)
        self.world.configure(settings)

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self.clock.advance(seconds)
        self._turn_clock()

    async def sleep_until(self, simulated: float) -> None:
        """Wait for a simulated instant, through jumps and changes of speed."""
        while not self.closing.is_set():
            seconds = self.clock.real_seconds_until(simulated)
            if seconds <= 0:
                return
            with suppress(TimeoutError):
                turned = self._clock_turned
                await asyncio.wait_for(turned.wait(), None if isinf(seconds) else seconds)

    def report(self) -> Json:
        """The figures since the beginning."""
        now = self.clock.now()
        accepted, arrived = self.quota.peaks_accepted(), self.quota.peaks_arrived()
        outcomes = self.log.outcomes
        return {
            "now": now,
            "speed": self.clock.speed,
            "calls": {method: dict(counts) for method, counts in outcomes.items()},
            "call_count": self.log.count,
            "refused_by_quota": self.quota.refused_count,
            "peak_accepted_per_second": accepted,
            "peak_arrivals_per_second": arrived,
            "queries_beside_stop": self.world.queries_beside_stop,
            "queries_after_stop": self.world.queries_after_stop,
            "resources_acquired": len(self.world.registry.resources),
            **session_figures(self.world.registry.sessions.values(), now),
        }

    def sessions(self) -> list[Json]:
        """All sessions, in the order of starting."""
        now = self.clock.now()
        known = self.world.registry.sessions.values()
        return [described(session, now, self.settings, self.clock) for session in known]

    def close(self) -> None:
        """Let hanging requests and sleepers go."""
        self.closing.set()
        self._turn_clock()

    def _turn_clock(self) -> None:
        self._clock_turned.set()
        self._clock_turned = asyncio.Event()
