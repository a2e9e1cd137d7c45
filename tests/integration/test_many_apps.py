"""A hundred apps in one sweep: each has its own quota, and none waits for another's backlog."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from benchmarks.statements import statements_sent
from shelf import FAR, NINE, order, planned

from recording_tasks.models import RecordingState, Session, SessionState, Step
from recording_tasks.recorder import Dispatch, Recorder
from recording_tasks.recorder.load import load_of
from recording_tasks.settings import Settings, read_settings
from recording_tasks.store import Store, rows
from recording_tasks.store.schema import apps, recordings, sessions

pytest_plugins = ("stores",)

APPS = [f"a{n:02}" for n in range(100)]
FIRST, LAST = APPS[0], APPS[-1]
IN_A_MOMENT = NINE + timedelta(seconds=0.4)
AN_HOUR = timedelta(hours=1)
ACQUIRE: dict[str, Any] = {"stop_at": FAR}
QUERY: dict[str, Any] = {"state": SessionState.RECORDING, "step": Step.QUERY, "stop_at": FAR}
STOP: dict[str, Any] = {**QUERY, "due_at": FAR, "stop_at": NINE}
MISSED: dict[str, Any] = {"start_at": NINE - 2 * AN_HOUR, "stop_at": NINE - AN_HOUR}


class StillStore(Store):
    """A store whose time stands still."""

    def now(self) -> datetime:
        return NINE


@pytest.fixture(scope="module")
def settings() -> Settings:
    """A hundred apps of ten calls a second each."""
    environ: dict[str, str] = {}
    for number, name in enumerate(APPS):
        prefix = f"AGORA_APP__{name.upper()}__"
        environ |= {
            f"{prefix}APP_ID": f"{number:032x}",
            f"{prefix}CUSTOMER_ID": "customer",
            f"{prefix}CUSTOMER_SECRET": "secret",
        }
    return read_settings(environ)


@pytest.fixture
def recorder(store: Store, settings: Settings) -> Recorder:
    """A recorder that knows them all, and so does its store."""
    with store.database.begin() as connection:
        connection.execute(sa.insert(apps), [{"name": name, "quota": {}} for name in APPS])
    return Recorder(StillStore(store.database), settings)


def fill(store: Store, app: str, count: int, **changes: Any) -> None:
    """Put many sessions of one kind into an app, each of its own recording."""
    taken = _count(store)
    ids = [f"r{taken + n:05}" for n in range(count)]
    state = RecordingState.RECORDING if changes.get("step") else RecordingState.SCHEDULED
    ours = [rows.recording_row(order(one, app=app, state=state)) for one in ids]
    its = [rows.session_row(planned(one, app=app, **changes)) for one in ids]
    with store.database.begin() as connection:
        connection.execute(sa.insert(recordings), ours)
        connection.execute(sa.insert(sessions), its)


def _count(store: Store) -> int:
    query = sa.select(sa.func.count()).select_from(recordings)
    with store.database.read() as connection:
        return connection.execute(query).scalar_one()


def by_app(store: Store, dispatches: list[Dispatch]) -> dict[str, list[Dispatch]]:
    """Sort what was claimed by whose quota it uses."""
    with store.database.read() as connection:
        owners = {row.id: row.app for row in connection.execute(sa.select(recordings))}
    found: dict[str, list[Dispatch]] = {}
    for one in dispatches:
        found.setdefault(owners[one.recording_id], []).append(one)
    return found


@pytest.mark.parametrize("kind", ["acquire", "query", "stop"])
def test_one_apps_backlog_delays_no_other(store: Store, recorder: Recorder, kind: str) -> None:
    """500 calls wait in the first app: the last one's call has its slot at its very instant."""
    backlog = {"acquire": ACQUIRE, "query": QUERY, "stop": STOP}[kind]
    fill(store, FIRST, 500, **{"due_at": NINE - AN_HOUR, **backlog})
    fill(store, LAST, 1, **{**QUERY, "due_at": IN_A_MOMENT})

    found = by_app(store, recorder.sweep())

    assert [one.slot_at for one in found[LAST]] == [IN_A_MOMENT]
    # The whole quota of its second and a half is used by the backlog, and no more.
    assert 10 <= len(found[FIRST]) <= 20


def test_polls_push_no_stop_out(store: Store, recorder: Recorder) -> None:
    """Neither the stop of another app, nor one of their own: both leave at their instant."""
    fill(store, FIRST, 1000, **{**QUERY, "due_at": NINE - AN_HOUR})
    fill(store, FIRST, 1, **{**STOP, "stop_at": IN_A_MOMENT})
    fill(store, LAST, 1, **{**STOP, "stop_at": IN_A_MOMENT})

    found = by_app(store, recorder.sweep())

    for app in (FIRST, LAST):
        stops = [one.slot_at for one in found[app] if one.step is Step.STOP]
        assert stops == [IN_A_MOMENT]


def test_every_app_has_its_whole_quota(store: Store, recorder: Recorder) -> None:
    """A hundred backlogs: as many calls are claimed for each as for one that is alone."""
    for app in APPS:
        fill(store, app, 30, **{**QUERY, "due_at": NINE - AN_HOUR})

    found = by_app(store, recorder.sweep())

    counts = {len(of_app) for of_app in found.values()}
    assert (len(found), len(counts)) == (100, 1)
    assert counts.pop() >= 10


def test_what_one_app_has_is_handed_out_before_the_next_is_looked_at(
    store: Store, recorder: Recorder
) -> None:
    """Its messages leave while the others are still being claimed."""
    fill(store, FIRST, 1, **{**QUERY, "due_at": NINE})
    fill(store, LAST, 1, **{**QUERY, "due_at": NINE})
    sweep = recorder.sweep_apps()

    (one,) = by_app(store, list(next(sweep)))

    assert [session.app for session in claimed(store)] == [one]
    (other,) = by_app(store, list(next(sweep)))
    assert {one, other} == {FIRST, LAST}


def test_apps_have_the_same_turn_in_every_sweep(store: Store, recorder: Recorder) -> None:
    """A sweep of seconds looks at each app as often as a short one: once for every beat."""
    for app in APPS:
        fill(store, app, 1, **{**QUERY, "due_at": NINE})

    order_of_apps = [next(iter(by_app(store, list(part)))) for part in recorder.sweep_apps()]

    assert order_of_apps == APPS


def claimed(store: Store) -> list[Session]:
    query = sa.select(sessions).where(sessions.c.claimed.is_not(None))
    with store.database.read() as connection:
        return [rows.session_from(row) for row in connection.execute(query).mappings()]


def test_hundreds_that_were_missed_hold_nobody_up(store: Store, recorder: Recorder) -> None:
    """After a day without a worker: calls come first, and what was missed is seen to in turn."""
    fill(store, FIRST, 450, **{**MISSED, "due_at": NINE - 2 * AN_HOUR})
    fill(store, LAST, 2, **{**MISSED, "due_at": NINE - 2 * AN_HOUR})
    fill(store, FIRST, 1, **STOP)
    fill(store, LAST, 1, **STOP)

    sweep = recorder.sweep_apps()
    stops = [one.step for _ in range(2) for one in next(sweep)]
    decided_before = missed(store)
    rest = list(sweep)

    assert (stops, decided_before, rest) == ([Step.STOP, Step.STOP], {}, [])
    assert missed(store)[LAST] == 2
    assert 50 <= missed(store)[FIRST] < 450
    for _ in range(6):
        recorder.sweep()
    assert missed(store) == {FIRST: 450, LAST: 2}


def missed(store: Store) -> dict[str, int]:
    query = sa.select(recordings.c.app, sa.func.count().label("how_many")).group_by(
        recordings.c.app
    )
    query = query.where(recordings.c.state == "missed")
    with store.database.read() as connection:
        return {row.app: row.how_many for row in connection.execute(query)}


def test_a_sweep_waits_while_an_answer_is_written_down(
    rivals: tuple[Store, Store], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers take the app's row, too: with many of them a sweep would hardly ever find it free."""
    ours, theirs = rivals
    with ours.database.begin() as connection:
        connection.execute(sa.insert(apps), [{"name": FIRST, "quota": {}}])
    fill(ours, FIRST, 1, **STOP)
    answer = theirs.writing()
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            answer.__exit__(None, None, None)

    with_answer = answer.__enter__()
    with_answer.lock_quota(FIRST)
    monkeypatch.setattr(time, "sleep", wait)

    found = Recorder(StillStore(ours.database), settings).sweep()

    assert [one.step for one in found] == [Step.STOP]
    assert 0 < sum(waited) < 1


def test_what_cannot_be_read_of_one_app_keeps_no_other_waiting(
    store: Store, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody wrote into its row: it is said, and the others' sessions are stopped."""
    fill(store, FIRST, 1, **STOP)
    fill(store, LAST, 1, **STOP)
    broken = sa.update(apps).where(apps.c.name == FIRST).values(quota={"taken": 5})
    with store.database.begin() as connection:
        connection.execute(broken)

    found = by_app(store, recorder.sweep())

    assert list(found) == [LAST]
    assert f"sweep.failed app={FIRST}" in caplog.text


# -- what a sweep asks of the database ------------------------------------------------------


def test_a_sweep_with_nothing_to_do_is_one_question(store: Store, recorder: Recorder) -> None:
    """A hundred apps record, and their next queries are a minute off."""
    for app in APPS:
        fill(store, app, 3, **{**QUERY, "due_at": NINE + timedelta(seconds=60)})

    with statements_sent() as sent:
        assert recorder.sweep() == []

    assert len(sent) - sent.count("BEGIN") == 1


@pytest.mark.parametrize("due", [1, 40])
def test_what_a_sweep_asks_depends_on_the_apps_not_on_their_work(
    store: Store, recorder: Recorder, due: int
) -> None:
    """For each app: its quota, what is due, the claims together, its quota again."""
    for app in APPS:
        fill(store, app, due, **{**QUERY, "due_at": NINE - AN_HOUR})

    with statements_sent() as sent:
        recorder.sweep()

    asked = [one for one in sent if not one.startswith("BEGIN")]
    assert len(asked) == 1 + 4 * len(APPS)


def test_starts_ahead_are_one_more_question(store: Store, recorder: Recorder) -> None:
    """Only for an app that has some: their acquires are planned together."""
    for app in APPS:
        fill(store, app, 2, **{**QUERY, "due_at": NINE - AN_HOUR})
    ahead = NINE + timedelta(seconds=100)
    fill(store, FIRST, 3, due_at=ahead, start_at=ahead, stop_at=FAR)

    with statements_sent() as sent:
        recorder.sweep()

    asked = [one for one in sent if not one.startswith("BEGIN")]
    assert len(asked) == 1 + 4 * len(APPS) + 1


def test_the_herds_of_an_account_are_planned_once_for_all_its_apps(
    store: Store, recorder: Recorder, settings: Settings
) -> None:
    """A hundred apps share its quota: each asks for its own starts, and one for those of all."""
    shared = Recorder(StillStore(store.database), replace(settings, account_rate=1000))
    ahead = NINE + timedelta(seconds=100)
    counts = []
    for app in APPS:
        fill(store, app, 3, due_at=ahead, start_at=ahead, stop_at=FAR)

    for one in (recorder, shared):
        with statements_sent() as sent:
            one.sweep()
        counts.append(sum("ORDER BY sessions.start_at" in statement for statement in sent))

    assert counts == [len(APPS), len(APPS) + 1]


def test_what_runs_of_an_account_is_counted_by_one_question(
    store: Store, settings: Settings
) -> None:
    """Each worker asks it for each app every ten seconds, however many share the account."""
    shared = replace(settings, account_rate=1000)
    for app in (FIRST, LAST):
        fill(store, app, 3, **{**QUERY, "due_at": FAR})

    with statements_sent() as sent:
        load = load_of(store, shared, FIRST)

    assert load.live == 3
    assert sum("count(*)" in one for one in sent) == 2


def test_what_another_sweep_holds_is_passed_by(
    rivals: tuple[Store, Store], settings: Settings
) -> None:
    """No sweep waits for another, and the next one finds what was left."""
    ours, theirs = rivals
    with ours.database.begin() as connection:
        connection.execute(sa.insert(apps), [{"name": name, "quota": {}} for name in APPS])
    for app in APPS:
        fill(ours, app, 1, **{**QUERY, "due_at": NINE})
    with theirs.writing() as writing:
        writing.lock_quota(FIRST)
        first = Recorder(StillStore(ours.database), settings).sweep()

    second = Recorder(StillStore(theirs.database), settings).sweep()

    assert (len(first), len(second)) == (99, 1)
    assert list(by_app(ours, second)) == [FIRST]
