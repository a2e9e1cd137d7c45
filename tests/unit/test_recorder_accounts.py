"""Recordings of several App IDs whose account has one quota."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from desk import NINE, Desk
from test_limiter import most_in_a_period

from recording_tasks.models import RecordingState
from recording_tasks.recorder.load import load_of
from recording_tasks.simulator import Simulator
from recording_tasks.store import schema


def school(agora: Simulator) -> dict[str, str]:
    """Give the settings of a second App ID of the same customer."""
    return {
        "AGORA_APP__SCHOOL__APP_ID": "f" * 32,
        "AGORA_APP__SCHOOL__CUSTOMER_ID": agora.customer_id,
        "AGORA_APP__SCHOOL__CUSTOMER_SECRET": agora.customer_secret,
    }


def test_the_apps_of_an_account_share_its_rate(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Two herds of one instant: ten calls a second together, and neither waits for the other."""
    desk = make_desk(RECORDING_ACCOUNT_RATE="10", **school(agora))
    start_at = (NINE + timedelta(seconds=60)).isoformat()
    ids = [
        desk.record(app=app, channel=f"{app}-{number}", start_at=start_at, duration=120)
        for number in range(15)
        for app in ("default", "school")
    ]

    desk.until(lambda: all(desk.find(one).state.is_final for one in ids))

    calls = desk.calls()
    assert most_in_a_period([call["simulated_at"] for call in calls], 1.0) <= 10
    assert {desk.find(one).state for one in ids} == {RecordingState.STOPPED}
    last = {
        app: max(call["simulated_at"] for call in desk.calls("start") if call["app"] == app)
        for app in (agora.app_id, "f" * 32)
    }
    assert abs(last[agora.app_id] - last["f" * 32]) < 2
    assert desk.running() == 0


def test_herds_of_one_account_acquire_early_enough_for_all_of_them(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Thirty and thirty starts of one instant: from then on the whole quota serves starts."""
    desk = make_desk(RECORDING_ACCOUNT_RATE="10", **school(agora))
    instant = NINE + timedelta(seconds=60)
    for app in ("default", "school"):
        for number in range(30):
            desk.record(
                app=app, channel=f"{app}-{number}", start_at=instant.isoformat(), duration=600
            )

    desk.until(lambda: len(desk.calls("start")) == 60)

    acquires = [call["simulated_at"] for call in desk.calls("acquire")]
    starts = [call["simulated_at"] for call in desk.calls("start")]
    assert max(acquires) < min(starts)
    assert max(starts) - min(starts) <= 1.05 * 60 / 10 + 0.25


def test_without_an_account_rate_each_app_has_its_own(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Twenty starts of two apps leave in the same tenth of a second."""
    desk = make_desk(**school(agora))
    start_at = (NINE + timedelta(seconds=60)).isoformat()
    for number in range(10):
        for app in ("default", "school"):
            desk.record(app=app, channel=f"{app}-{number}", start_at=start_at)

    desk.go_on(70)

    starts = [call["simulated_at"] for call in desk.calls("start")]
    assert len(starts) == 20
    assert max(starts) - min(starts) < 0.5


def test_the_lanes_are_the_accounts(make_desk: Callable[..., Desk], agora: Simulator) -> None:
    """A backlog of one app's acquires delays no stop of another's, whoever is looked at first."""
    agora.configure(pcw=500)
    desk = make_desk(RECORDING_ACCOUNT_RATE="10", **school(agora))
    ids = [desk.record(app="school", channel=f"ends-{n}", duration=100 + 5 * n) for n in range(6)]
    desk.go_on(90)
    for number in range(200):
        start_at = (NINE + timedelta(seconds=95)).isoformat()
        desk.recorder.record(
            {"channel": f"room-{number}", "start_at": start_at, "duration": 3000}, at_once=False
        )

    desk.until(lambda: all(desk.find(one).state.is_final for one in ids))

    lates = [
        one.ended_at - one.stop_at
        for one in map(desk.latest, ids)
        if one.ended_at is not None and one.stop_at is not None
    ]
    assert len(lates) == len(ids)
    assert max(lates) < timedelta(seconds=1.2)


def test_what_runs_of_the_other_apps_counts_for_the_spacing_of_queries(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Eight of each: sixteen share what polls may use of the account's rate."""
    desk = make_desk(RECORDING_ACCOUNT_RATE="10", RECORDING_QUERY_SHARE="0.01", **school(agora))
    for number in range(8):
        for app in ("default", "school"):
            desk.record(app=app, channel=f"{app}-{number}", duration=3000)

    desk.go_on(60)

    load = load_of(desk.store, desk.settings, "school")
    assert load.live == 8
    assert round(load.every.total_seconds()) == 170


def test_a_row_that_makes_no_sense_holds_up_no_other_app(
    make_desk: Callable[..., Desk], agora: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody wrote into the tables; it is told, and the apps after that one go on."""
    desk = make_desk(**school(agora))
    desk.record(app="default", start_at=(NINE + timedelta(seconds=30)).isoformat())
    recording_id = desk.record(app="school", channel="other", duration=60)
    of_it = sa.update(schema.apps).where(schema.apps.c.name == "default")
    with desk.store.database.begin() as connection:
        connection.execute(of_it.values(quota={"taken": "unheard of"}))

    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert "sweep.failed app=default" in caplog.text


def test_a_start_that_is_reserved_early_leaves_the_stops_of_all_apps_their_slots(
    make_desk: Callable[..., Desk], agora: Simulator
) -> None:
    """Thirty stops of one app and thirty starts of another, of one instant: the stops go first."""
    agora.configure(pcw=500)
    desk = make_desk(RECORDING_ACCOUNT_RATE="10", **school(agora))
    instant = NINE + timedelta(seconds=120)
    for number in range(30):
        desk.record(
            app="school", channel=f"ends-{number}", duration=None, stop_at=instant.isoformat()
        )
    for number in range(30):
        desk.record(channel=f"room-{number}", start_at=instant.isoformat(), duration=600)

    desk.until(lambda: len(desk.calls("start")) == 60)

    stops = [call["simulated_at"] for call in desk.calls("stop")]
    starts = [
        call["simulated_at"] for call in desk.calls("start") if call["cname"].startswith("room")
    ]
    assert (len(stops), len(starts)) == (30, 30)
    assert max(stops) < min(starts)
