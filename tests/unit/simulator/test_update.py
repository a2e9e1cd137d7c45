"""What update and updateLayout change and refuse."""

import pytest

from recording_tasks.simulator import Simulator

from .api import INDIVIDUAL, STORAGE, Api, Json, file_names, individual, mix, web

WINDOW: Json = {"uid": "1", "x_axis": 0, "y_axis": 0, "width": 1.0, "height": 0.5}


def test_update_repeats_the_ids(api: Api) -> None:
    """As start does."""
    recorded = api.started()

    reply = api.update(recorded, streamSubscribe={"audioUidList": {"subscribeAudioUids": ["1"]}})

    assert reply.status == 200
    assert reply.body == {
        "cname": "room",
        "uid": "900",
        "resourceId": recorded.resource_id,
        "sid": recorded.sid,
    }


def test_update_changes_whom_it_records_from_now_on(simulator: Simulator, api: Api) -> None:
    """What was recorded before stays."""
    simulator.channel("room", users=[{"uid": "7"}, {"uid": "8"}])
    recorded = api.started(individual(streamTypes=0, subscribeAudioUids=["7"]), mode="individual")
    simulator.advance(10)
    before = file_names(api.query(recorded))
    audio = {"audioUidList": {"subscribeAudioUids": ["8"]}}
    api.update(recorded, streamSubscribe=audio)
    simulator.advance(10)

    after = file_names(api.query(recorded))

    assert [name.split("__")[1] for name in before] == ["uid_s_7"]
    assert [name.split("__")[1] for name in after] == ["uid_s_7", "uid_s_8"]


def test_a_web_page_can_be_put_on_hold(simulator: Simulator, api: Api) -> None:
    """Started on hold it has no files; resumed it has."""
    recorded = api.started(web(onhold=True), mode="web")
    simulator.advance(100)
    held = api.query(recorded).body["serverResponse"]["extensionServiceState"][0]["payload"]
    api.update(recorded, webRecordingConfig={"onhold": False})
    simulator.advance(10)

    resumed = api.query(recorded).body["serverResponse"]["extensionServiceState"][0]["payload"]

    assert (held["onhold"], held["fileList"]) == (True, [])
    assert resumed["onhold"] is False
    assert len(resumed["fileList"]) == 2


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"storageConfig": {**STORAGE, "stsToken": "fresh", "stsExpiration": 1_900_000_000}},
        {"streamSubscribe": {"videoUidList": {"unsunscribeVideoUids": ["1"]}}},
        {"streamSubscribe": {"videoUidList": {"subscribeVideoUids": ["#allstream#"]}}},
    ],
)
def test_what_is_documented_is_taken(api: Api, request_: Json) -> None:
    """In every spelling that is around."""
    assert api.update(api.started(), **request_).status == 200


@pytest.mark.parametrize(
    ("mode", "started", "request_"),
    [
        ("mix", mix(), {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": []}}}),
        ("mix", mix(), {"streamSubscribe": {"audioUidList": {}}}),
        ("mix", mix(), {"streamSubscribe": {"audioUids": {}}}),
        (
            "mix",
            mix(),
            {
                "streamSubscribe": {
                    "audioUidList": {"subscribeAudioUids": ["1"], "unSubscribeAudioUids": ["2"]}
                }
            },
        ),
        (
            "mix",
            mix(streamTypes=1),
            {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["1"]}}},
        ),
        (
            "individual",
            individual(streamTypes=0),
            {"streamSubscribe": {"videoUidList": {"subscribeVideoUids": ["1"]}}},
        ),
        ("individual", INDIVIDUAL, {"webRecordingConfig": {"onhold": True}}),
        ("individual", INDIVIDUAL, {"storageConfig": {}}),
        ("web", web(), {"webRecordingConfig": {"onhold": 1}}),
        ("web", web(), {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": "x"}]}}),
        ("web", web(), {"streamSubscribe": {}}),
    ],
)
def test_what_breaks_a_rule_is_code_2(api: Api, mode: str, started: Json, request_: Json) -> None:
    """By mode."""
    recorded = api.started(started, mode=mode)

    assert api.update(recorded, **request_).says == (400, 2)


def test_a_layout_is_replaced_as_a_whole(simulator: Simulator, api: Api) -> None:
    """What is left out is not kept from before."""
    recorded = api.started()
    api.update_layout(recorded, mixedVideoLayout=3, layoutConfig=[WINDOW])

    reply = api.update_layout(recorded, backgroundColor="#ff0000")

    assert reply.status == 200
    assert simulator.sessions()[0]["layout"] == {"backgroundColor": "#ff0000"}


@pytest.mark.parametrize(
    "layout",
    [
        {"mixedVideoLayout": 3},
        {"mixedVideoLayout": "1"},
        {"layoutType": 1},
        {"backgroundColor": "red"},
        {"transcodingConfig": {}},
        {"maxResolutionUid": 1},
        {"layoutConfig": [WINDOW] * 18},
        {"layoutConfig": [{**WINDOW, "width": 1.5}]},
        {"layoutConfig": [{**WINDOW, "render_mode": 2}]},
        {"backgroundConfig": [{"uid": "1"}]},
    ],
)
def test_a_bad_layout_is_code_1028(simulator: Simulator, api: Api, layout: Json) -> None:
    """Or 2, as a switch."""
    recorded = api.started()

    old = api.update_layout(recorded, **layout)
    simulator.configure(layout_code=2)
    new = api.update_layout(recorded, **layout)

    assert old.says == (400, 1028)
    assert new.says == (400, 2)


@pytest.mark.parametrize("mode", ["individual", "web"])
def test_only_mix_has_a_layout(api: Api, mode: str) -> None:
    """Code 2 in the other modes."""
    assert api.update_layout(api.started(mode=mode), mixedVideoLayout=1).says == (400, 2)


@pytest.mark.parametrize("changed", [{"cname": "other"}, {"uid": "901"}])
def test_another_cname_or_uid_is_code_432(api: Api, changed: dict[str, str]) -> None:
    """They must be those of acquire, for every method that has a body."""
    wrong = api.started()._replace(**changed)

    assert api.update(wrong).says == (400, 432)
    assert api.update_layout(wrong).says == (400, 432)
    assert api.stop(wrong).says == (400, 432)


def test_another_mode_is_code_432(api: Api) -> None:
    """Than the one it was started in."""
    assert api.update(api.started()._replace(mode="individual")).says == (400, 432)


def test_after_the_stop_there_is_no_worker(simulator: Simulator, api: Api) -> None:
    """Code 404 for both."""
    recorded = api.started()
    simulator.advance(10)
    api.stop(recorded)

    assert api.update(recorded).says == (404, 404)
    assert api.update_layout(recorded).says == (404, 404)


def test_the_status_of_undocumented_codes_can_be_set(simulator: Simulator, api: Api) -> None:
    """No document gives the HTTP status of 432 and its like."""
    simulator.configure(undocumented_status=403)

    assert api.update(api.started()._replace(uid="901")).says == (403, 432)


def test_refusals_can_carry_the_ids(simulator: Simulator, api: Api) -> None:
    """As real ones were seen to do."""
    simulator.configure(wide_error_bodies=True)
    recorded = api.started()

    body = api.update(recorded, streamSubscribe={"nonsense": 1}).body

    assert body["code"] == 2
    assert (body["cname"], body["uid"], body["sid"]) == ("room", "900", recorded.sid)
