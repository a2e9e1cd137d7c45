"""The simulator's time: real time, faster, slower, frozen or moved on by hand."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time of constant speed, until the next one begins."""

    real: float
    simulated: float
    speed: float


class SimulatedClock:
    """Seconds that read like Unix time and pass ``speed`` times as fast as real ones.

    A speed of 0 freezes it, so that only ``advance`` moves it.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall_offset = wall() - monotonic()
        self._stretches = [Stretch(real=monotonic(), simulated=wall(), speed=speed)]

    @property
    def speed(self) -> float:
        """How many simulated seconds pass in a real one."""
        return self._stretches[-1].speed

    def now(self) -> float:
        """The simulated instant."""
        last = self._stretches[-1]
        return last.simulated + (self._monotonic() - last.real) * last.speed

    def advance(self, seconds: float) -> None:
        """Jump ahead; whatever lies in between happens at once."""
        self._turn(self.now() + seconds, self.speed)

    def set_speed(self, speed: float) -> None:
        """Go on from the present instant at another speed."""
        self._turn(self.now(), speed)

    def unix(self, monotonic: float) -> float:
        """The real Unix time of a monotonic instant."""
        return monotonic + self._wall_offset

    def unix_at(self, simulated: float) -> float:
        """The real Unix time at which a simulated instant came, or will come at this speed."""
        index = bisect_right(self._stretches, simulated, key=lambda stretch: stretch.simulated)
        stretch = self._stretches[max(index - 1, 0)]
        passed = simulated - stretch.simulated
        real = stretch.real + (passed / stretch.speed if stretch.speed else 0.0)
        if index < len(self._stretches):
            real = min(real, self._stretches[index].real)  # it came with a jump
        return self.unix(real)

    def real_seconds_until(self, simulated: float) -> float:
        """How long to wait in real seconds; infinite while the clock is frozen."""
        left = simulated - self.now()
        if left <= 0:
            return 0.0
        return left / self.speed if self.speed else inf

    def _turn(self, simulated: float, speed: float) -> None:
        self._stretches.append(Stretch(real=self._monotonic(), simulated=simulated, speed=speed))
