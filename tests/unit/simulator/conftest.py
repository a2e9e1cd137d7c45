"""One simulator for all tests, its clock set by hand, put back to the beginning for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_tasks.simulator import Simulator, running

from .api import Api


@pytest.fixture(scope="session")
def served() -> Iterator[Simulator]:
    with running(speed=0, requests_per_second=10_000) as simulator:
        yield simulator


@pytest.fixture
def simulator(served: Simulator) -> Simulator:
    served.reset()
    return served


@pytest.fixture
def api(simulator: Simulator) -> Api:
    return Api(simulator)
