"""How sessions end without a stop, are away, and come back."""

import pytest

from recording_tasks.simulator import Simulator

from .api import MIX, Api, Json, file_names, individual, mix, web

AUDIENCE: Json = {"uid": "5", "role": "audience", "audio": False, "video": False}


def test_an_empty_channel_is_left_after_the_idle_time(simulator: Simulator, api: Api) -> None:
    """Query still 200 before, and 404 afterwards; stop 49 at first, then 404."""
    simulator.channel("room", users=[])
    recorded = api.started(mix(maxIdleTime=60))
    simulator.advance(2 + 59)
    before = api.query(recorded)
    simulator.advance(1)
    exiting = api.stop(recorded)
    simulator.advance(5)

    assert before.status == 200
    assert exiting.says == (400, 49)
    assert api.query(recorded).says == (404, 404)
    assert api.stop(recorded).says == (404, 404)
    assert simulator.report()["ended_by_cause"] == {"idle": 1}


def test_the_idle_time_is_30_seconds_by_default(simulator: Simulator, api: Api) -> None:
    """From joining on."""
    simulator.channel("room", users=[])
    api.started()

    simulator.advance(1000)

    session = simulator.sessions()[0]
    assert session["ended_at"] - session["started_at"] == 32


@pytest.mark.parametrize(("channel_type", "running"), [(0, 1), (1, 0)])
def test_an_audience_keeps_only_a_communication_channel(
    simulator: Simulator, api: Api, channel_type: int, running: int
) -> None:
    """In a live channel only hosts count; streams do not matter."""
    simulator.channel("room", users=[AUDIENCE])
    api.started(mix(channelType=channel_type))

    simulator.advance(100)

    assert simulator.report()["sessions_running"] == running


def test_a_pause_shorter_than_the_idle_time_is_survived(simulator: Simulator, api: Api) -> None:
    """The recording goes on when somebody comes back in time, and leaves after the next."""
    users = [{"uid": "7", "leaves": 100}, {"uid": "7", "joins": 150, "leaves": 200}]
    simulator.channel("room", users=users)
    recorded = api.started(mix(maxIdleTime=60))

    simulator.advance(259)
    alive = api.query(recorded)
    simulator.advance(1)

    assert alive.status == 200
    assert simulator.sessions()[0]["end_cause"] == "idle"


def test_a_running_session_notices_who_leaves(simulator: Simulator, api: Api) -> None:
    """Telling a channel anew changes sessions that run in it; the past stays."""
    recorded = api.started(individual(), mode="individual")
    simulator.advance(100)
    simulator.channel("room", users=[])
    simulator.advance(29)
    alive = api.query(recorded)
    simulator.advance(1)

    assert len(file_names(alive)) == 2
    session = simulator.sessions()[0]
    assert session["end_cause"] == "idle"
    assert session["ended_at"] - session["started_at"] == pytest.approx(130)


def test_the_wrong_profile_records_nothing(simulator: Simulator, api: Api) -> None:
    """The channel is live, the recorder joins for communication."""
    simulator.channel("room", profile="live")
    recorded = api.started(mix(channelType=0, maxIdleTime=60))
    simulator.advance(30)

    assert api.query(recorded).body["serverResponse"]["status"] == 4
    assert api.stop(recorded).says == (206, 435)


def test_names_are_globs_and_the_latest_counts(simulator: Simulator, api: Api) -> None:
    """An exact name wins only by being told later."""
    simulator.channel("empty-*", users=[])
    simulator.channel("empty-1", users=[{"uid": "7"}])
    one, two = api.started(cname="empty-1"), api.started(cname="empty-2")
    simulator.advance(10)

    assert api.stop(one).status == 200
    assert api.stop(two).says == (206, 435)


def test_a_failover_is_a_404_that_passes(simulator: Simulator, api: Api) -> None:
    """Every method says 404 for its time; then it goes on, with files marked bak0_."""
    simulator.channel("room", failovers=[{"after": 60, "seconds": 45}])
    recorded = api.started()
    simulator.advance(60)
    away = {
        api.query(recorded).says,
        api.stop(recorded).says,
        api.update(recorded).says,
        api.update_layout(recorded).says,
    }
    simulator.advance(45)
    back = api.query(recorded)

    assert away == {(404, 404)}
    assert back.status == 200
    stem = f"{recorded.sid}_room"
    assert file_names(api.stop(recorded)) == [f"{stem}.m3u8", f"{stem}_0.mp4"]
    assert file_names(back) == [f"{stem}.m3u8", f"{stem}_0.mp4"]


def test_files_after_a_failover_are_marked(simulator: Simulator, api: Api) -> None:
    """bak0_, bak1_ and so on, inside the folder."""
    failovers = [{"after": 60, "seconds": 30}, {"after": 200, "seconds": 30}]
    simulator.channel("room", failovers=failovers)
    recorded = api.started()
    simulator.advance(300)

    stem = f"{recorded.sid}_room"
    assert file_names(api.stop(recorded)) == [
        f"{mark}{stem}{kind}" for mark in ("", "bak0_", "bak1_") for kind in (".m3u8", "_0.mp4")
    ]
    assert f"folder/room1/bak1_{stem}.m3u8" in simulator.files(recorded.sid)


def test_the_fourth_failover_ends_it(simulator: Simulator, api: Api) -> None:
    """Three are survived."""
    failovers = [{"after": 100 * n, "seconds": 30} for n in range(1, 5)]
    simulator.channel("room", failovers=failovers)
    recorded = api.started()
    simulator.advance(350)
    alive = api.query(recorded)
    simulator.advance(100)

    assert alive.status == 200
    assert api.query(recorded).says == (404, 404)
    assert simulator.report()["ended_by_cause"] == {"failovers": 1}


def test_running_sessions_can_be_disturbed(simulator: Simulator, api: Api) -> None:
    """A failover from now on, for the channels that match."""
    one, two = api.started(cname="a-1"), api.started(cname="b-1")
    simulator.advance(10)

    sids = simulator.disturb("failover", "a-*", seconds=30)
    hit, spared = api.query(one), api.query(two)
    simulator.advance(30)

    assert sids == [one.sid]
    assert (hit.says, spared.status) == ((404, 404), 200)
    assert api.query(one).status == 200


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_abnormal_exit_shows_for_a_moment(simulator: Simulator, api: Api, by_hand: bool) -> None:
    """Status 20, then 404."""
    simulator.channel("room", abnormal_exit_after=None if by_hand else 30)
    recorded = api.started()
    simulator.advance(30)
    if by_hand:
        simulator.disturb("abnormal_exit", "room")

    died, stop = api.query(recorded), api.stop(recorded)
    simulator.advance(5)

    assert died.body["serverResponse"]["status"] == 20
    assert stop.says == (400, 49)
    assert api.query(recorded).says == (404, 404)


def test_a_user_with_the_recorders_uid_kicks_it(simulator: Simulator, api: Api) -> None:
    """The recording fails, and stop says 49."""
    simulator.channel("room", users=[{"uid": "7"}, {"uid": "900", "joins": 60}])
    recorded = api.started()
    simulator.advance(59)
    alive = api.query(recorded)
    simulator.advance(60)

    assert alive.status == 200
    assert api.stop(recorded).says == (400, 49)
    assert simulator.report()["ended_by_cause"] == {"kicked": 1}


@pytest.mark.parametrize(("token", "seconds"), [("expires-in:600", 600), ("007abc", 86_400)])
def test_a_session_ends_with_its_token(
    simulator: Simulator, api: Api, token: str, seconds: float
) -> None:
    """After 24 hours, or what the token says."""
    recorded = api.started({**MIX, "token": token})
    simulator.advance(seconds - 1)
    alive = api.query(recorded)
    simulator.advance(10)

    assert alive.status == 200
    assert api.query(recorded).says == (404, 404)
    assert simulator.report()["ended_by_cause"] == {"token_expired": 1}


def test_a_web_page_ends_after_its_hours(simulator: Simulator, api: Api) -> None:
    """maxRecordingHour; nobody needs to be in a channel."""
    simulator.channel("*", users=[])
    recorded = api.started(web(maxRecordingHour=1), mode="web")
    simulator.advance(3600)
    alive = api.query(recorded)
    simulator.advance(10)

    assert alive.status == 200
    assert api.query(recorded).says == (404, 404)
    assert simulator.report()["ended_by_cause"] == {"max_recording_hour": 1}


@pytest.mark.parametrize(
    ("page", "param", "cause"),
    [("missing", {}, "access_url_failed"), ("slow", {"readyTimeout": 20}, "page_load_timeout")],
)
def test_a_page_that_does_not_load_ends_it(
    simulator: Simulator, api: Api, page: str, param: Json, cause: str
) -> None:
    """Not found at once; not ready after the second timeout."""
    simulator.channel("room", page=page)
    api.started(web(**param), mode="web")

    simulator.advance(42)

    assert simulator.report()["ended_by_cause"] == {cause: 1}


def test_its_life_can_be_read(simulator: Simulator, api: Api) -> None:
    """Events in order, with their simulated instants."""
    recorded = api.started()
    simulator.advance(10)
    api.update(recorded)
    simulator.advance(10)
    api.stop(recorded)
    simulator.advance(10)

    session = simulator.sessions()[0]

    began = session["started_at"]
    assert [(event["name"], event["at"] - began) for event in session["events"]] == [
        ("started", 0),
        ("joined", 2),
        ("updated", 10),
        ("stop_requested", 20),
        ("ended:stopped", 20),
        ("exited", 25),
    ]
    assert session["state"] == "gone"
    assert session["ended_unix"] - session["started_unix"] < 5
