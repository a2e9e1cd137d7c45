"""Channel names, uids and addresses: what Agora takes."""

from __future__ import annotations

import pytest

from recording_tasks.models import Mode
from recording_tasks.wire import (
    Method,
    check_app_id,
    check_base_url,
    check_channel,
    check_uid,
    path_of,
    uid_text,
)

ALPHABET = "abcXYZ019 !#$%&()+-:;<=.>?@[]^_{}|~,"


@pytest.mark.parametrize("channel", ["a", ALPHABET, "x" * 63, " "])
def test_a_documented_channel_name_passes(channel: str) -> None:
    """Letters, digits, blank and the 26 signs, up to 63 bytes."""
    assert check_channel(channel, Mode.MIX) == []


@pytest.mark.parametrize(
    ("channel", "sentence"),
    [
        ("", "channel: is empty"),
        (7, "channel: must be a string"),
        ("x" * 64, "channel: has 64 bytes, at most 63 are allowed"),
        ("a/b", "channel: these characters are not allowed: '/'"),
        ("a\"'*\\`", "channel: these characters are not allowed: '\"' \"'\" '*' '\\\\' '`'"),
        ("é", "channel: these characters are not allowed: '\\xe9'"),
        ("\ud800", "channel: is not valid Unicode"),
    ],
)
def test_a_bad_channel_name_is_told(channel: object, sentence: str) -> None:
    """Length counts bytes; foreign characters are named."""
    assert check_channel(channel, Mode.INDIVIDUAL) == [sentence]


def test_two_faults_of_a_channel_are_both_told() -> None:
    """Too long does not hide foreign characters."""
    assert len(check_channel("é" * 40, Mode.MIX)) == 2


def test_a_web_label_is_free_text_of_128_bytes() -> None:
    """In web mode the name is a label, so any sign may stand in it."""
    assert check_channel("https://é/" + "x" * 117, Mode.WEB) == []
    assert check_channel("x" * 129, Mode.WEB) == ["channel: has 129 bytes, at most 128 are allowed"]


@pytest.mark.parametrize("uid", ["1", "4294967295", 1, 4294967295])
def test_a_documented_uid_passes(uid: object) -> None:
    """A decimal string or a number of 32 bits, not zero."""
    assert check_uid(uid) == []


@pytest.mark.parametrize(
    ("uid", "part"),
    [
        (True, "whole number"),
        (1.0, "whole number"),
        (None, "whole number"),
        ("", "decimal digits"),
        ("-1", "decimal digits"),
        (" 1", "decimal digits"),
        ("1\n", "decimal digits"),
        ("\u0661", "decimal digits"),
        ("9" * 5000, "decimal digits"),
        ("0", "0 means"),
        (0, "0 means"),
        ("007", "leading zero"),
        (-1, "from 1 to 4294967295"),
        ("4294967296", "from 1 to 4294967295"),
    ],
)
def test_a_bad_uid_is_told(uid: object, part: str) -> None:
    """Each kind has its own sentence, zero above all."""
    (fault,) = check_uid(uid)

    assert fault.startswith("uid: ")
    assert part in fault


def test_a_number_becomes_the_string_that_the_wire_wants() -> None:
    """Callers may give an int."""
    assert (uid_text(7), uid_text("7")) == ("7", "7")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.agora.io",
        "https://api.sd-rtn.com/",
        "https://proxy.example/agora/eu",
        "http://127.0.0.1:8080",
        "http://127.1.2.3",
        "http://localhost:1",
        "http://[::1]:99",
    ],
)
def test_https_and_loopback_are_taken(url: str) -> None:
    """Plain http only reaches this machine."""
    assert check_base_url(url) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://api.agora.io",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "ftp://api.agora.io",
        "api.agora.io",
        "https://",
        "https://api.agora.io?x=1",
        "https://api.agora.io#x",
        "https://api.agora.io:port",
        "https://[::1",
        "",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    """No plain http to a network, no odd schemes, nothing behind the path."""
    assert check_base_url(url)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    """A base URL carries no credentials, and an error does not repeat them."""
    (fault,) = check_base_url("https://me:hunter2@api.agora.io")

    assert "hunter2" not in fault


def test_paths_are_spelled_as_documented() -> None:
    """One path for each method; case matters."""
    paths = [path_of(method, "app", Mode.MIX, "res", "sid") for method in Method]

    prefix = "/v1/apps/app/cloud_recording"
    assert paths == [
        f"{prefix}/acquire",
        f"{prefix}/resourceid/res/mode/mix/start",
        f"{prefix}/resourceid/res/sid/sid/mode/mix/query",
        f"{prefix}/resourceid/res/sid/sid/mode/mix/update",
        f"{prefix}/resourceid/res/sid/sid/mode/mix/updateLayout",
        f"{prefix}/resourceid/res/sid/sid/mode/mix/stop",
    ]


def test_an_id_cannot_lead_elsewhere() -> None:
    """Slashes are quoted; dots alone and nothing at all are refused."""
    assert "/resourceid/a%2Fb%3Fc/mode" in path_of(Method.START, "app", Mode.MIX, "a/b?c", None)
    for odd in ("..", "", None):
        with pytest.raises(ValueError, match="empty"):
            path_of(Method.START, "app", Mode.MIX, odd, None)


def test_an_app_id_must_fit_into_a_path() -> None:
    """And is not shown when it does not."""
    (fault,) = check_app_id("0123/../secret")

    assert "secret" not in fault
    assert check_app_id("0123456789abcdef0123456789abcdef") == []
