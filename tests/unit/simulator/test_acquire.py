"""What acquire grants and refuses."""

from typing import Any

import pytest

from recording_tasks.simulator import Simulator

from .api import HLS, MIX, Api, Json


def test_a_resource_is_granted(api: Api) -> None:
    """An opaque text of 256 characters, with cname and uid, and no code."""
    reply = api.acquire("room", "900")

    assert reply.status == 200
    assert reply.body == {"cname": "room", "uid": "900", "resourceId": reply.body["resourceId"]}
    assert len(reply.body["resourceId"]) == 256
    assert set(reply.body["resourceId"]) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def test_every_resource_is_another(api: Api) -> None:
    """Also for the same channel and uid."""
    assert api.acquire().body["resourceId"] != api.acquire().body["resourceId"]


@pytest.mark.parametrize("uid", ["0", "4294967296", "-1", "abc", "", "01", "1.0"])
def test_a_uid_must_be_a_decimal_of_32_bits(api: Api, uid: str) -> None:
    """From 1 to 4294967295."""
    assert api.acquire(uid=uid) == (
        400,
        {"code": 2, "reason": "post method api body check failed!"},
    )


@pytest.mark.parametrize(
    "request_",
    [
        {"resourceExpiredHour": 0},
        {"resourceExpiredHour": 721},
        {"resourceExpiredHour": "72"},
        {"scene": 3},
        {"region": "US"},
        {"regionAffinity": 5},
        {"excludeResourceIds": "abc"},
        {"startParameter": []},
        {"resourceexpiredhour": 24},
    ],
)
def test_a_bad_request_is_code_2(api: Api, request_: Json) -> None:
    """Type, range and spelling."""
    assert api.acquire(**request_).says == (400, 2)


def test_the_reason_names_the_field(api: Api) -> None:
    """In the words that are documented."""
    reply = api.acquire(resourceExpiredHour=1000)

    assert reply.body["reason"] == "Acquire: invalid resourceExpiredHour value!"


@pytest.mark.parametrize(
    "body",
    [
        {"cname": "room", "uid": "900"},
        {"cname": "room", "clientRequest": {}},
        {"uid": "900", "clientRequest": {}},
        {"cname": 5, "uid": "900", "clientRequest": {}},
        {"cname": "room", "uid": 900, "clientRequest": {}},
        {"cname": "room", "uid": "900", "clientRequest": []},
    ],
)
def test_an_envelope_with_a_flaw_is_code_2(api: Api, body: Json) -> None:
    """cname, uid and clientRequest are required."""
    assert api.send("POST", "/acquire", body).says == (400, 2)


@pytest.mark.parametrize(
    "request_",
    [
        {"scene": 0},
        {"resourceExpiredHour": 720, "region": "EU", "excludeResourceIds": ["a"]},
        {"startParameter": {"nonsense": True}},
        {"regionAffinity": 4},
    ],
)
def test_all_documented_fields_are_taken(api: Api, request_: Json) -> None:
    """The content of startParameter is not looked into."""
    assert api.acquire(**request_).status == 200


@pytest.mark.parametrize("cname", ["", "a" * 64, "raum-ä", 'a"b', "a/b", "a*b", "a'b"])
def test_a_channel_name_must_be_of_the_alphabet(api: Api, cname: str) -> None:
    """At most 63 characters out of 89."""
    assert api.acquire(cname) == (400, {"code": 401, "reason": "invalid_channel_name"})


def test_every_character_of_the_alphabet_is_taken(api: Api) -> None:
    """The 27 that are neither letters nor digits, and the full length."""
    assert api.acquire(" !#$%&()+-:;<=.>?@[]^_{}|~,").status == 200
    assert api.acquire("a" * 63).status == 200


def test_the_older_code_of_a_bad_channel_name_can_be_chosen(simulator: Simulator, api: Api) -> None:
    """1013 instead of 401."""
    simulator.configure(channel_name_code=1013)

    assert api.acquire("a/b").says == (400, 1013)


def test_a_web_page_needs_only_a_label(api: Api) -> None:
    """Up to 128 bytes of anything."""
    assert api.acquire("ä/b" * 20, scene=1).status == 200
    assert api.acquire("a" * 129, scene=1).says == (400, 401)


def test_too_many_sessions_are_an_overload(simulator: Simulator, api: Api) -> None:
    """406 while every slot is taken, until one session has left for good."""
    simulator.configure(pcw=2)
    first, _ = api.started(cname="a"), api.started(cname="b")
    simulator.advance(5)

    taken = api.acquire("c")
    api.stop(first)
    exiting = api.acquire("c")
    simulator.advance(5)
    free = api.acquire("c")

    assert taken == (400, {"code": 406, "reason": "vendor_over_load"})
    assert exiting.says == (400, 406)
    assert free.status == 200


def test_web_pages_have_slots_of_their_own(simulator: Simulator, api: Api) -> None:
    """The limit of one kind does not touch the other."""
    simulator.configure(pcw=1, pcw_web=1)
    api.started()

    assert api.acquire(scene=0).says == (400, 406)
    assert api.acquire(scene=1).status == 200


@pytest.mark.parametrize("sent", [MIX, HLS])
def test_start_must_repeat_the_start_parameter(api: Api, sent: Json) -> None:
    """Another body than the one announced is refused."""
    resource_id = api.acquire(startParameter=MIX).body["resourceId"]

    reply: Any = api.start(resource_id, sent)

    if sent is MIX:
        assert reply.status == 200
    else:
        assert reply == (400, {"code": 2, "reason": "request_hash mismatch!"})
