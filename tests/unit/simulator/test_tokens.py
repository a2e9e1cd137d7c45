"""Who is let in where the certificate is known: exactly the user of a token, while it lives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import requests
from token_examples import (
    APP_ID,
    CERTIFICATE,
    CHANNEL,
    FOR_ANY_USER,
    FOR_CHAT,
    ISSUED_AT,
    JOINING,
    OF_EVERY_SERVICE,
    SECONDS,
    UID,
)

from recording_tasks.simulator import Simulator
from recording_tasks.simulator.rtc_tokens import expiry, read
from recording_tasks.tokens import join_token

from .api import BY_MODE, MIX, Api

OTHER = "f" * 32


def expires(token: str, **changes: str) -> float | None:
    """When one of the published tokens ends, for its own user unless said otherwise."""
    told = {"certificate": CERTIFICATE, "app": APP_ID, "cname": CHANNEL, "uid": str(UID)}
    return expiry(token, **{**told, **changes})


@pytest.mark.parametrize("token", [JOINING, FOR_ANY_USER, OF_EVERY_SERVICE])
def test_the_published_tokens_are_understood(token: str) -> None:
    """They let their user in for ten minutes."""
    assert expires(token) == ISSUED_AT + SECONDS


@pytest.mark.parametrize(
    "changes",
    [{"certificate": OTHER}, {"app": OTHER}, {"cname": "other"}, {"uid": "1"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_token_is_for_nobody_else(changes: dict[str, str]) -> None:
    """Another certificate, App ID, channel or user: none of them gets in."""
    assert expires(JOINING, **changes) is None


def test_a_token_for_any_user_is_for_any_user() -> None:
    """Made with uid 0, it holds none."""
    assert expires(FOR_ANY_USER, uid="1") == ISSUED_AT + SECONDS
    assert expires(FOR_ANY_USER, cname="other") is None


def test_a_token_for_something_else_lets_nobody_join() -> None:
    """It is genuine, and has no word about channels."""
    assert read(FOR_CHAT) is not None
    assert expires(FOR_CHAT) is None


@pytest.mark.parametrize(
    "token",
    ["", "007", "007abc", "007====", "006" + JOINING[3:], JOINING[:-8], JOINING + "AAAA", "007é"],
)
def test_whatever_it_is_it_does_no_harm(token: str) -> None:
    """Half a token, another version, no token."""
    assert expires(token) in (None, ISSUED_AT + SECONDS)
    assert expires(token, certificate=OTHER) is None


def token_for(simulator: Simulator, *, uid: int = 900, seconds: int = 600, **changes: str) -> str:
    """Make a token as of the simulator's instant."""
    told = {"app_id": simulator.app_id, "certificate": CERTIFICATE, "channel": "room", **changes}
    return join_token(
        **told,
        uid=uid,
        lifetime=timedelta(seconds=seconds),
        issued_at=datetime.fromtimestamp(simulator.now(), UTC),
        salt=7,
    )


@pytest.fixture
def certified(simulator: Simulator) -> Simulator:
    """A simulator that checks tokens of every App ID."""
    simulator.configure(app_certificate=CERTIFICATE)
    return simulator


@pytest.mark.parametrize("mode", ["mix", "individual"])
def test_a_right_token_records(certified: Simulator, api: Api, mode: str) -> None:
    """Until it expires: then the recorder leaves, and nobody finds it any more."""
    recorded = api.started({**BY_MODE[mode], "token": token_for(certified)}, mode=mode)
    certified.advance(599)
    before = api.query(recorded)
    certified.advance(1 + 5)

    assert before.status == 200
    assert api.query(recorded).says == (404, 404)
    assert certified.report()["ended_by_cause"] == {"token_expired": 1}


@pytest.mark.parametrize(
    "changes",
    [{"certificate": OTHER}, {"app_id": OTHER}, {"channel": "other"}, {"uid": 901}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_wrong_token_is_not_told_by_start(
    certified: Simulator, api: Api, changes: dict[str, str]
) -> None:
    """It answers 200, and the session is gone."""
    token = token_for(certified, **changes)  # type: ignore[arg-type]
    recorded = api.started({**MIX, "token": token})
    certified.advance(2)

    assert api.query(recorded).says == (404, 404)
    assert certified.report()["ended_by_cause"] == {"token": 1}


def test_no_token_and_an_expired_one_are_wrong_ones(certified: Simulator, api: Api) -> None:
    """Both are gone after the check."""
    token = token_for(certified, seconds=10)
    certified.advance(10)
    late = api.started({**MIX, "token": token})
    without = api.started(uid="901")
    certified.advance(2)

    assert api.query(late).says == api.query(without).says == (404, 404)
    assert certified.report()["ended_by_cause"] == {"token": 2}


def test_a_token_lives_a_day_at_most(certified: Simulator, api: Api) -> None:
    """Asking for more does not help."""
    api.started({**MIX, "token": token_for(certified, seconds=1_000_000)})

    certified.advance(100_000)

    (session,) = certified.sessions()
    assert session["end_cause"] == "token_expired"
    assert session["ended_at"] - session["started_at"] == pytest.approx(86_400, abs=2)


def test_a_web_page_needs_no_token(certified: Simulator, api: Api) -> None:
    """It joins no channel."""
    recorded = api.started(mode="web")

    certified.advance(100)

    assert api.query(recorded).status == 200


def test_a_certificate_can_be_one_accounts(simulator: Simulator, api: Api) -> None:
    """Others are let in without a token; and it is shown to nobody."""
    app = simulator.app_id
    accounts = [{"app_id": app, "app_certificate": CERTIFICATE}, {"app_id": OTHER}]
    simulator.configure(accounts=accounts)
    with_one = api.started({**MIX, "token": token_for(simulator)})
    without, elsewhere = api.started(uid="901"), Api(simulator, OTHER)
    free = elsewhere.started()
    simulator.advance(60)

    assert api.query(with_one).status == elsewhere.query(free).status == 200
    assert api.query(without).says == (404, 404)
    shown = requests.get(f"{simulator.url}/_simulator/settings", timeout=10).text
    assert CERTIFICATE not in shown
