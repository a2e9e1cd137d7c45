"""The simulated clock."""

from math import inf

import pytest

from recording_tasks.simulator.clock import SimulatedClock


class Real:
    """Real time, set by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def real() -> Real:
    return Real()


def clock_at(real: Real, speed: float) -> SimulatedClock:
    return SimulatedClock(speed=speed, monotonic=real, wall=lambda: real.seconds + 5000)


def test_it_runs_as_many_times_faster_as_asked(real: Real) -> None:
    """A minute passes in a second at speed 60."""
    clock = clock_at(real, 60)
    began = clock.now()

    real.seconds += 2

    assert clock.now() - began == 120


def test_a_frozen_clock_moves_only_by_hand(real: Real) -> None:
    """At speed 0 nothing but advance moves it."""
    clock = clock_at(real, 0)
    began = clock.now()

    real.seconds += 100
    clock.advance(7)

    assert clock.now() - began == 7
    assert clock.real_seconds_until(clock.now() + 1) == inf


def test_a_change_of_speed_does_not_jump(real: Real) -> None:
    """It goes on from the present instant."""
    clock = clock_at(real, 1)
    began = clock.now()

    real.seconds += 10
    clock.set_speed(100)
    real.seconds += 1

    assert clock.now() - began == 110
    assert clock.real_seconds_until(clock.now() + 50) == 0.5


def test_it_tells_the_real_time_of_a_simulated_instant(real: Real) -> None:
    """Within a stretch by its speed; within a jump, the time of the jump."""
    clock = clock_at(real, 10)
    began = clock.now()
    real.seconds += 5
    clock.advance(1000)
    real.seconds += 5

    assert clock.unix_at(began + 20) == pytest.approx(1000 + 2 + 5000)
    assert clock.unix_at(began + 500) == pytest.approx(1000 + 5 + 5000)
    assert clock.unix_at(began + 1060) == pytest.approx(1000 + 6 + 5000)
