"""The quota: never exceeded in any sliding second, never wasted, and handed out by urgency."""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from recording_tasks.limiter import (
    Pace,
    Quota,
    Wanted,
    allot,
    free_slot,
    poll_every,
    reserve,
    slots,
)
from recording_tasks.models import Step

NOON = 1_795_000_000.0  # Unix seconds are large: sums must not lose what matters
HORIZON = 1.5
CALLS = [Step.STOP, Step.START, Step.ACQUIRE, Step.UPDATE, Step.QUERY]


def most_in_a_period(slots: Sequence[float], period: float) -> int:
    """Count the most slots that any half-open window of one period holds."""
    ordered = sorted(slots)
    most, first = 0, 0
    for last, slot in enumerate(ordered):
        while slot - ordered[first] >= period - 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return most


def wish(key: str, step: Step, not_before: float = NOON) -> Wanted:
    return Wanted(key=key, step=step, not_before=not_before)


class AnyTraffic(RuleBasedStateMachine):
    """Sweeps, lone calls and unused slots, in any order, on one quota."""

    def __init__(self) -> None:
        super().__init__()
        self.pace = Pace()
        self.quota = Quota()
        self.now = NOON
        self.given: list[float] = []

    @initialize(rate=st.sampled_from([1, 2, 3, 10]))
    def grant(self, rate: int) -> None:
        self.pace = Pace(rate=rate)

    @rule(wait=st.sampled_from([0.0, 0.001, 0.3, 1.0, 5.0]))
    def time_passes(self, wait: float) -> None:
        self.now += wait

    @rule(
        ahead=st.lists(st.tuples(st.sampled_from(CALLS), st.floats(-5, 4)), max_size=14),
        horizon=st.sampled_from([0.0, 1.5]),
    )
    def sweep(self, ahead: list[tuple[Step, float]], horizon: float) -> None:
        wanted = [wish(str(n), step, self.now + at) for n, (step, at) in enumerate(ahead)]
        allotment = allot(self.quota, self.pace, wanted, self.now, horizon)
        for call in wanted:
            slot = allotment.slots.get(call.key)
            assert slot is None or slot >= max(call.not_before, self.now)
            assert slot is None or slot <= self.now + horizon
        self.quota = allotment.quota
        self.given += allotment.slots.values()

    @rule(step=st.sampled_from(CALLS), ahead=st.floats(0, 3))
    def lone_call(self, step: Step, ahead: float) -> None:
        slot, self.quota = reserve(self.quota, self.pace, step, self.now + ahead, self.now)
        assert slot >= self.now + ahead
        self.given.append(slot)

    @rule()
    def through_the_database(self) -> None:
        self.quota = Quota.from_json(json.loads(json.dumps(self.quota.to_json())))

    @rule()
    def a_slot_is_given_back(self) -> None:
        unused = [slot for slot in self.given if slot >= self.now]
        if unused:
            self.quota = self.quota.without(unused[-1])
            self.given.remove(unused[-1])

    @rule(ago=st.sampled_from([0.0, 0.2, 3.0]))
    def agora_refuses(self, ago: float) -> None:
        self.quota = self.quota.slowed(self.now, self.pace, self.now - ago)

    @rule(probes=st.integers(1, 3))
    def credentials_fail(self, probes: int) -> None:
        self.quota = self.quota.closed(self.now)
        for _ in range(probes):
            self.now += 16
            self.sweep([(Step.STOP, -1.0), (Step.QUERY, -2.0)], HORIZON)
        self.quota = self.quota.opened()

    @invariant()
    def no_period_holds_more_than_the_rate(self) -> None:
        assert most_in_a_period(self.given, self.pace.period) <= self.pace.rate

    @invariant()
    def what_is_taken_is_in_order(self) -> None:
        assert list(self.quota.taken) == sorted(self.quota.taken)


def test_no_sliding_period_holds_more_than_the_rate() -> None:
    """Whatever is asked for, in whatever order: Agora never counts too many."""
    run_state_machine_as_test(
        AnyTraffic,
        settings=settings(max_examples=40, stateful_step_count=25, deadline=None, derandomize=True),
    )


@given(
    taken=st.lists(st.floats(0, 3).map(lambda at: NOON + at), max_size=30),
    not_before=st.floats(0, 4).map(lambda at: NOON + at),
)
@settings(max_examples=100, deadline=None)
def test_the_first_free_slot_is_free_and_the_first(taken: list[float], not_before: float) -> None:
    """It keeps the quota together with what is taken, and waits no longer than it must."""
    pace = Pace(rate=3)
    kept: list[float] = []
    for slot in sorted(taken):
        kept.append(free_slot(kept, slot, pace))

    found = free_slot(kept, not_before, pace)

    assert most_in_a_period([*kept, found], pace.period) <= pace.rate
    assert found >= not_before
    earlier = [not_before + (found - not_before) * part / 7 for part in range(7)]
    apart = 0.01 + 1e-5
    for at in earlier:
        is_crowded = any(abs(at - slot) < apart for slot in kept)
        is_full = most_in_a_period([*kept, at], pace.period + 2e-6) > pace.rate  # or all but full
        assert is_crowded or is_full or found - at < 1e-4


def test_a_burst_may_use_the_whole_quota_at_once() -> None:
    """Ten calls at one instant leave within a tenth of a second, the eleventh a period later."""
    wanted = [wish(str(n), Step.STOP) for n in range(11)]

    slots = sorted(allot(Quota(), Pace(), wanted, NOON, HORIZON).slots.values())

    assert slots[9] - NOON < 0.1
    assert slots[10] - NOON >= Pace().period - 1e-6


def test_the_most_urgent_calls_get_the_first_slots() -> None:
    """Stop, start, acquire, update, query: in this order, whatever waited for longer."""
    lanes = list(reversed(CALLS))
    wanted = [
        wish(f"{step.value}-{n}", step, NOON - lane)
        for n in range(4)
        for lane, step in enumerate(lanes)
    ]

    slots = allot(Quota(), Pace(rate=100), wanted, NOON, HORIZON).slots

    order = [key.partition("-")[0] for key, _ in sorted(slots.items(), key=lambda item: item[1])]
    assert order == [step.value for step in CALLS for _ in range(4)]


def test_a_query_never_takes_what_a_coming_stop_will_need() -> None:
    """Ten stops are due just behind the horizon: the queries before them leave room."""
    stops = [wish(f"stop-{n}", Step.STOP, NOON + 1.6) for n in range(10)]
    queries = [wish(f"query-{n}", Step.QUERY) for n in range(30)]

    first = allot(Quota(), Pace(), [*queries, *stops], NOON, HORIZON)
    second = allot(first.quota, Pace(), stops, NOON + 1.0, HORIZON)

    assert max(second.slots.values()) <= NOON + 1.6 + 0.1
    assert len(second.slots) == 10


def test_a_query_that_is_awaited_goes_before_all_polls() -> None:
    """Whether a session began is asked at its instant, however many others are overdue."""
    polls = [wish(f"poll-{n}", Step.QUERY, NOON - 500) for n in range(100)]
    awaited = Wanted(key="awaited", step=Step.QUERY, not_before=NOON, is_awaited=True)

    slots = allot(Quota(), Pace(), [*polls, awaited], NOON, HORIZON).slots

    assert slots["awaited"] == NOON
    assert slots["poll-0"] > NOON


def test_polls_keep_to_their_share_and_come_evenly() -> None:
    """Over sweeps that overlap, too: half of the rate is free at any moment."""
    polls = {str(n): wish(str(n), Step.QUERY) for n in range(100)}
    quota, slots = Quota(), []

    for second in range(10):
        allotment = allot(quota, Pace(), list(polls.values()), NOON + second, HORIZON)
        quota = Quota.from_json(json.loads(json.dumps(allotment.quota.to_json())))
        slots += [(slot, polls.pop(key)) for key, slot in allotment.slots.items()]

    at = sorted(slot for slot, _ in slots)
    gaps = [b - a for a, b in pairwise(at)]
    assert min(gaps) >= Pace().poll_spacing - 1e-6
    assert max(gaps) <= Pace().poll_spacing + 1e-6
    assert Pace().poll_spacing == pytest.approx(2 * Pace().spacing)


@pytest.mark.parametrize(
    ("live", "factor", "every"),
    [(0, 1.0, 120), (300, 1.0, 120), (1000, 1.0, 212), (1000, 0.5, 424)],
)
def test_the_spacing_of_queries_follows_what_runs_and_what_is_left(
    live: int, factor: float, every: float
) -> None:
    """A thousand sessions share five calls a second, or two and a half."""
    assert poll_every(live, Pace(), factor, 120) == pytest.approx(every)


def test_within_a_lane_the_longest_due_is_first() -> None:
    """Nothing starves in its own lane."""
    wanted = [wish("late", Step.QUERY, NOON - 1), wish("later", Step.QUERY, NOON - 100)]

    slots = allot(Quota(), Pace(rate=1), wanted, NOON, horizon=0.5).slots

    assert list(slots) == ["later"]


def test_a_herd_uses_the_quota_up() -> None:
    """600 calls at one instant end within 5 % of what the quota allows at best."""
    pace = Pace(rate=10)
    waiting = {str(n): wish(str(n), Step.STOP) for n in range(600)}
    quota, now = Quota(), NOON
    slots: list[float] = []

    while waiting:
        allotment = allot(quota, pace, list(waiting.values()), now, HORIZON)
        quota = allotment.quota
        slots += allotment.slots.values()
        for key in allotment.slots:
            del waiting[key]
        now += 1.0

    granted = 600 / 10 * pace.period  # the margin is a price that is paid on purpose
    assert most_in_a_period(slots, pace.period) <= 10
    assert max(slots) - NOON <= 1.05 * granted
    assert max(slots) - NOON <= 1.07 * 600 / 10


class Counted(Sequence[float]):
    """A list that counts how often it is looked into."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values, self.looks = list(values), 0

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[float]: ...
    def __getitem__(self, index: int | slice) -> float | Sequence[float]:
        self.looks += 1
        return self._values[index]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[float]:
        return iter(self._values)


@pytest.mark.parametrize("rate", [10, 100])
def test_finding_a_slot_costs_little_however_much_is_taken(rate: int) -> None:
    """The work is bounded by the slots near the instant, in the worst order of arrival."""
    pace = Pace(rate=rate)
    taken: list[float] = []
    for _ in range(3 * rate):
        taken.append(free_slot(taken, NOON, pace))
    counted = Counted(taken)

    free_slot(counted, NOON, pace)

    assert counted.looks <= 60 * rate


def test_sharing_out_six_hundred_calls_looks_at_each_a_bounded_number_of_times() -> None:
    """A sweep every second must not grow with the square of what waits."""
    wanted = [wish(str(n), CALLS[n % 5]) for n in range(600)]

    looks = []
    for count in (300, 600):
        counted = CountedWishes(wanted[:count])
        allot(Quota(), Pace(), counted, NOON, HORIZON)
        looks.append(counted.looks)

    assert looks[1] <= 2 * looks[0] + 10


class CountedWishes(Sequence[Wanted]):
    """Wishes that count how often they are gone through."""

    def __init__(self, values: Sequence[Wanted]) -> None:
        self._values, self.looks = values, 0

    @overload
    def __getitem__(self, index: int) -> Wanted: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Wanted]: ...
    def __getitem__(self, index: int | slice) -> Wanted | Sequence[Wanted]:
        self.looks += 1
        return self._values[index]

    def __len__(self) -> int:
        return len(self._values)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note every look into what is taken."""
    found: list[float] = []

    def look(taken: Sequence[float], at: float, lo: int = 0) -> int:
        found.append(at)
        return bisect.bisect_left(taken, at, lo)

    monkeypatch.setattr(slots, "bisect_left", look)
    return found


def test_a_backlog_of_thousands_costs_a_sweep_little_for_each(looks: list[float]) -> None:
    """Where one of a lane found nothing, the next need not look again."""
    overdue = [wish(str(n), Step.ACQUIRE, NOON - 60 + n / 100) for n in range(3000)]

    slots = allot(Quota(), Pace(), overdue, NOON, HORIZON).slots

    assert list(slots)[:3] == ["0", "1", "2"]
    assert 10 <= len(slots) <= 20
    assert len(looks) <= 2 * len(overdue)


def test_many_stops_ahead_cost_a_start_little_for_each(looks: list[float]) -> None:
    """A large quota: the answer of each acquire asks, while the app's row is held."""
    pace = Pace(rate=100)

    slot, _ = reserve(Quota(), pace, Step.START, NOON, NOON, stops=[NOON] * 220)

    behind = 2 * pace.period + 20 * pace.spacing / 2  # they leave twice as close as on average
    assert slot - NOON == pytest.approx(behind, abs=0.001)
    assert len(looks) <= 5 * 220


def test_a_clock_that_was_set_back_stops_no_stop() -> None:
    """By an hour, while a refusal paused everybody: nothing waits for that hour again."""
    later = NOON + 3600
    refused = Quota().slowed(later, Pace(), later).closed(later).polled(later)
    wanted = [wish("stop", Step.STOP), wish("poll", Step.QUERY)]

    probed = allot(refused, Pace(), wanted, NOON, HORIZON)
    opened = allot(refused.opened(), Pace(), wanted, NOON, HORIZON)

    assert probed.slots == {"stop": NOON}
    assert opened.slots["stop"] == NOON
    assert opened.slots["poll"] <= NOON + 2 * Pace().poll_spacing


def test_a_clock_that_was_set_back_holds_no_acquire_and_takes_no_room() -> None:
    """By an hour, after a 406 and the ends of two sessions: nobody waits for that hour again."""
    later = NOON + 3600
    quota = Quota().overloaded(later, 30.0).with_left(later, 6.0).with_left(later, 6.0)
    wanted = [wish("a", Step.ACQUIRE), wish("b", Step.ACQUIRE)]

    allotment = allot(quota, Pace(), wanted, NOON, HORIZON)
    again = allot(allotment.quota.overloaded(NOON, 30.0), Pace(), wanted, NOON + 2, HORIZON)

    assert allotment.slots == {"a": NOON}
    assert again.slots == {}
    assert quota.leaving(NOON - 6.0, NOON) == 0
    assert quota.with_left(NOON, 6.0).left == (NOON,)


def test_a_start_that_is_reserved_early_leaves_the_stops_of_its_instant_their_slots() -> None:
    """Ten stops go first; without them the start would have gone at the instant itself."""
    pace, instant = Pace(rate=10), NOON + 2

    slot, quota = reserve(Quota(), pace, Step.START, instant, NOON, stops=[instant] * 10)
    alone, _ = reserve(Quota(), pace, Step.START, instant, NOON)

    assert alone == instant
    assert slot >= instant + pace.period - 1e-6
    assert quota.taken == (slot,)
