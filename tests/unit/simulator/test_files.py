"""What the files are called."""

import re
from datetime import UTC, datetime

from recording_tasks.simulator import Simulator

from .api import HLS, Api, file_names, individual, mix


def test_every_slice_lies_in_the_folder(simulator: Simulator, api: Api) -> None:
    """One each 15 seconds, named by its UTC time."""
    recorded = api.started(HLS)
    simulator.advance(47)
    api.stop(recorded)

    playlist, *slices = simulator.files(recorded.sid)

    stem = f"folder/room1/{recorded.sid}_room"
    assert playlist == f"{stem}.m3u8"
    assert len(slices) == 3
    assert all(re.fullmatch(re.escape(stem) + r"_\d{17}\.ts", name) for name in slices)


def test_a_slices_name_tells_the_same_millisecond_as_the_list(
    simulator: Simulator, api: Api
) -> None:
    """Whatever part of a millisecond the clock stands at."""
    for part in (0.0001, 0.0004, 0.0006, 0.0009):
        simulator.advance(part)
        recorded = api.started(mix(), uid=str(round(part * 10_000)))
        simulator.advance(10)
        (first, *_) = api.stop(recorded).body["serverResponse"]["fileList"]
        (named,) = [name for name in simulator.files(recorded.sid) if name.endswith(".ts")]

        began = datetime.fromtimestamp(first["sliceStartTime"] // 1000, UTC)
        milliseconds = first["sliceStartTime"] % 1000
        assert named.endswith(f"_{began:%Y%m%d%H%M%S}{milliseconds:03d}.ts")


def test_a_long_recording_has_several_mp4(simulator: Simulator, api: Api) -> None:
    """A new one each two hours, counted from 0."""
    recorded = api.started(mix())
    simulator.advance(5 * 3600)

    names = file_names(api.stop(recorded))

    stem = f"{recorded.sid}_room"
    assert names == [f"{stem}.m3u8", f"{stem}_0.mp4", f"{stem}_1.mp4", f"{stem}_2.mp4"]


def test_the_track_says_what_is_in_it(simulator: Simulator, api: Api) -> None:
    """Audio alone in mix."""
    recorded = api.started(mix(streamTypes=0))
    simulator.advance(10)

    items = api.stop(recorded).body["serverResponse"]["fileList"]

    assert {item["trackType"] for item in items} == {"audio"}


def test_who_came_late_has_a_file_from_then(simulator: Simulator, api: Api) -> None:
    """sliceStartTime is in milliseconds, of each file's own beginning."""
    users = [{"uid": "7"}, {"uid": "8", "joins": 60, "leaves": 90}, {"uid": "9", "joins": 500}]
    simulator.channel("room", users=users)
    began_ms = round(simulator.now() * 1000)
    recorded = api.started(individual(streamTypes=0), mode="individual")
    simulator.advance(200)

    items = api.stop(recorded).body["serverResponse"]["fileList"]

    assert [(item["uid"], item["sliceStartTime"] - began_ms) for item in items] == [
        ("7", 2000),
        ("8", 60_000),
    ]
