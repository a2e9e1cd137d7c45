"""What stands before the service: routes, credentials, headers, bodies that are none."""

import pytest
import requests

from recording_tasks.simulator import Simulator

from .api import Api, Json

BODY: Json = {"cname": "room", "uid": "900", "clientRequest": {}}
APP = "fedcba9876543210fedcba9876543210"


def test_a_request_without_credentials_is_unauthorized(api: Api) -> None:
    """The header is missing."""
    response = requests.post(f"{api.base}/acquire", json=BODY, timeout=5)

    assert response.status_code == 401
    assert response.json() == {"message": "Unauthorized"}


@pytest.mark.parametrize("header", ["Basic d3Jvbmc6d3Jvbmc=", "c2ltdWxhdG9y", "Bearer x"])
def test_wrong_credentials_are_invalid(api: Api, header: str) -> None:
    """A wrong secret, and a header without the word Basic."""
    headers = {"Authorization": header}
    response = requests.post(f"{api.base}/acquire", json=BODY, headers=headers, timeout=5)

    assert response.status_code == 401
    assert response.json() == {"message": "Invalid authentication credentials"}


def test_an_app_id_that_is_none_is_invalid(simulator: Simulator) -> None:
    """Anything but 32 hex characters, where no accounts are set."""
    assert Api(simulator, "nonsense").acquire() == (400, {"message": "appid is invalid"})


def test_an_unknown_app_id_is_invalid(simulator: Simulator) -> None:
    """Where accounts are set, only they may call, with their own credentials."""
    simulator.configure(accounts=[{"app_id": APP}])

    assert Api(simulator, APP).acquire().status == 200
    assert Api(simulator).acquire() == (400, {"message": "appid is invalid"})


def test_credentials_of_another_account_are_invalid(simulator: Simulator) -> None:
    """They must belong to the App ID's account."""
    accounts = [{"app_id": APP, "customer_id": "else"}, {"app_id": simulator.app_id}]
    simulator.configure(accounts=accounts)

    assert Api(simulator, APP).acquire().status == 401


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("disabled", (400, None)),
        ("invalid", (400, 400)),
        ("overdue", (400, 405)),
        ("not_enabled", (400, 62)),
    ],
)
def test_an_account_in_trouble_cannot_acquire(
    simulator: Simulator, state: str, says: tuple[int, int | None]
) -> None:
    """Codes 400, 405 and 62, and the gateway's text for a disabled App ID."""
    simulator.configure(accounts=[{"app_id": APP, "state": state}])

    assert Api(simulator, APP).acquire().says == says


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/acquire"),
        ("OPTIONS", "/acquire"),
        ("POST", "/resourceid/x/sid/y/mode/mix/query"),
        ("GET", "/resourceid/x/sid/y/mode/mix/stop"),
        ("POST", "/Acquire"),
        ("POST", "/resourceid/x/start"),
    ],
)
def test_a_wrong_verb_or_path_has_no_route(api: Api, verb: str, path: str) -> None:
    """The gateway answers; case matters."""
    assert api.send(verb, path, BODY) == (404, {"message": "no Route matched with those values"})


def test_a_path_without_cloud_recording_is_code_8(simulator: Simulator) -> None:
    """It is listed under code 8, unlike other wrong paths."""
    api = Api(simulator)
    api.base = api.base.removesuffix("/cloud_recording")

    assert api.send("POST", "/acquire", BODY).says == (400, 8)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json; charset=x"])
def test_another_content_type_is_code_8(api: Api, kind: str) -> None:
    """The body must be declared as JSON."""
    reply = api.send("POST", "/acquire", BODY, headers={"Content-Type": kind})

    assert reply.says == (400, 8)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        "Application/JSON",
    ],
)
def test_both_spellings_of_the_content_type_are_taken(api: Api, kind: str) -> None:
    """With and without the charset, a blank, and in any case."""
    assert api.send("POST", "/acquire", BODY, headers={"Content-Type": kind}).status == 200


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '"text"', "[" * 100_000])
def test_a_body_that_is_no_json_object_is_code_8(api: Api, text: str) -> None:
    """Its HTTP status is not documented, and can be set."""
    headers = {"Content-Type": "application/json"}
    reply = api.send("POST", "/acquire", data=text, headers=headers)

    assert reply.says == (400, 8)


@pytest.mark.parametrize("region", ["na", "eu", "ap", "cn"])
def test_a_service_region_may_stand_before_the_path(simulator: Simulator, region: str) -> None:
    """One official client puts it there."""
    api = Api(simulator)
    api.base = api.base.replace("/v1/", f"/{region}/v1/")

    assert api.acquire().status == 200
