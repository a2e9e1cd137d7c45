"""When acquires are laid: late for one, early enough for a herd, and never too early."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import NINE, RULES, seconds

from recording_tasks.lifecycle import acquire_instants
from recording_tasks.limiter import Pace

PACE = Pace(rate=10)
SPACING, PERIOD = seconds(PACE.spacing), seconds(PACE.period)
YOUNGEST = seconds(10)  # what an acquire may take, and its resource still be young enough

starts = st.lists(
    st.tuples(st.floats(0, 400).map(lambda at: round(at, 1)), st.booleans()), min_size=1
).map(lambda drawn: sorted((NINE + seconds(at), needs) for at, needs in drawn))


def place(given: list[tuple[datetime, bool]]) -> list[datetime]:
    return acquire_instants(given, SPACING, PERIOD, RULES)


def queued(given: list[tuple[datetime, bool]]) -> list[datetime]:
    """Tell when each start can be served, when starts alone use the quota."""
    turns: list[datetime] = []
    for start_at, _ in given:
        turns.append(max(start_at, turns[-1] + SPACING) if turns else start_at)
    return turns


def test_a_lone_recording_acquires_two_seconds_ahead() -> None:
    """The reference asks for a start within two seconds."""
    assert place([(NINE, True)]) == [NINE - seconds(2)]


def test_one_that_has_a_resource_needs_no_acquire() -> None:
    """It only takes a start's place."""
    assert place([(NINE, False), (NINE + seconds(60), True)]) == [NINE + seconds(58)]


def test_a_herd_is_acquired_clear_of_its_starts_with_room_for_a_stall() -> None:
    """At the instant the whole quota serves start, also when nothing left for a second before."""
    herd = [(NINE, True)] * 200

    instants = sorted(place(herd))

    gaps = {b - a for a, b in pairwise(instants)}
    assert instants[-1] <= NINE - PERIOD - seconds(1)
    assert min(gaps) >= SPACING
    assert instants[0] >= NINE - 200 * SPACING * 1.1 - seconds(4)


def test_a_herd_that_is_too_large_for_five_minutes_still_uses_only_young_resources() -> None:
    """4000 starts at once take 424 s: those at the end acquire among the starts."""
    herd = [(NINE, True)] * 4000

    instants = place(herd)

    turns = queued(herd)
    for instant, turn in zip(instants, turns, strict=True):
        assert turn - instant <= RULES.resource_use - YOUNGEST
        assert instant < turn


@given(starts)
@settings(max_examples=80, deadline=None)
def test_no_acquire_is_laid_too_early_or_too_late(given: list[tuple[datetime, bool]]) -> None:
    """Every resource is there before its start, and young enough when its turn comes."""
    instants = place(given)

    turns = [turn for turn, (_, needs) in zip(queued(given), given, strict=True) if needs]
    assert len(instants) == len(turns)
    for instant, turn in zip(instants, turns, strict=True):
        assert instant <= turn - RULES.acquire_lead
        assert turn - instant <= RULES.resource_use - YOUNGEST


@pytest.mark.parametrize("load", [0.2, 0.6])
def test_random_traffic_does_not_creep_backwards(load: float) -> None:
    """Starts strewn at random acquire about two seconds ahead, not minutes."""
    rng = random.Random(7)
    at, given = NINE, []
    for _ in range(1500):
        at += seconds(rng.expovariate(load / 2 * PACE.rate))  # a recording makes two calls
        given.append((at, True))

    leads = sorted(
        (start_at - instant).total_seconds()
        for (start_at, _), instant in zip(given, place(given), strict=True)
    )

    assert leads[len(leads) // 2] < 3
    assert leads[-1] < 15


def test_two_herds_do_not_disturb_each_other() -> None:
    """The second herd's acquires keep out of the first one's starts."""
    first = [(NINE, True)] * 100
    second = [(NINE + seconds(15), True)] * 100

    instants = place(first + second)

    block = (NINE - PERIOD, NINE + 100 * SPACING)
    assert [at for at in instants if block[0] < at < block[1]] == []


def test_nothing_ahead_needs_nothing() -> None:
    """No starts, no acquires."""
    assert place([]) == []


def test_three_thousand_starts_are_placed_quickly() -> None:
    """The plan is made anew every second: its work must not grow with the square."""
    rng = random.Random(3)
    given = sorted((NINE + timedelta(seconds=rng.uniform(0, 240)), True) for _ in range(3000))

    instants = place(given)

    assert len(instants) == 3000
