"""What Agora lets us learn about a quota: 429, 406 and 401, and how it is remembered."""

from __future__ import annotations

import json

import pytest

from recording_tasks.limiter import Pace, Quota, Wanted, allot, reserve
from recording_tasks.models import Step

NOON = 1_795_000_000.0
HORIZON = 1.5


def wish(key: str, step: Step, not_before: float = NOON) -> Wanted:
    return Wanted(key=key, step=step, not_before=not_before)


def test_a_429_makes_everybody_pause_and_slow_down() -> None:
    """No call for a second, and then at seven tenths of the rate."""
    quota = Quota().slowed(NOON)

    slots = []
    for _ in range(11):
        slot, quota = reserve(quota, Pace(), Step.STOP, NOON, NOON)
        slots.append(slot)

    assert min(slots) >= NOON + 1.0
    assert max(slots) - min(slots) >= Pace().period / 0.72


def test_refusals_that_belong_together_slow_down_once() -> None:
    """Ten calls that had left already are one lesson."""
    quota = Quota()

    for late in range(10):
        quota = quota.slowed(NOON + late / 20)

    assert quota.factor == pytest.approx(0.7)


def test_lasting_refusals_slow_down_further_although_sweeps_go_on() -> None:
    """A sweep lets the rate recover a little; that must not hide the next refusal."""
    quota, now = Quota(), NOON

    for _ in range(10):
        quota = quota.slowed(now)
        for _ in range(4):
            now += 0.5
            quota = allot(quota, Pace(), [wish("a", Step.QUERY, now)], now, HORIZON).quota

    assert quota.factor < 0.2


def test_the_rate_never_falls_to_nothing() -> None:
    """A tenth remains: stops must go out."""
    quota, now = Quota(), NOON

    for _ in range(100):
        quota, now = quota.slowed(now), now + 2.0

    assert quota.factor >= 0.1


def test_the_rate_comes_back_by_itself() -> None:
    """A percent a second: after half a minute all is as before."""
    quota = Quota().slowed(NOON)

    halfway = quota.recovered(NOON + 15)
    whole = quota.recovered(NOON + 31)

    assert halfway.factor == pytest.approx(0.85)
    assert whole.factor == 1.0


def test_a_406_holds_acquires_and_nothing_else() -> None:
    """Too many sessions run: stopping some is the cure, not waiting."""
    quota = Quota().overloaded(NOON)
    wanted = [wish("acquire", Step.ACQUIRE), wish("stop", Step.STOP), wish("start", Step.START)]

    slots = allot(quota, Pace(), wanted, NOON, HORIZON).slots
    later = allot(quota, Pace(), wanted[:1], NOON + 30, HORIZON).slots

    assert sorted(slots) == ["start", "stop"]
    assert list(later) == ["acquire"]


def test_a_401_lets_one_call_try_in_a_while() -> None:
    """Everything waits; every quarter of a minute the most urgent call asks for all."""
    quota = Quota().closed(NOON)
    wanted = [wish("query", Step.QUERY, NOON - 9), wish("stop", Step.STOP), wish("b", Step.QUERY)]

    at_once = allot(quota, Pace(), wanted, NOON, HORIZON)
    then = allot(quota, Pace(), wanted, NOON + 15, HORIZON)
    right_after = allot(then.quota, Pace(), wanted, NOON + 16, HORIZON)
    opened = allot(then.quota.opened(), Pace(), wanted, NOON + 16, HORIZON)

    assert at_once.slots == {}
    assert list(then.slots) == ["stop"]
    assert right_after.slots == {}
    assert len(opened.slots) == 3


def test_a_probe_waits_for_a_call_that_is_due() -> None:
    """A stop of tomorrow finds nothing out today; the probe stays available."""
    quota = Quota().closed(NOON)

    nothing = allot(quota, Pace(), [wish("a", Step.STOP, NOON + 99)], NOON + 20, HORIZON)
    something = allot(nothing.quota, Pace(), [wish("b", Step.QUERY)], NOON + 21, HORIZON)

    assert nothing.slots == {}
    assert list(something.slots) == ["b"]


def test_an_app_without_a_limit_never_waits() -> None:
    """Rate 0: every call goes out at its instant, and nothing is remembered."""
    wanted = [wish(str(n), Step.START) for n in range(500)]

    allotment = allot(Quota(), Pace(rate=0), wanted, NOON, HORIZON)

    assert set(allotment.slots.values()) == {NOON}
    assert allotment.quota.taken == ()


def test_a_quota_survives_the_database_and_newer_versions() -> None:
    """What is written is read again; what an older version cannot know is left out."""
    quota = Quota(taken=(NOON, NOON + 0.123456), factor=0.7, slowed_at=NOON, probe_at=NOON + 15)

    read = Quota.from_json({**json.loads(json.dumps(quota.to_json())), "from_the_future": 1})

    assert read == quota
    assert Quota.from_json({}) == Quota()


def test_a_slot_that_was_not_used_is_there_for_the_next() -> None:
    """Also after the database rounded it to microseconds."""
    quota = Quota()
    slots = []
    for _ in range(10):
        slot, quota = reserve(quota, Pace(), Step.QUERY, NOON, NOON)
        slots.append(slot)

    quota = quota.without(round(slots[4], 6))
    again, quota = reserve(quota, Pace(), Step.STOP, NOON, NOON)

    assert again == pytest.approx(slots[4], abs=0.02)
    assert quota.without(NOON + 77) == quota
