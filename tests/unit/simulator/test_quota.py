"""The quota: exact, sliding, for each App ID, over all methods."""

from recording_tasks.simulator import Simulator
from recording_tasks.simulator.quota import Quota

from .api import Api


def test_the_eleventh_in_a_second_is_refused() -> None:
    """Ten pass, the next does not, whatever clock second they fall in."""
    quota = Quota()

    passed = [quota.admit("app", 5.95 + n / 100, 10) for n in range(11)]

    assert passed == [True] * 10 + [False]
    assert quota.refused_count == 1


def test_the_window_slides() -> None:
    """One more passes as soon as the oldest is a full second old, and only one."""
    quota = Quota()
    for n in range(10):
        quota.admit("app", n / 16, 10)

    assert not quota.admit("app", 0.999, 10)
    assert quota.admit("app", 1.0, 10)
    assert not quota.admit("app", 1.01, 10)
    assert quota.admit("app", 1.0625, 10)


def test_no_sliding_second_holds_more_than_the_limit() -> None:
    """Whatever the arrivals, any window of accepted ones holds at most ten."""
    quota = Quota()
    arrivals = [n * 0.037 for n in range(400)]

    accepted = [at for at in arrivals if quota.admit("app", at, 10)]

    assert max(sum(1 for b in accepted if 0 <= b - a < 1) for a in accepted) == 10
    assert quota.peaks_accepted() == {"app": 10}
    assert quota.peaks_arrived() == {"app": 28}


def test_a_refused_request_does_not_count() -> None:
    """Who keeps knocking is let in when the accepted ones are a second old."""
    quota = Quota()
    for n in range(10):
        quota.admit("app", n / 1000, 10)
    for n in range(90):
        quota.admit("app", 0.1 + n / 100, 10)

    assert quota.admit("app", 1.0, 10)


def test_each_app_has_its_own() -> None:
    """Another App ID is not slowed."""
    quota = Quota()

    assert [quota.admit("one", 0, 1), quota.admit("one", 0, 1)] == [True, False]
    assert quota.admit("two", 0, 1)


def test_it_is_counted_over_all_methods_in_real_time(simulator: Simulator, api: Api) -> None:
    """Jumps of the simulated clock do not refill it; the control door does not use it."""
    recorded = api.started()
    simulator.configure(requests_per_second=3)

    last = api.query(recorded)
    simulator.advance(60)
    stop, acquire = api.stop(recorded), api.acquire()
    simulator.now()

    assert last.status == 200
    assert stop.status == acquire.status == 429
    assert acquire.body == {"message": "API rate limit exceeded"}
    assert simulator.report()["refused_by_quota"] == 2
    assert simulator.report()["calls"]["stop"] == {"429": 1}
