"""What query says at each moment of a session."""

import pytest

from recording_tasks.simulator import Simulator

from .api import HLS, INDIVIDUAL, MIX, Api, Json, file_names, individual, mix, web

RTMP: Json = {
    "serviceName": "rtmp_publish_service",
    "serviceParam": {"outputs": [{"rtmpUrl": "rtmp://example.org/live/key"}]},
}


def test_the_status_climbs_while_joining(simulator: Simulator, api: Api) -> None:
    """0 to 4 in the first seconds, then 5."""
    recorded = api.started()

    seen = []
    for _ in range(6):
        seen.append(api.query(recorded).body["serverResponse"]["status"])
        simulator.advance(0.4)

    assert seen == [0, 1, 2, 3, 4, 5]


def test_joining_can_answer_404(simulator: Simulator, api: Api) -> None:
    """As a switch, for the first seconds only."""
    simulator.configure(query_before_join="404")
    recorded = api.started()

    before = api.query(recorded)
    simulator.advance(2)

    assert before.says == (404, 404)
    assert api.query(recorded).status == 200


def test_mix_with_hls_alone_has_one_name(simulator: Simulator, api: Api) -> None:
    """fileListMode string, and the fileList is a string."""
    recorded = api.started(HLS)
    began_ms = round(simulator.now() * 1000)
    simulator.advance(10)

    reply = api.query(recorded)

    assert reply.body == {
        "cname": "room",
        "uid": "900",
        "resourceId": recorded.resource_id,
        "sid": recorded.sid,
        "serverResponse": {
            "status": 5,
            "fileListMode": "string",
            "fileList": f"{recorded.sid}_room.m3u8",
            "sliceStartTime": began_ms + 2000,
        },
    }


def test_mix_with_mp4_lists_both(simulator: Simulator, api: Api) -> None:
    """fileListMode json; one file for all users."""
    recorded = api.started(MIX)
    simulator.advance(10)

    response = api.query(recorded).body["serverResponse"]

    assert response["fileListMode"] == "json"
    assert [item["fileName"] for item in response["fileList"]] == [
        f"{recorded.sid}_room.m3u8",
        f"{recorded.sid}_room_0.mp4",
    ]
    assert response["fileList"][0] | {"fileName": ""} == {
        "fileName": "",
        "trackType": "audio_and_video",
        "uid": "0",
        "mixedAllUser": True,
        "isPlayable": True,
        "sliceStartTime": response["sliceStartTime"],
    }


def test_individual_lists_each_users_streams(simulator: Simulator, api: Api) -> None:
    """Audio and video of each publisher, under the publisher's uid."""
    simulator.channel("room", users=[{"uid": "7"}, {"uid": "8", "video": False}])
    recorded = api.started(INDIVIDUAL, mode="individual")
    simulator.advance(10)

    items = api.query(recorded).body["serverResponse"]["fileList"]

    stem = f"{recorded.sid}_room__uid_s_"
    assert [(i["fileName"], i["trackType"], i["uid"], i["mixedAllUser"]) for i in items] == [
        (f"{stem}7__uid_e_audio.m3u8", "audio", "7", False),
        (f"{stem}7__uid_e_video.m3u8", "video", "7", False),
        (f"{stem}8__uid_e_audio.m3u8", "audio", "8", False),
    ]


def test_screenshots_alone_have_no_list(simulator: Simulator, api: Api) -> None:
    """Only status and sliceStartTime; the pictures lie in the bucket."""
    request = {
        **INDIVIDUAL,
        "snapshotConfig": {"captureInterval": 5, "fileType": ["jpg"]},
    }
    del request["recordingFileConfig"]
    recorded = api.started(request, mode="individual")
    simulator.advance(12)

    response = api.query(recorded).body["serverResponse"]

    assert set(response) == {"status", "sliceStartTime"}
    assert response["status"] == 5
    pictures = simulator.files(recorded.sid)
    assert len(pictures) == 2
    stem = f"folder/room1/{recorded.sid}_room__uid_s_123__uid_e_video_"
    assert all(name.startswith(stem) and name.endswith(".jpg") for name in pictures)


def test_a_web_page_has_services_with_states(simulator: Simulator, api: Api) -> None:
    """init while loading, then inProgress with names spelt filename; the push beside it."""
    recorded = api.started(web(RTMP), mode="web", cname="my_page")
    before = api.query(recorded).body["serverResponse"]
    simulator.advance(10)

    response = api.query(recorded).body["serverResponse"]

    assert before["extensionServiceState"][0]["payload"]["state"] == "init"
    recorder, push = response["extensionServiceState"]
    assert response["status"] == 5
    assert recorder["serviceName"] == "web_recorder_service"
    assert recorder["payload"]["state"] == "inProgress"
    assert recorder["payload"]["onhold"] is False
    names = [item["filename"] for item in recorder["payload"]["fileList"]]
    assert names == [f"{recorded.sid}_my-page.m3u8", f"{recorded.sid}_my-page_0.mp4"]
    assert push["payload"] == {
        "state": "inProgress",
        "outputs": [{"rtmpUrl": "rtmp://example.org/live/key", "status": "publishing"}],
    }


def test_files_can_come_later(simulator: Simulator, api: Api) -> None:
    """Status 4 and an empty list before the first slice."""
    simulator.configure(first_file_seconds=15)
    recorded = api.started()
    simulator.advance(10)
    before = api.query(recorded)
    simulator.advance(10)

    assert before.body["serverResponse"]["status"] == 4
    assert file_names(before) == []
    assert len(file_names(api.query(recorded))) == 2


def test_nothing_published_stays_at_4(simulator: Simulator, api: Api) -> None:
    """Joined, but nothing to record."""
    simulator.channel("room", users=[])
    recorded = api.started(mix(maxIdleTime=300))

    simulator.advance(100)

    assert api.query(recorded).body["serverResponse"]["status"] == 4


def test_another_sid_does_not_match_the_resource(api: Api) -> None:
    """Code 1003."""
    recorded, other = api.started(), api.started(cname="other", uid="1")

    assert api.query(recorded._replace(sid=other.sid)).says == (400, 1003)
    assert api.query(recorded._replace(sid="0" * 32)).says == (400, 1003)


def test_another_app_does_not_match_the_resource(simulator: Simulator, api: Api) -> None:
    """Code 1003."""
    recorded = api.started()

    assert Api(simulator, "f" * 32).query(recorded).says == (400, 1003)


def test_an_unknown_resource_cannot_be_decrypted(api: Api) -> None:
    """Code 1001."""
    assert api.query(api.started()._replace(resource_id="abc")).says == (400, 1001)


def test_a_resource_never_started_has_no_worker(api: Api) -> None:
    """Code 404."""
    resource_id = api.acquire("other").body["resourceId"]

    assert api.query(api.started()._replace(resource_id=resource_id)).says == (404, 404)


def test_control_ends_with_the_resource_but_the_recording_goes_on(
    simulator: Simulator, api: Api
) -> None:
    """After resourceExpiredHour every call says 404, and the session still runs."""
    recorded = api.started(resourceExpiredHour=1)
    simulator.advance(3600)

    says = {
        api.query(recorded).says,
        api.update(recorded).says,
        api.update_layout(recorded).says,
        api.stop(recorded).says,
    }

    assert says == {(404, 404)}
    assert simulator.report()["sessions_running"] == 1


@pytest.mark.parametrize(
    ("setting", "says"), [("501", (404, 501)), ("404", (404, 404)), ("status", (200, None))]
)
def test_a_query_after_the_stop_finds_it_exiting(
    simulator: Simulator, api: Api, setting: str, says: tuple[int, int | None]
) -> None:
    """501 at first, 404 when it has left; counted in the report."""
    simulator.configure(query_while_exiting=setting)
    recorded = api.started()
    simulator.advance(10)
    api.stop(recorded)

    exiting = api.query(recorded)
    simulator.advance(5)
    gone = api.query(recorded)

    assert exiting.says == says
    assert gone.says == (404, 404)
    assert simulator.report()["queries_after_stop"] == 2


def test_the_older_shapes_can_be_chosen(simulator: Simulator, api: Api) -> None:
    """No cname and uid, the status as text, names with their folder."""
    simulator.configure(with_channel=False, status_as_string=True, file_name_with_prefix=True)
    recorded = api.started(HLS)
    simulator.advance(10)

    body = api.query(recorded).body

    assert set(body) == {"resourceId", "sid", "serverResponse"}
    assert body["serverResponse"]["status"] == "5"
    assert body["serverResponse"]["fileList"] == f"folder/room1/{recorded.sid}_room.m3u8"


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"streamTypes": 0}, ["7_audio", "8_audio"]),
        ({"streamTypes": 1}, ["7_video", "8_video"]),
        ({"subscribeAudioUids": ["7"]}, ["7_audio"]),
        ({"subscribeVideoUids": ["7"]}, ["7_video"]),
        ({"subscribeAudioUids": ["7"], "subscribeVideoUids": ["8"]}, ["7_audio", "8_video"]),
        (
            {"subscribeAudioUids": ["#allstream#"], "subscribeVideoUids": ["#allstream#"]},
            ["7_audio", "7_video", "8_audio", "8_video"],
        ),
        ({"unSubscribeAudioUids": ["7"]}, ["8_audio"]),
        ({"unsubscribeAudioUids": ["7"], "unSubscribeVideoUids": ["8"]}, ["7_video", "8_audio"]),
        (
            {"streamMode": "standard"},
            ["7_audio", "7_av", "7_video", "8_audio", "8_av", "8_video"],
        ),
        ({"streamMode": "original", "streamTypes": 0}, ["7_audio", "8_audio"]),
    ],
)
def test_subscription_decides_what_is_recorded(
    simulator: Simulator, api: Api, config: Json, names: list[str]
) -> None:
    """A list for only one medium silences the other."""
    simulator.channel("room", users=[{"uid": "7"}, {"uid": "8"}])
    recorded = api.started(individual(**config), mode="individual")
    simulator.advance(10)

    found = file_names(api.query(recorded))

    short = [n.split("__uid_s_")[1].removesuffix(".m3u8").replace("__uid_e_", "_") for n in found]
    assert sorted(short) == names
