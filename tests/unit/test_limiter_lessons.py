"""What Agora lets us learn about a quota: 429, 406 and 401, and how it is remembered."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from recording_tasks.limiter import Lessons, Pace, Quota, Wanted, allot, reserve
from recording_tasks.models import Step

NOON = 1_795_000_000.0
HORIZON = 1.5


def wish(key: str, step: Step, not_before: float = NOON) -> Wanted:
    return Wanted(key=key, step=step, not_before=not_before)


def burst(calls: int = 10) -> Quota:
    """Give a quota of which so many calls were just taken, ten milliseconds apart."""
    quota = Quota()
    for _ in range(calls):
        _, quota = reserve(quota, Pace(), Step.STOP, NOON, NOON)
    return quota


def test_a_429_makes_everybody_pause_and_slow_down() -> None:
    """The sixth and the seventh call of a burst are refused: what was let through is ours."""
    once = burst().slowed(NOON + 0.1, Pace(), NOON + 0.05)
    quota = once.slowed(NOON + 0.1, Pace(), NOON + 0.06)

    slots = []
    for _ in range(7):
        slot, quota = reserve(quota, Pace(), Step.STOP, NOON + 0.1, NOON + 0.1)
        slots.append(slot)

    assert once.factor == pytest.approx(0.7)
    assert quota.factor == pytest.approx(0.6)
    assert min(slots) >= NOON + 1.1
    assert max(slots) - min(slots) >= Pace().period - 1e-6


def test_a_shared_quota_is_used_evenly() -> None:
    """A burst would meet the other client's calls, though the rate as such fits."""
    quota = Quota(lessons=Lessons(factor=0.5, slowed_at=NOON - 5))
    wanted = [wish(str(n), Step.STOP) for n in range(8)]

    slots = sorted(allot(quota, Pace(), wanted, NOON, HORIZON).slots.values())

    gaps = [b - a for a, b in pairwise(slots)]
    assert min(gaps) >= Pace().period / 5 - 1e-6


def test_refusals_that_belong_together_are_one_lesson() -> None:
    """Five calls that had left already, heard in any order: the first one tells how much fits."""
    quota = burst()

    for late in (0.09, 0.06, 0.05, 0.08, 0.07):
        quota = quota.slowed(NOON + 0.2, Pace(), NOON + late)

    assert quota.factor == pytest.approx(0.5)
    assert quota.lessons.slowed_at == NOON + 0.2


def test_one_lesson_takes_half_of_the_rate_at_most() -> None:
    """However little of a burst of ours was let through."""
    quota = burst()

    for late in (0.09, 0.08, 0.07, 0.06, 0.05, 0.04):
        quota = quota.slowed(NOON + 0.2, Pace(), NOON + late)

    assert quota.factor == pytest.approx(0.5)


def test_a_burst_of_theirs_makes_us_pause_and_hardly_slower() -> None:
    """We sent three calls where ten are ours: sending much less would not have helped."""
    quota = burst(4)

    for time in range(5):
        now = NOON + 20 * time
        _, quota = reserve(quota, Pace(), Step.STOP, now, now)
        quota = quota.slowed(now + 0.1, Pace(), now)
    slot, _ = reserve(quota, Pace(), Step.STOP, now + 0.1, now + 0.1)

    assert slot == pytest.approx(now + 1.1)
    assert quota.factor == pytest.approx(0.9)


def test_a_refusal_that_comes_seldom_takes_back_nine_tenths_of_what_was_tried() -> None:
    """Half was let through for hundreds of calls: it stays half, and less would be a waste."""
    even = tuple(NOON - 1 + n * 0.21 for n in range(5))
    steady = Lessons(factor=0.5, slowed_at=NOON - 60, calls=160)
    trying = replace(steady.proved(160), calls=160)

    tried = Quota(taken=even, lessons=trying).slowed(NOON, Pace(), NOON)
    often = Quota(taken=even, lessons=replace(steady, calls=40)).slowed(NOON, Pace(), NOON)

    assert trying.factor > 0.5
    assert tried.factor == pytest.approx(0.5 + 0.1 * (trying.factor - 0.5))
    assert often.factor == pytest.approx(0.475)


def refused_at_random(lessons: Lessons, refusals: int, calls: int) -> list[Lessons]:
    """Have one call refused after so many, again and again, at half of what we may send."""
    now, states = NOON, []
    for _ in range(refusals):
        for _ in range(calls):
            lessons = lessons.called(queued=False)
        now += max(2.0, calls / 5)
        lessons = lessons.learned(now, 10, round(lessons.factor * 5))
        states.append(lessons)
    return states


def test_a_lower_rate_that_does_not_help_is_given_up() -> None:
    """One of thirty is refused whatever we send: it is not the rate that it is refused for."""
    states = refused_at_random(Lessons(), 20, 30)

    lowest = min(states, key=lambda one: one.factor)
    given_up = next(one for one in states if one.unmoved_until)
    assert lowest.factor < 0.6
    assert states.index(lowest) < states.index(given_up)
    assert given_up.factor == 1.0
    assert {one.factor for one in states[states.index(given_up) :]} == {given_up.factor}


def test_who_no_longer_heeds_refusals_heeds_dense_ones() -> None:
    """Another client has come: every second call is refused."""
    unmoved = Lessons(unmoved_until=NOON + 300)

    sparse, dense = refused_at_random(unmoved, 3, 30)[-1], refused_at_random(unmoved, 8, 2)[-1]

    assert sparse.factor == 1.0
    assert dense.factor < 0.6
    assert dense.unmoved_until == 0


def test_an_instant_that_lies_too_far_ahead_is_forgotten() -> None:
    """The database's clock was set back by an hour."""
    ahead = Quota(lessons=Lessons(factor=0.5, slowed_at=NOON + 3600, unmoved_until=NOON + 3900))

    bounded = ahead.bounded(NOON).lessons

    assert bounded == Lessons(factor=0.5, slowed_at=NOON)
    assert Quota().bounded(NOON) == Quota()


def refused_for_long(lessons: int) -> Quota:
    """Have the last of many calls refused, again and again."""
    quota, now = Quota(), NOON
    for _ in range(lessons):
        wanted = [wish(str(n), Step.UPDATE, now) for n in range(20)]
        quota = allot(quota, Pace(), wanted, now, HORIZON).quota
        last = quota.taken[-1]
        now = last + 2.1
        quota = quota.slowed(last + 0.1, Pace(), last)
    return quota


def test_lasting_refusals_slow_down_further_although_sweeps_go_on() -> None:
    """What a sweep allots meanwhile must not hide the next refusal."""
    assert refused_for_long(10).factor < 0.2


def test_the_rate_never_falls_to_nothing() -> None:
    """A tenth remains: stops must go out."""
    assert refused_for_long(100).factor == pytest.approx(0.1)


def test_the_rate_is_kept_for_a_while_and_then_comes_back_faster_and_faster() -> None:
    """So a try that fails costs a refusal for many calls that were let through."""
    lessons = Lessons(factor=0.5, slowed_at=NOON)

    kept, first, second = lessons.proved(150), lessons.proved(170), lessons.proved(190)

    assert kept.factor == pytest.approx(0.5)
    assert 0 < first.factor - kept.factor < second.factor - first.factor
    assert lessons.proved(150).proved(40) == second
    assert lessons.proved(230).factor == 1.0


def test_a_call_that_found_the_quota_free_proves_nothing() -> None:
    """A query now and then is let through at any rate."""
    quota, now = Quota(lessons=Lessons(factor=0.5, slowed_at=NOON)), NOON

    for _ in range(50):
        now += 1.0
        _, quota = reserve(quota, Pace(), Step.QUERY, now, now)
    for _ in range(5):
        _, quota = reserve(quota, Pace(), Step.QUERY, now, now)

    assert quota.lessons.proven == 5


def test_what_was_learned_is_tried_again_and_forgotten() -> None:
    """Without any call, too: two minutes until it may grow, ten until all is as before."""
    lessons = Lessons(factor=0.5, slowed_at=NOON)

    early, later = lessons.recovered(NOON + 119), lessons.recovered(NOON + 120)
    forgotten = lessons.recovered(NOON + 600)

    assert early.proved(20).factor == pytest.approx(0.5)
    assert later.factor == pytest.approx(0.5)
    assert later.proved(20).factor > 0.5
    assert forgotten == Lessons()


def test_an_older_version_beside_us_loses_only_what_it_cannot_know() -> None:
    """It writes the keys that it knows; the others come back as if nothing was learned."""
    ours = burst().slowed(NOON + 0.1, Pace(), NOON + 0.05).to_json()
    theirs = {key: ours[key] for key in ("taken", "factor", "slowed_at")}

    read = Quota.from_json(theirs)

    assert read.lessons == Lessons(factor=0.7, slowed_at=NOON + 0.1)


def test_a_406_holds_acquires_and_nothing_else() -> None:
    """Too many sessions run: stopping some is the cure, not waiting."""
    quota = Quota().overloaded(NOON, 30.0)
    wanted = [wish("acquire", Step.ACQUIRE), wish("stop", Step.STOP), wish("start", Step.START)]

    slots = allot(quota, Pace(), wanted, NOON, HORIZON).slots
    later = allot(quota, Pace(), wanted[:1], NOON + 30, HORIZON).slots

    assert sorted(slots) == ["start", "stop"]
    assert list(later) == ["acquire"]


def test_after_a_406_one_acquire_tries_for_all() -> None:
    """A herd that waits would be refused as a herd; the first that is taken opens for all."""
    quota = Quota().overloaded(NOON, 30.0)
    wanted = [wish(str(n), Step.ACQUIRE) for n in range(8)]

    first = allot(quota, Pace(), wanted, NOON + 30, HORIZON)
    too_early = allot(first.quota, Pace(), wanted, NOON + 33, HORIZON)
    second = allot(first.quota, Pace(), wanted, NOON + 36, HORIZON)
    opened = allot(second.quota.relieved(), Pace(), wanted, NOON + 37, HORIZON)

    assert quota.is_probe(Step.ACQUIRE)
    assert not quota.is_probe(Step.STOP)
    assert [len(one.slots) for one in (first, too_early, second, opened)] == [1, 0, 1, 8]


def test_a_401_lets_one_call_try_in_a_while() -> None:
    """Everything waits; every five seconds the most urgent call asks for all."""
    quota = Quota().closed(NOON)
    wanted = [wish("query", Step.QUERY, NOON - 9), wish("stop", Step.STOP), wish("b", Step.QUERY)]

    at_once = allot(quota, Pace(), wanted, NOON, HORIZON)
    then = allot(quota, Pace(), wanted, NOON + 5, HORIZON)
    right_after = allot(then.quota, Pace(), wanted, NOON + 6, HORIZON)
    opened = allot(then.quota.opened(), Pace(), wanted, NOON + 6, HORIZON)

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
    quota = Quota(
        taken=(NOON, NOON + 0.123456),
        lessons=Lessons(factor=0.7, slowed_at=NOON),
        probe_at=NOON + 15,
    )

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
