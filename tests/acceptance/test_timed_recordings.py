"""A timed recording from a plain message to its files, over each broker and database."""

from __future__ import annotations

import time

import pytest
from deployment import SOON, until

from .conftest import Deploy

_CLOCKS_APART = 0.05  # the test's, and what a busy worker knows of the database's


@pytest.mark.parametrize(
    ("broker", "database"),
    [
        ("redis", "postgresql"),
        ("redis", "sqlite"),
        pytest.param("rabbitmq", "postgresql", marks=pytest.mark.slow),
    ],
)
def test_a_channel_is_recorded_from_its_start_to_its_stop(
    deploy: Deploy, broker: str, database: str
) -> None:
    """A plain client's message makes a session that begins and ends at its instants."""
    deployment = deploy(broker=broker, database=database)
    deployment.up()
    begin = time.time() + 2.5

    recording_id = deployment.record("room", start_at=begin, duration=3)

    recording = deployment.is_in(recording_id, "stopped")
    (session,) = deployment.simulator.sessions("room")
    (begun,) = deployment.calls("start", "room")
    (ended,) = deployment.calls("stop", "room")
    assert -_CLOCKS_APART < begun["at_unix"] - begin < SOON
    assert -_CLOCKS_APART < ended["at_unix"] - begin - 3 < SOON
    assert session["end_cause"] == "stopped"
    assert recording.reason == "stopped on time"
    assert deployment.session(recording_id).files
    assert deployment.events(recording_id) == [
        "recording.accepted",
        "session.acquired",
        "session.started",
        "session.recording",
        "session.stopped",
        "recording.stopped",
    ]


@pytest.mark.parametrize("rate", [10])
def test_a_herd_of_twenty_at_one_instant_keeps_the_quota(deploy: Deploy, rate: int) -> None:
    """Twenty recordings of one instant are started and stopped without one refusal."""
    deployment = deploy(
        simulator={"requests_per_second": rate},
        RECORDING_API_RATE=str(rate),
        RECORDING_API_MARGIN_SECONDS="0.2",  # the test, its servers and the worker share the cores
        RECORDING_QUERY_SECONDS="60",
        RECORDING_FIRST_QUERY_SECONDS="2",
    )
    deployment.up()
    begin = time.time() + 8

    for number in range(20):
        deployment.send("record", channel=f"room-{number}", start_at=begin, duration=5)
    until(lambda: len(deployment.store.recent(most=50)) == 20, 10, "all accepted")
    recordings = deployment.all_final(40)

    report = deployment.simulator.report()
    starts = sorted(call["at_unix"] for call in deployment.simulator.calls("start"))
    assert len(recordings) == 20
    assert {one.state.value for one in recordings} == {"stopped"}
    assert report["refused_by_quota"] == 0
    assert max(report["peak_accepted_per_second"].values()) <= rate
    assert report["sessions_started"] == 20
    assert report["sessions_running"] == 0
    assert starts[0] > begin - _CLOCKS_APART
    assert starts[-1] - begin < SOON
