"""Several App IDs of one account: a slot is free where the app's quota and the account's let it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from test_limiter import most_in_a_period

from recording_tasks.limiter import Pace, Quota, Wanted, allot, reserve
from recording_tasks.models import Step

NOON = 1_795_000_000.0
HORIZON = 1.5
APPS = ("a", "b", "c")


def pace(rate: int, account_rate: int) -> Pace:
    return Pace(rate=rate, outer=Pace(rate=account_rate))


@pytest.mark.parametrize(("rate", "account_rate"), [(10, 10), (5, 8), (10, 15)])
def test_neither_an_app_nor_its_account_has_too_many_in_a_period(
    rate: int, account_rate: int
) -> None:
    """Three apps at work in turn, by sweeps and lone calls, each with its own row."""
    rng, both = random.Random(5), pace(rate, account_rate)
    quotas, account = {app: Quota() for app in APPS}, Quota()
    slots: dict[str, list[float]] = {app: [] for app in APPS}
    for second in range(40):
        now = NOON + second
        for app in rng.sample(APPS, 3):
            quota = replace(quotas[app], outer=account)
            wanted = [Wanted(key=str(n), step=Step.STOP, not_before=now) for n in range(30)]
            allotment = allot(quota, both, wanted, now, HORIZON)
            lone, quota = reserve(allotment.quota, both, Step.START, now, now)
            slots[app] += [*allotment.slots.values(), lone]
            assert quota.outer is not None
            quotas[app], account = Quota.from_json(quota.to_json()), quota.outer

    together = [slot for given in slots.values() for slot in given]
    assert most_in_a_period(together, both.period) == account_rate
    assert all(most_in_a_period(given, both.period) <= rate for given in slots.values())
    assert len(together) >= 0.95 * 40 * account_rate / both.period
    assert min(map(len, slots.values())) >= 0.15 * len(together)


def test_a_slot_that_was_not_used_is_given_back_to_both() -> None:
    """Another app of the account may have it."""
    both = pace(10, 1)
    slot, quota = reserve(Quota(outer=Quota()), both, Step.STOP, NOON, NOON)
    assert quota.outer is not None
    waits, _ = reserve(Quota(outer=quota.outer), both, Step.STOP, NOON, NOON)

    back = quota.without(slot)
    at_once, _ = reserve(Quota(outer=back.outer), both, Step.STOP, NOON, NOON)

    assert waits >= NOON + both.period
    assert at_once == NOON


def test_a_refusal_teaches_both() -> None:
    """Nobody says which of the two was used up."""
    both, quota = pace(10, 10), Quota(outer=Quota())
    for _ in range(10):
        _, quota = reserve(quota, both, Step.STOP, NOON, NOON)

    quota = quota.slowed(NOON + 0.2, both, NOON + 0.05)

    assert quota.factor == pytest.approx(0.7)
    assert quota.outer is not None
    assert quota.outer.factor == pytest.approx(0.7)


def test_the_row_of_an_app_does_not_hold_its_account() -> None:
    """Each is written to a row of its own."""
    quota = Quota(taken=(NOON,), outer=Quota(taken=(NOON, NOON + 1)))

    assert "outer" not in quota.to_json()
    assert Quota.from_json(quota.to_json()) == replace(quota, outer=None)


def test_without_an_account_rate_the_account_is_not_asked() -> None:
    """Whatever somebody attached."""
    full = Quota(taken=tuple(NOON + n / 100 for n in range(10)))

    slot, quota = reserve(Quota(outer=full), Pace(), Step.STOP, NOON, NOON)

    assert slot == NOON
    assert quota.outer is None


def test_stops_of_other_apps_take_the_accounts_slots_and_none_of_the_apps() -> None:
    """Ten a second for each app and twenty together: fifteen stops of others leave five."""
    both, ahead = pace(10, 20), NOON + 2
    quota = Quota(outer=Quota())

    first, _ = reserve(quota, both, Step.START, ahead, NOON, stops_of_others=[ahead] * 15)
    later, _ = reserve(quota, both, Step.START, ahead, NOON, stops_of_others=[ahead] * 25)

    assert ahead <= first <= ahead + 0.2
    assert ahead + both.period <= later <= ahead + both.period + 0.2
