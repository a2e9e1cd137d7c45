"""Somebody else eats from our quota: few refusals, most of what is free, and all when they go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shared_quota import Traffic, evenly, in_bursts

from recording_tasks.models import Step

NOON = 1_795_000_000.0
HALF = 5.0


@pytest.mark.parametrize(
    "others",
    [
        evenly(HALF, NOON, NOON + 900),
        in_bursts(5, 1.0, NOON, NOON + 900),
        in_bursts(5, 1.01, NOON, NOON + 900),
    ],
    ids=["evenly", "in bursts", "in bursts that drift"],
)
def test_with_half_eaten_the_other_half_is_ours(others: Iterator[float]) -> None:
    """Our queue is never empty: fewer than 2 % refused, and most of what is free is used."""
    traffic = Traffic(others=others)

    traffic.go_on(900, queue=40)

    assert traffic.refused(60, 900) < 0.02
    assert traffic.rate(60, 900) >= 0.88 * HALF


def test_refusals_that_are_heard_late_tell_the_same() -> None:
    """After three to six seconds: what had left before the refused call is still remembered."""
    traffic = Traffic(others=evenly(HALF, NOON, NOON + 600), heard_after=(3.0, 6.0))

    traffic.go_on(600, queue=40)

    assert traffic.refused(60, 600) < 0.1  # many had left before the first of them was heard
    assert traffic.rate(60, 600) >= 0.5 * HALF


def test_the_whole_rate_is_back_within_a_minute_after_they_leave() -> None:
    """Calls that are let through prove it."""
    traffic = Traffic(others=evenly(HALF, NOON, NOON + 300))

    traffic.go_on(420, queue=40)

    alone = 10 / traffic.pace.period
    assert traffic.rate(60, 300) <= HALF
    assert traffic.rate(345, 420) >= 0.97 * alone
    assert traffic.refused(300, 420) < 0.02


def test_those_who_come_later_are_given_way_to() -> None:
    """Ten seconds of refusals, and then as if it had always been so."""
    traffic = Traffic(others=evenly(HALF, NOON + 100, NOON + 700))

    traffic.go_on(700, queue=40)

    assert traffic.refused(0, 100) == 0
    assert traffic.refused(110, 700) < 0.02
    assert traffic.rate(110, 700) >= 0.88 * HALF


@pytest.mark.parametrize("size", [5, 10, 20, 50])
def test_herds_that_come_every_minute_do_not_learn_it_anew(size: int) -> None:
    """Between them the quota is hardly used: that it was free then proves nothing."""
    traffic = Traffic(others=evenly(HALF, NOON, NOON + 900))

    for minute in range(15):
        traffic.ask(Step.START, size, NOON + minute * 60)
        for _ in range(60):
            traffic.ask(Step.QUERY, 1, NOON)
            traffic.go_on(1)

    assert traffic.refused(60, 900) < 0.02


def test_a_burst_of_theirs_now_and_then_does_not_slow_our_herds() -> None:
    """Ten calls at once, every twenty seconds, and forty starts a minute beside our polls."""
    traffic = Traffic(others=in_bursts(10, 20, NOON, NOON + 900))

    for minute in range(15):
        traffic.ask(Step.START, 40, NOON + minute * 60 + 10)
        for _ in range(60):
            traffic.ask(Step.QUERY, 2, NOON)
            traffic.go_on(1)

    starts = [one for one in traffic.outcomes if one.key.startswith("start") and not one.is_refused]
    late = [(one.at - NOON - 10) % 60 for one in starts]
    assert len(starts) == 15 * 40
    assert max(late) < 6
    assert traffic.refused(60, 900) < 0.02


def test_what_was_refused_comes_again() -> None:
    """600 stops, half of the quota eaten: each is let through once."""
    traffic = Traffic(others=evenly(HALF, NOON, NOON + 200))

    traffic.ask(Step.STOP, 600, NOON)
    traffic.go_on(200)

    through = [one.key for one in traffic.outcomes if not one.is_refused]
    assert len(through) == len(set(through)) == 600


def test_almost_all_eaten_leaves_a_tenth_and_few_refusals() -> None:
    """Nine of ten are theirs: one a second is ours."""
    traffic = Traffic(others=evenly(9, NOON, NOON + 600))

    traffic.go_on(600, queue=40)

    assert traffic.refused(120, 600) < 0.02
    assert traffic.rate(120, 600) >= 0.9


@pytest.mark.parametrize("share", [0.01, 0.02])
def test_refusals_that_have_nothing_to_do_with_the_rate_do_not_stop_us(share: float) -> None:
    """One or two of a hundred are refused, whatever we send: a lower rate would not help."""
    traffic = Traffic(refused_share=share)

    for _ in range(900):
        traffic.ask(Step.UPDATE, 3, traffic.now)
        traffic.go_on(1)

    assert traffic.rate(60, 900) >= 2.95
    assert len(traffic.waiting) < 10
    assert traffic.refused(60, 900) < share + 0.005


def test_alone_nothing_is_refused() -> None:
    """The margin pays for what the way there takes."""
    traffic = Traffic()

    traffic.go_on(300, queue=40)

    assert traffic.refused(0, 300) == 0
    assert traffic.rate(10, 290) >= 9.4


def last_of_a_herd(traffic: Traffic, *, polls: int, known_at: int = 20) -> float:
    """Tell how long fifty stops and fifty starts of one instant take, known since a second."""
    begin = NOON + 20.01
    for second in range(60):
        if second == known_at:
            traffic.ask(Step.STOP, 50, begin)
            traffic.ask(Step.START, 50, begin)
        traffic.ask(Step.QUERY, max(0, polls - len(traffic.waiting)), NOON)
        traffic.go_on(1)
    herd = [one.at for one in traffic.outcomes if not one.key.startswith("query")]
    assert len(herd) == 100
    return max(herd) - begin


def test_a_herd_that_was_foreseen_is_not_delayed_by_polls() -> None:
    """They leave its whole first period free."""
    undisturbed = last_of_a_herd(Traffic(), polls=0, known_at=0)
    disturbed = last_of_a_herd(Traffic(), polls=300, known_at=0)

    assert disturbed <= undisturbed + 0.1


def test_a_herd_is_served_as_if_there_were_no_polls() -> None:
    """Three hundred queries wait all the time; a tenth of its time more is theirs."""
    alone, polled = Traffic(), Traffic()

    undisturbed = last_of_a_herd(alone, polls=0)
    disturbed = last_of_a_herd(polled, polls=300)

    assert disturbed <= 1.1 * undisturbed
    assert polled.rate(0, 20) == pytest.approx(5 / polled.pace.period, rel=0.05)
    assert polled.refused(0, 60) == 0
