"""The client against the simulator: six methods, three modes, and the answers that matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from recording_tasks.client import Client, Credentials, Retries, Timeouts
from recording_tasks.errors import NotSentError, OutcomeUnknownError, Remedy, ServiceError
from recording_tasks.models import Mode, UploadStatus
from recording_tasks.simulator import Simulator, running
from recording_tasks.wire import (
    StorageConfig,
    acquire_body,
    check_layout,
    check_request,
    check_update,
    layout_body,
    start_body,
    stop_body,
    update_body,
    was_reached,
)

STORAGE = StorageConfig.model_validate(
    {"vendor": 1, "region": 0, "bucket": "b", "access_key": "key", "secret_key": "secret"}
)
REQUESTS: dict[Mode, dict[str, Any]] = {
    Mode.INDIVIDUAL: {
        "recordingConfig": {"subscribeUidGroup": 0, "streamTypes": 2},
        "recordingFileConfig": {"avFileType": ["hls"]},
        "snapshotConfig": {"fileType": ["jpg"], "captureInterval": 5},
    },
    Mode.MIX: {
        "acquire": {"region": "NA", "resourceExpiredHour": 24},
        "recordingConfig": {
            "channelType": 0,
            "transcodingConfig": {"width": 1280, "height": 720, "mixedVideoLayout": 1},
            "unsubscribeAudioUids": ["5"],
        },
        "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
    },
    Mode.WEB: {
        "extensionServiceConfig": {
            "extensionServices": [
                {
                    "serviceName": "web_recorder_service",
                    "errorHandlePolicy": "error_abort",
                    "serviceParam": {
                        "url": "https://example.com/page",
                        "audioProfile": 0,
                        "videoWidth": 1280,
                        "videoHeight": 720,
                        "maxRecordingHour": 3,
                    },
                }
            ]
        }
    },
}
UPDATES: dict[Mode, dict[str, Any]] = {
    Mode.INDIVIDUAL: {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["#allstream#"]}}},
    Mode.MIX: {"streamSubscribe": {"videoUidList": {"unSubscribeVideoUids": ["5"]}}},
    Mode.WEB: {"webRecordingConfig": {"onhold": True}},
}


def free() -> None:
    """A permit that is always there."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Agora's side, with room for a test's pace and an hour in a minute."""
    with running(requests_per_second=1000, speed=60) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    """Ours, with the credentials that the simulator knows."""
    with client_of(simulator) as client:
        yield client


def client_of(simulator: Simulator, **options: Any) -> Client:
    """A client that waits next to nothing between its tries."""
    credentials = Credentials(
        app_id=simulator.app_id,
        customer_id=simulator.customer_id,
        customer_secret=SecretStr(simulator.customer_secret),
    )
    options.setdefault("base_urls", [simulator.url])
    return Client(credentials, retries=Retries(scale=0.001), **options)


def acquire(client: Client, mode: Mode = Mode.MIX, uid: str = "527841") -> str:
    """A resource for the channel."""
    body = acquire_body("room", uid, mode, REQUESTS[mode])
    return client.acquire(body, permit=free).resource_id


def start(
    client: Client, resource_id: str, mode: Mode = Mode.MIX, uid: str = "527841"
) -> str | None:
    """The sid of a session."""
    body = start_body("room", uid, mode, REQUESTS[mode], storage=STORAGE)
    return client.start(mode, resource_id, body, permit=free).sid


def begun(client: Client, mode: Mode = Mode.MIX) -> tuple[str, str]:
    """A started session: resource id and sid."""
    resource_id = acquire(client, mode)
    sid = start(client, resource_id, mode)
    assert sid is not None
    return resource_id, sid


def refusal(call: Any, *arguments: Any, **options: Any) -> ServiceError:
    """The error of a call that Agora refuses."""
    with pytest.raises(ServiceError) as error:
        call(*arguments, **options)
    return error.value


@pytest.mark.parametrize("mode", list(Mode))
def test_a_session_lives_through_all_methods(
    mode: Mode, client: Client, simulator: Simulator
) -> None:
    """acquire, start, query, update, updateLayout, stop; and then it is gone."""
    assert check_request(mode, REQUESTS[mode]) == []
    assert check_update(mode, UPDATES[mode]) == []
    resource_id, sid = begun(client, mode)
    simulator.advance(60)

    observed = client.query(mode, resource_id, sid, permit=free)
    client.update(mode, resource_id, sid, update_body("room", "527841", UPDATES[mode]), permit=free)
    if mode is Mode.MIX:
        layout = {"mixedVideoLayout": 2, "maxResolutionUid": "123", "backgroundColor": "#FF0000"}
        assert check_layout(layout) == []
        client.update_layout(
            mode, resource_id, sid, layout_body("room", "527841", layout), permit=free
        )
    body = stop_body("room", "527841", async_stop=False)
    stopped = client.stop(mode, resource_id, sid, body, permit=free)
    again = refusal(client.stop, mode, resource_id, sid, body, permit=free)
    simulator.advance(60)
    gone = refusal(client.stop, mode, resource_id, sid, body, permit=free)

    assert observed.status in {4, 5}
    assert stopped.upload_status is UploadStatus.UPLOADED
    assert not stopped.is_empty
    assert stopped.files
    assert again.remedy is Remedy.SETTLED
    assert gone.remedy is Remedy.SUSPECT
    (session,) = simulator.sessions("room")
    assert (session["sid"], session["end_cause"], session["mode"]) == (sid, "stopped", mode)


def test_a_start_is_repeated_with_the_same_resource(client: Client) -> None:
    """The second time says that it runs."""
    resource_id, _ = begun(client)
    body = start_body("room", "527841", Mode.MIX, REQUESTS[Mode.MIX], storage=STORAGE)
    started = client.start(Mode.MIX, resource_id, body, permit=free)

    assert started.was_running


def test_a_start_that_is_not_completed_may_run(client: Client, simulator: Simulator) -> None:
    """206/65, carried out: the same resource finds it running."""
    simulator.fault("start", "refuse", code=65, carry_out=True)
    resource_id = acquire(client)
    error = refusal(start, client, resource_id)

    assert (error.status, error.code, error.remedy) == (206, 65, Remedy.SAME_RESOURCE)
    assert was_reached(error)
    assert len(simulator.sessions("room")) == 1


def test_a_lost_answer_of_a_start_is_unknown(client: Client, simulator: Simulator) -> None:
    """And is not repeated by the client."""
    simulator.fault("start", "lose_answer")
    resource_id = acquire(client)
    with pytest.raises(OutcomeUnknownError):
        start(client, resource_id)

    assert len(simulator.calls("start")) == 1
    assert len(simulator.sessions("room")) == 1


def test_a_lost_answer_of_a_query_is_asked_again(client: Client, simulator: Simulator) -> None:
    """At once."""
    resource_id, sid = begun(client)
    simulator.fault("query", "lose_answer")
    simulator.advance(30)

    assert client.query(Mode.MIX, resource_id, sid, permit=free).status in {4, 5}
    assert len(simulator.calls("query")) == 2


def test_a_stop_before_anything_was_sent_is_empty(client: Client, simulator: Simulator) -> None:
    """206/435 is an answer, not an error."""
    simulator.channel("room", users=[])
    resource_id, sid = begun(client)
    body = stop_body("room", "527841", async_stop=False)

    assert client.stop(Mode.MIX, resource_id, sid, body, permit=free).is_empty


def test_an_async_stop_is_taken(client: Client, simulator: Simulator) -> None:
    """Where the files are is told later."""
    resource_id, sid = begun(client)
    simulator.advance(60)
    body = stop_body("room", "527841", async_stop=True)
    stopped = client.stop(Mode.MIX, resource_id, sid, body, permit=free)

    assert not stopped.is_empty


@pytest.mark.parametrize(
    ("method", "code", "remedy"),
    [
        ("acquire", 2, Remedy.PARAMETERS),
        ("acquire", 400, Remedy.ACCOUNT),
        ("acquire", 401, Remedy.PARAMETERS),
        ("acquire", 405, Remedy.ACCOUNT),
        ("acquire", 406, Remedy.OVERLOADED),
        ("acquire", 500, Remedy.SAME_AGAIN),
        ("acquire", 501, Remedy.SAME_AGAIN),
        ("acquire", 504, Remedy.SAME_AGAIN),
        ("start", 53, Remedy.OTHER_UID),
        ("start", 62, Remedy.SAME_RESOURCE),
        ("start", 65, Remedy.SAME_RESOURCE),
        ("start", 433, Remedy.NEW_RESOURCE),
        ("start", 502, Remedy.NEW_RESOURCE),
        ("query", 62, Remedy.SAME_AGAIN),
        ("query", 65, Remedy.SAME_AGAIN),
        ("query", 404, Remedy.SUSPECT),
        ("query", 501, Remedy.EXITING),
        ("stop", 49, Remedy.SETTLED),
        ("stop", 62, Remedy.SAME_AGAIN),
        ("stop", 65, Remedy.SAME_AGAIN),
        ("stop", 404, Remedy.SUSPECT),
    ],
)
def test_every_refusal_has_its_remedy(
    method: str, code: int, remedy: Remedy, client: Client, simulator: Simulator
) -> None:
    """As the simulator, which shares no code with the table, spells them."""
    simulator.fault(method, "refuse", code=code)
    body = stop_body("room", "527841", async_stop=True)
    calls = {
        "acquire": lambda: acquire(client),
        "start": lambda: start(client, acquire(client)),
        "query": lambda: client.query(Mode.MIX, *begun(client), permit=free),
        "stop": lambda: client.stop(Mode.MIX, *begun(client), body, permit=free),
    }
    error = refusal(calls[method])

    assert (error.method, error.code, error.remedy) == (method, code, remedy)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(429, Remedy.SLOW_DOWN), (401, Remedy.CREDENTIALS), (502, Remedy.SAME_RESOURCE)],
)
def test_gateways_have_their_remedy(
    status: int, remedy: Remedy, client: Client, simulator: Simulator
) -> None:
    """A message or a page of HTML, without a code."""
    resource_id = acquire(client)
    simulator.fault("start", "refuse", status=status)

    assert refusal(start, client, resource_id).remedy is remedy


def test_the_same_uid_twice_is_refused(client: Client) -> None:
    """400/53: another uid records beside it."""
    begun(client)
    error = refusal(start, client, acquire(client))

    assert error.remedy is Remedy.OTHER_UID
    assert start(client, acquire(client, uid="2"), uid="2") is not None


def test_wrong_credentials_are_told(simulator: Simulator) -> None:
    """And no retry hammers them."""
    credentials = Credentials(
        app_id=simulator.app_id, customer_id="nobody", customer_secret=SecretStr("wrong")
    )
    with Client(credentials, base_urls=[simulator.url]) as client:
        error = refusal(acquire, client)

    assert error.remedy is Remedy.CREDENTIALS


def test_a_server_that_hangs_is_given_up(simulator: Simulator) -> None:
    """After the read timeout; the start may have been carried out."""
    simulator.fault("start", "hang")
    with client_of(simulator, timeouts=Timeouts(read=0.2)) as client:
        resource_id = acquire(client)
        with pytest.raises(OutcomeUnknownError):
            start(client, resource_id)


def test_the_other_host_takes_over(simulator: Simulator) -> None:
    """The primary host is away; every method reaches the other one."""
    with client_of(simulator, base_urls=["http://127.0.0.1:1", simulator.url]) as client:
        _, sid = begun(client)

    assert sid


def test_nobody_there_was_not_sent(simulator: Simulator) -> None:
    """No host answers at all."""
    with (
        client_of(simulator, base_urls=["http://127.0.0.1:1"]) as client,
        pytest.raises(NotSentError),
    ):
        acquire(client)
