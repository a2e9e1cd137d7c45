"""Faults on demand, as a client meets them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests

from recording_tasks.simulator import Simulator
from recording_tasks.simulator.answers import DOCUMENTED

from .api import MIX, Api, Reply

REFUSALS = [
    (method, code, (status, reason))
    for method, codes in DOCUMENTED.items()
    for code, (status, reason) in codes.items()
]


@pytest.mark.parametrize(("method", "code", "told"), REFUSALS)
def test_every_documented_code_can_be_had(
    simulator: Simulator, api: Api, method: str, code: int, told: tuple[int, str]
) -> None:
    """With its HTTP status and text, by method."""
    recorded = api.started()
    simulator.fault(method, "refuse", code=code)

    calls: dict[str, Callable[[], Reply]] = {
        "acquire": api.acquire,
        "start": lambda: api.start(recorded.resource_id, MIX),
        "query": lambda: api.query(recorded),
        "update": lambda: api.update(recorded),
        "updateLayout": lambda: api.update_layout(recorded),
        "stop": lambda: api.stop(recorded),
    }

    status, reason = told
    assert calls[method]() == (status, {"code": code, "reason": reason})
    assert simulator.report()["sessions_running"] == 1


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "Invalid authentication credentials"),
        (404, "no Route matched with those values"),
        (429, "API rate limit exceeded"),
    ],
)
def test_the_gateway_can_refuse(simulator: Simulator, api: Api, status: int, text: str) -> None:
    """A status alone gets the gateway's text."""
    simulator.fault("acquire", "refuse", status=status)

    assert api.acquire() == (status, {"message": text})


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_proxy_can_refuse_in_html(simulator: Simulator, api: Api, status: int) -> None:
    """Nothing that can be parsed."""
    simulator.fault("acquire", "refuse", status=status)

    reply = api.acquire()

    assert reply.status == status
    assert reply.body.startswith("<html>")


def test_an_empty_body_can_be_sent(simulator: Simulator, api: Api) -> None:
    """As some proxies do."""
    simulator.fault("acquire", "refuse", status=502, body="")

    assert api.acquire() == (502, "")


def test_a_refusal_can_have_been_carried_out(simulator: Simulator, api: Api) -> None:
    """65: the backend was reached; the same resource ID says that it runs."""
    resource_id = api.acquire().body["resourceId"]
    simulator.fault("start", "refuse", code=65, carry_out=True)

    first = api.start(resource_id, MIX)
    second = api.start(resource_id, MIX)

    assert first.says == (206, 65)
    assert second.says == (201, 7)
    assert simulator.report()["sessions_started"] == 1


def test_a_reset_is_seen_as_one(simulator: Simulator, api: Api) -> None:
    """The connection is reset and nothing was carried out."""
    resource_id = api.acquire().body["resourceId"]
    simulator.fault("start", "reset")

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        api.start(resource_id, MIX)

    assert simulator.report()["sessions_started"] == 0
    assert simulator.report()["calls"]["start"] == {"reset": 1}
    assert api.start(resource_id, MIX).status == 200


def test_an_answer_can_be_lost(simulator: Simulator, api: Api) -> None:
    """The connection ends without an answer, and the session runs."""
    resource_id = api.acquire().body["resourceId"]
    simulator.fault("start", "lose_answer")

    with pytest.raises(requests.ConnectionError, match="without response"):
        api.start(resource_id, MIX)

    assert simulator.report()["sessions_running"] == 1
    assert api.start(resource_id, MIX).says == (201, 7)


@pytest.mark.parametrize(("carry_out", "sessions"), [(False, 0), (True, 1)])
def test_a_request_can_hang(simulator: Simulator, api: Api, carry_out: bool, sessions: int) -> None:
    """Until the client gives up; carried out first where asked for."""
    resource_id = api.acquire().body["resourceId"]
    simulator.fault("start", "hang", carry_out=carry_out)
    body = {"cname": "room", "uid": "900", "clientRequest": MIX}

    with pytest.raises(requests.ReadTimeout):
        api.send("POST", f"/resourceid/{resource_id}/mode/mix/start", body, timeout=0.2)

    assert simulator.report()["sessions_started"] == sessions


def test_an_answer_can_be_delayed(simulator: Simulator, api: Api) -> None:
    """By real seconds."""
    simulator.fault("acquire", "delay", seconds=0.2)
    began = time.monotonic()

    assert api.acquire().status == 200
    assert time.monotonic() - began >= 0.2


def test_a_request_can_arrive_twice(simulator: Simulator, api: Api) -> None:
    """As a proxy that repeats: the second answer is the one that is heard."""
    resource_id = api.acquire().body["resourceId"]
    simulator.fault("start", "duplicate")

    reply = api.start(resource_id, MIX)

    assert reply.says == (201, 7)
    assert simulator.report()["sessions_started"] == 1


def test_a_rule_strikes_as_often_as_told(simulator: Simulator, api: Api) -> None:
    """After letting some pass."""
    simulator.fault("acquire", "refuse", code=500, times=2, after=1)

    assert [api.acquire().status for _ in range(5)] == [200, 500, 500, 200, 200]


def test_a_rule_can_last_for_a_time(simulator: Simulator, api: Api) -> None:
    """An outage of simulated seconds."""
    simulator.fault("*", "refuse", status=503, times=None, lasts=30)

    during = [api.acquire().status for _ in range(3)]
    simulator.advance(30)

    assert during == [503] * 3
    assert api.acquire().status == 200


def test_a_rule_can_be_for_some_channels(simulator: Simulator, api: Api) -> None:
    """Also for query, which names no channel in its body."""
    one, two = api.started(cname="a-1"), api.started(cname="b-1")
    simulator.fault("query", "refuse", code=404, times=None, cname="a-*")

    assert api.query(one).says == (404, 404)
    assert api.query(two).status == 200


def test_a_rule_can_strike_by_chance(simulator: Simulator, api: Api) -> None:
    """About as often as told."""
    simulator.fault("acquire", "refuse", code=500, times=None, probability=0.5)

    refused = sum(api.acquire().status == 500 for _ in range(100))

    assert 20 < refused < 80


def test_rules_can_be_forgotten(simulator: Simulator, api: Api) -> None:
    """All of them."""
    simulator.fault("acquire", "refuse", code=500, times=None)
    simulator.clear_faults()

    assert api.acquire().status == 200


def test_a_wrong_rule_is_refused(simulator: Simulator) -> None:
    """With what is wrong, and nothing is changed."""
    with pytest.raises(ValueError, match="action"):
        simulator.fault("acquire", "explode")


def test_the_log_names_the_fault(simulator: Simulator, api: Api) -> None:
    """And that no answer was sent."""
    simulator.fault("acquire", "lose_answer")
    with pytest.raises(requests.ConnectionError):
        api.acquire()

    call = simulator.calls("acquire")[0]

    assert (call["fault"], call["status"], call["outcome"]) == ("lose_answer", None, "lost")
