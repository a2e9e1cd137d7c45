"""What start grants and refuses; what it accepts although it cannot work."""

import pytest

from recording_tasks.simulator import Simulator

from .api import (
    BY_MODE,
    INDIVIDUAL,
    MIX,
    PAGE,
    STORAGE,
    WEB,
    Api,
    Json,
    individual,
    mix,
    web,
)

RTMP: Json = {
    "serviceName": "rtmp_publish_service",
    "errorHandlePolicy": "error_ignore",
    "serviceParam": {"outputs": [{"rtmpUrl": "rtmp://example.org/live/key"}]},
}
VOD: Json = {
    "recordingConfig": {"channelType": 1},
    "extensionServiceConfig": {
        "errorHandlePolicy": "error_abort",
        "extensionServices": [
            {
                "serviceName": "aliyun_vod_service",
                "serviceParam": {
                    "accessKey": "k",
                    "secretKey": "s",
                    "regionId": "cn-shanghai",
                    "apiData": {"videoData": {"title": "t"}},
                },
            }
        ],
    },
}


def stored(**changes: object) -> Json:
    """A mix start with another storageConfig."""
    return {**MIX, "storageConfig": {**STORAGE, **changes}}


def transcoded(**transcoding: object) -> Json:
    """A mix start with a transcodingConfig."""
    return mix(transcodingConfig=transcoding)


def begin(api: Api, request: Json, mode: str) -> tuple[int, int | None]:
    """Acquire for a mode and start in it; say what start says."""
    resource_id = api.acquire(scene=int(mode == "web")).body["resourceId"]
    return api.start(resource_id, request, mode=mode).says


@pytest.mark.parametrize("mode", ["mix", "individual", "web"])
def test_a_session_is_started(api: Api, mode: str) -> None:
    """In every mode, with a sid of 32 lower-case hex characters."""
    recorded = api.started(mode=mode)

    assert len(recorded.sid) == 32
    assert set(recorded.sid) <= set("0123456789abcdef")


def test_the_answer_repeats_what_was_asked(api: Api) -> None:
    """cname, uid, resourceId and sid, and no code."""
    resource_id = api.acquire("room", "77").body["resourceId"]

    reply = api.start(resource_id, MIX, uid="77")

    assert reply.status == 200
    assert reply.body == {
        "cname": "room",
        "uid": "77",
        "resourceId": resource_id,
        "sid": reply.body["sid"],
    }


def test_the_same_resource_again_is_already_started(simulator: Simulator, api: Api) -> None:
    """201 with code 7, without a sid unless that is set; and no second session."""
    recorded = api.started()

    plain = api.start(recorded.resource_id, MIX)
    simulator.configure(already_started_body="full")
    full = api.start(recorded.resource_id, MIX)

    assert plain == (201, {"code": 7, "reason": "already started"})
    assert (full.says, full.body["sid"]) == ((201, 7), recorded.sid)
    assert simulator.report()["sessions_started"] == 1


def test_already_started_outlives_the_resource(simulator: Simulator, api: Api) -> None:
    """A late repeat of a start that was carried out is not told that its ticket expired."""
    recorded = api.started()
    simulator.advance(400)

    assert api.start(recorded.resource_id, MIX).says == (201, 7)


def test_a_resource_serves_one_session(simulator: Simulator, api: Api) -> None:
    """After the session has ended, the ticket is spent."""
    recorded = api.started()
    api.stop(recorded)

    assert api.start(recorded.resource_id, MIX).says == (400, 433)


def test_the_same_triple_is_a_conflict_while_it_runs(simulator: Simulator, api: Api) -> None:
    """acquire grants, start refuses with 53; another uid, and the same one later, are fine."""
    recorded = api.started()
    again = api.acquire().body["resourceId"]

    conflict = api.start(again, MIX)
    api.started(uid="901")
    api.stop(recorded)
    later = api.start(again, MIX)

    assert conflict == (400, {"code": 53, "reason": "task conflict"})
    assert later.status == 200
    assert later.body["sid"] != recorded.sid


@pytest.mark.parametrize(("seconds", "says"), [(300, (200, None)), (300.1, (400, 433))])
def test_a_resource_lives_five_minutes(
    simulator: Simulator, api: Api, seconds: float, says: tuple[int, int | None]
) -> None:
    """After that, code 433."""
    resource_id = api.acquire().body["resourceId"]

    simulator.advance(seconds)

    assert api.start(resource_id, MIX).says == says


def test_an_unknown_resource_cannot_be_decrypted(api: Api) -> None:
    """Code 1001, and a cut one is unknown too."""
    resource_id = api.acquire().body["resourceId"]

    assert api.start("nonsense", MIX).says == (400, 1001)
    assert api.start(resource_id[:255], MIX).says == (400, 1001)


def test_start_must_name_what_acquire_named(simulator: Simulator, api: Api) -> None:
    """Another cname, uid or App ID is code 432."""
    resource_id = api.acquire().body["resourceId"]
    other_app = Api(simulator, "f" * 32)

    assert api.start(resource_id, MIX, cname="other").says == (400, 432)
    assert api.start(resource_id, MIX, uid="901").says == (400, 432)
    assert other_app.start(resource_id, MIX).says == (400, 432)


def test_a_bad_channel_name_is_code_1013(api: Api) -> None:
    """Unlike at acquire."""
    resource_id = api.acquire().body["resourceId"]

    assert api.start(resource_id, MIX, cname="a/b").says == (400, 1013)


@pytest.mark.parametrize(("mode", "scene"), [("web", 0), ("mix", 1), ("individual", 1)])
def test_mode_and_scene_must_fit(api: Api, mode: str, scene: int) -> None:
    """The scene 1 is for web pages, and only for them."""
    resource_id = api.acquire(scene=scene).body["resourceId"]

    reply = api.start(resource_id, BY_MODE[mode], mode=mode)

    assert reply == (400, {"code": 2, "reason": "services not selected!"})


@pytest.mark.parametrize("mode", ["Web", "raw", "composite"])
def test_there_are_three_modes(api: Api, mode: str) -> None:
    """In lower case."""
    assert begin(api, MIX, mode) == (400, 2)


GOOD: list[tuple[str, Json]] = [
    ("mix", {"storageConfig": STORAGE}),
    ("mix", {**MIX, "token": "007abc", "recordingFileConfig": {"avFileType": ["hls"]}}),
    ("mix", mix(maxIdleTime=2_592_000, streamTypes=2, videoStreamType=1, audioProfile=2)),
    ("mix", mix(subscribeAudioUids=["#allstream#"], subscribeVideoUids=["1", "2"])),
    ("mix", mix(unSubscribeAudioUids=["1"], unsubscribeVideoUids=["2"])),
    ("mix", mix(decryptionMode=1, secret="s")),
    ("mix", mix(decryptionMode=8, secret="s", salt="A" * 43 + "=")),
    ("mix", mix(privateParams='{"correctEXTINF":true}')),
    ("mix", transcoded(width=640, height=360, fps=15, bitrate=500, mixedVideoLayout=1)),
    (
        "mix",
        transcoded(
            mixedVideoLayout=3,
            backgroundColor="#00fF00",
            layoutConfig=[{"uid": "1", "x_axis": 0, "y_axis": 0.5, "width": 1, "height": 0.5}],
            backgroundConfig=[{"uid": "1", "image_url": "https://example.org/a.jpg"}],
        ),
    ),
    ("mix", stored(extensionParams={"sse": "", "tag": ""})),
    ("mix", stored(vendor=11, extensionParams={"endpoint": "s3.example.org"})),
    ("mix", stored(stsToken="t", stsExpiration=1_900_000_000)),
    ("mix", VOD),
    ("individual", INDIVIDUAL),
    ("individual", individual(streamMode="original", streamTypes=0)),
    ("individual", {**INDIVIDUAL, "snapshotConfig": {"captureInterval": 1, "fileType": ["jpg"]}}),
    ("individual", {**INDIVIDUAL, "appsCollection": {"combinationPolicy": "default"}}),
    ("web", WEB),
    ("web", web(RTMP)),
    ("web", web(VideoBitrate=2000, videoFps=30, mobile=True, readyTimeout=60, onhold=True)),
]
BAD: list[tuple[str, Json]] = [
    ("mix", {}),
    ("mix", {"recordingConfig": {}}),
    ("mix", {**MIX, "recordingconfig": {}}),
    ("mix", {**MIX, "recordingFileConfig": {"avFileType": ["mp4"]}}),
    ("mix", {**MIX, "recordingFileConfig": {"avFileType": "hls"}}),
    ("mix", {**MIX, "snapshotConfig": {"fileType": ["jpg"]}}),
    ("mix", {**MIX, "extensionServiceConfig": WEB["extensionServiceConfig"]}),
    ("mix", mix(channelType=2)),
    ("mix", mix(channelType=True)),
    ("mix", mix(streamTypes="2")),
    ("mix", mix(maxIdleTime=4)),
    ("mix", mix(maxIdleTime=2_592_001)),
    ("mix", mix(decryptionMode=1)),
    ("mix", mix(decryptionMode=7, secret="s", salt="short")),
    ("mix", mix(decryptionMode=9, secret="s")),
    ("mix", mix(subscribeAudioUids=["1"], unSubscribeAudioUids=["2"])),
    ("mix", mix(subscribeVideoUids=["1"], unsubscribeVideoUids=["2"])),
    ("mix", mix(subscribeAudioUids=[])),
    ("mix", mix(subscribeAudioUids=[1])),
    ("mix", mix(subscribeAudioUids=[str(n) for n in range(1, 34)])),
    ("mix", mix(streamTypes=0, subscribeVideoUids=["1"])),
    ("mix", mix(streamTypes=1, subscribeAudioUids=["1"])),
    ("mix", mix(streamMode="original")),
    ("mix", transcoded(width="640")),
    ("mix", transcoded(backgroundColor="red")),
    ("mix", transcoded(mixedVideoLayout=4)),
    ("mix", transcoded(layoutConfig=[{"x_axis": 0, "y_axis": 0, "width": 1}])),
    ("mix", transcoded(layoutConfig=[{"x_axis": 2, "y_axis": 0, "width": 1, "height": 1}])),
    (
        "mix",
        transcoded(layoutConfig=[{"x_axis": 0, "y_axis": 0, "width": 1, "height": 1}] * 18),
    ),
    ("mix", stored(vendor=9)),
    ("mix", stored(vendor="1")),
    ("mix", stored(region=-1)),
    ("mix", stored(bucket="")),
    ("mix", stored(fileNamePrefix=["a_b"])),
    ("mix", stored(fileNamePrefix="a")),
    ("mix", stored(fileNamePrefix=["a" * 64, "b" * 63])),
    ("mix", stored(vendor=11)),
    ("mix", stored(extensionParams={"sse": "des"})),
    ("mix", {**VOD, "storageConfig": STORAGE}),
    ("individual", MIX),
    ("individual", individual(subscribeUidGroup=6)),
    ("individual", individual(audioProfile=1)),
    ("individual", individual(transcodingConfig={})),
    ("individual", individual(streamMode="original")),
    ("individual", {**INDIVIDUAL, "recordingFileConfig": {"avFileType": ["hls", "mp4"]}}),
    ("individual", {**INDIVIDUAL, "snapshotConfig": {}}),
    ("individual", {**INDIVIDUAL, "snapshotConfig": {"captureInterval": 0, "fileType": ["jpg"]}}),
    ("individual", {**INDIVIDUAL, "snapshotConfig": {"fileType": ["png"]}}),
    ("individual", {**individual(streamTypes=0), "snapshotConfig": {"fileType": ["jpg"]}}),
    (
        "individual",
        {**individual(subscribeAudioUids=["1"]), "snapshotConfig": {"fileType": ["jpg"]}},
    ),
    ("web", MIX),
    ("web", {**WEB, "token": "007abc"}),
    ("web", {**WEB, "recordingConfig": {}}),
    ("web", {"storageConfig": STORAGE, "extensionServiceConfig": {"extensionServices": [RTMP]}}),
    ("web", web(url="ftp://x")),
    ("web", web(audioProfile=3)),
    ("web", web(videoWidth=100)),
    ("web", web(videoWidth=1920, videoHeight=1920)),
    ("web", web(maxRecordingHour=0)),
    ("web", web(readyTimeout=-1)),
    ("web", web(readyTimeout=1.5)),
    ("web", web(videoBitrate=8001)),
    ("web", web({**RTMP, "serviceParam": {"outputs": RTMP["serviceParam"]["outputs"] * 2}})),
    ("web", web({**RTMP, "serviceParam": {"outputs": [{"rtmpUrl": "http://x"}]}})),
    ("web", web({"serviceName": "other", "serviceParam": PAGE})),
]


@pytest.mark.parametrize(("mode", "request_"), GOOD)
def test_what_is_documented_is_taken(api: Api, mode: str, request_: Json) -> None:
    """By mode, in both spellings where the documents have two."""
    assert begin(api, request_, mode) == (200, None)


@pytest.mark.parametrize(("mode", "request_"), BAD)
def test_what_breaks_a_rule_is_code_2(api: Api, mode: str, request_: Json) -> None:
    """Types, ranges, spelling, exclusions and dependencies."""
    assert begin(api, request_, mode) == (400, 2)


def test_unknown_fields_can_be_ignored(simulator: Simulator, api: Api) -> None:
    """Where a client of another version must get through."""
    simulator.configure(unknown_fields="ignore")

    assert begin(api, {**MIX, "futureConfig": {}}, "mix") == (200, None)


@pytest.mark.parametrize(
    ("request_", "cause"),
    [
        (stored(accessKey="bad-key"), "storage"),
        (stored(secretKey="bad-key"), "storage"),
        (stored(bucket="no-such-bucket"), "storage"),
        ({**MIX, "token": "expired"}, "token"),
        ({**MIX, "token": "wrong"}, "token"),
        (transcoded(width=1920, height=1920), "transcoding"),
        (transcoded(bitrate=6501), "transcoding"),
        (transcoded(mixedVideoLayout=3), "transcoding"),
    ],
)
def test_some_flaws_show_only_later(
    simulator: Simulator, api: Api, request_: Json, cause: str
) -> None:
    """start says 200; soon query and stop say 404 for good, and nothing was recorded."""
    recorded = api.started(request_)
    before = api.query(recorded)
    simulator.advance(3)

    assert before.status == 200
    assert api.query(recorded) == (404, {"code": 404, "reason": "failed to find worker"})
    assert api.stop(recorded).says == (404, 404)
    session = simulator.sessions()[0]
    assert (session["end_cause"], session["files"]) == (cause, [])


def test_flaws_of_the_layout_can_show_at_once(simulator: Simulator, api: Api) -> None:
    """As a switch."""
    simulator.configure(transcoding_check="at_start")

    assert begin(api, transcoded(bitrate=6501), "mix") == (400, 2)


@pytest.mark.parametrize(
    "told", [{"storage": "bad"}, {"token": "expired"}, {"transcoding": "bad"}, {"token": "wrong"}]
)
def test_a_channel_can_be_told_to_fail_later(simulator: Simulator, api: Api, told: Json) -> None:
    """Without changing what the client sends."""
    simulator.channel("room", **told)
    recorded = api.started()

    simulator.advance(3)

    assert api.query(recorded).says == (404, 404)


def test_a_certificate_asks_for_a_token(simulator: Simulator, api: Api) -> None:
    """Without one the recorder never joins."""
    simulator.configure(accounts=[{"app_id": simulator.app_id, "app_certificate": True}])
    without, with_one = api.started(), api.started({**MIX, "token": "007abc"}, uid="901")

    simulator.advance(3)

    assert api.query(without).says == (404, 404)
    assert api.query(with_one).status == 200
