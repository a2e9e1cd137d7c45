"""What a caller may ask for, and that everything wrong with it is told in one error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from desk import NINE, Desk

from recording_tasks.errors import InvalidInputError
from recording_tasks.models import Mode, OnEarlyExit
from recording_tasks.recorder import RECORD_ARGUMENTS, Order, check_order
from recording_tasks.settings import Settings, read_settings

SETTINGS: Settings = read_settings(
    {
        "AGORA_APP_ID": "0" * 32,
        "AGORA_CUSTOMER_ID": "customer",
        "AGORA_CUSTOMER_SECRET": "canary",
        "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
        "RECORDING_STORAGE__DEFAULT__REGION": "0",
        "RECORDING_STORAGE__DEFAULT__BUCKET": "lessons",
        "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "canary",
        "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "canary",
        "RECORDING_SECRET__AES": "canary",
    }
)


def accepted(**arguments: Any) -> Order:
    return check_order({"channel": "lesson", **arguments}, SETTINGS, NINE)


def faults(**arguments: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        check_order({"channel": "lesson", **arguments}, SETTINGS, NINE)
    return list(caught.value.faults)


def faults_of(arguments: dict[str, Any]) -> tuple[str, ...]:
    try:
        check_order(arguments, SETTINGS, NINE)
    except InvalidInputError as error:
        return error.faults
    return ()


def test_a_channel_is_enough() -> None:
    """Recorded from now on, mixed, into the default bucket, until somebody stops it."""
    order = accepted()

    assert order == Order(
        channel="lesson",
        start_at=NINE,
        stop_at=None,
        mode=Mode.MIX,
        uid=None,
        key=None,
        app="default",
        storage="default",
        request={},
        on_early_exit=OnEarlyExit.FINISH,
        notify={},
        labels={},
        start_within=None,
    )


def test_only_what_has_an_end_is_restarted_before_it() -> None:
    """Without one Agora's end is the end, unless the caller says otherwise."""
    assert accepted(duration=60).on_early_exit is OnEarlyExit.RESTART
    assert accepted(duration=60, on_early_exit="finish").on_early_exit is OnEarlyExit.FINISH
    assert accepted(on_early_exit="restart").on_early_exit is OnEarlyExit.RESTART


@pytest.mark.parametrize("queue", [5, "", {"a": 1}, ["q"], "q" * 256, "é" * 128])
def test_a_queue_that_no_broker_takes_is_refused(queue: object) -> None:
    """It would be found out only at the recording's end."""
    notify = {"task": "lessons.ended", "queue": queue}

    assert faults(notify=notify) == ["notify.queue: must be text of 1 to 255 bytes"]
    assert faults(notify={"task": "t" * 256}) == ["notify.task: must be of 255 bytes at most"]


@pytest.mark.parametrize("name", ["aes", "AES", "Aes"])
def test_a_secret_is_found_in_any_case(name: str) -> None:
    """Its variable is in capitals, and a request may be so too."""
    config = {"decryptionMode": 1, "secret": {"$secret": name}}

    assert accepted(request={"recordingConfig": config}).request
    config["secret"] = {"$secret": "other.key-1"}
    assert faults(request={"recordingConfig": config}) == [
        "request: the secret other_key_1 is not set; set RECORDING_SECRET__OTHER_KEY_1"
    ]


def test_arguments_nested_without_end_are_refused() -> None:
    """As one plain fault, not as an accident of the interpreter."""
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}

    assert faults(request=deep) == ["arguments: are nested too deeply"]


def test_what_is_null_counts_as_left_out() -> None:
    """Other services send what they do not know as null."""
    assert accepted(**dict.fromkeys(set(RECORD_ARGUMENTS) - {"channel"})) == accepted()


@pytest.mark.parametrize(
    "nine",
    [
        "2026-11-21T09:00:00+00:00",
        "2026-11-21T09:00:00Z",
        "2026-11-21T10:00:00+01:00",
        "2026-11-21T09:00:00.000000+00:00",
        NINE.timestamp(),
        int(NINE.timestamp()),
        NINE,
        NINE.astimezone(),
    ],
)
def test_an_instant_may_be_written_in_many_ways(nine: object) -> None:
    """ISO 8601 with an offset, or epoch seconds."""
    order = accepted(start_at=nine, duration=60)

    assert order.start_at == NINE
    assert order.start_at.utcoffset() == timedelta(0)
    assert order.stop_at == NINE + timedelta(seconds=60)


@pytest.mark.parametrize(
    "start_at",
    [
        "2026-11-21T09:00:00",
        "2026-11-21",
        "nine",
        "",
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        10**30,
        datetime(2026, 11, 21, 9, 0),  # noqa: DTZ001 - that is what is wrong with it
        "2100-01-01T00:00:00Z",
    ],
)
def test_a_start_that_is_no_instant_is_refused(start_at: object) -> None:
    """Also one without an offset, and one that must be a mistake."""
    (fault,) = faults(start_at=start_at)

    assert fault.startswith("start_at: ")


@pytest.mark.parametrize("start_at", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_a_start_at_the_edge_of_time_is_refused(start_at: str) -> None:
    """What no clock in UTC can show is a fault like any other."""
    (fault,) = faults(start_at=start_at)

    assert fault.startswith("start_at: ")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"stop_at": "2026-11-21T08:59:00Z"}, "stop_at"),
        ({"start_at": "2026-11-21T10:00:00Z", "stop_at": "2026-11-21T10:00:00Z"}, "stop_at"),
        ({"stop_at": "2026-12-30T09:00:00Z"}, "stop_at"),
        ({"stop_at": "2026-11-21T10:00:00Z", "duration": 5}, "duration"),
        ({"duration": 0}, "duration"),
        ({"duration": -5}, "duration"),
        ({"duration": "60"}, "duration"),
        ({"duration": True}, "duration"),
        ({"duration": float("nan")}, "duration"),
        ({"duration": 31 * 86400}, "duration"),
    ],
)
def test_an_end_that_cannot_be_is_refused(arguments: dict[str, Any], path: str) -> None:
    """Before the start, in the past, twice, or further off than Agora can be asked to stop."""
    (fault,) = faults(**arguments)

    assert fault.startswith(f"{path}: ")


def test_a_duration_beyond_all_numbers_is_refused() -> None:
    """JSON knows integers of any length."""
    (fault,) = faults(duration=10**400)

    assert fault.startswith("duration: ")


def test_thirty_days_are_possible() -> None:
    """As long as a session can be controlled."""
    assert accepted(duration=30 * 86400).stop_at == NINE + timedelta(days=30)


@pytest.mark.parametrize(
    ("uid", "text"), [(7, "7"), ("7", "7"), (4_294_967_295, "4294967295"), ("1", "1")]
)
def test_a_uid_may_be_a_number_or_text(uid: object, text: str) -> None:
    """Agora takes text."""
    assert accepted(uid=uid).uid == text


def test_every_fault_is_told_at_once() -> None:
    """Whoever mends one does not meet the next with the next try."""
    told = faults(
        channel="a/b",
        mode="MIX",
        uid="0",
        start_at="soon",
        duration=-1,
        key="",
        app="nowhere",
        storage="nowhere",
        request={"recordingConfig": {"channelType": "one"}, "unknown": 1},
        on_early_exit="panic",
        notify={"queue": 5},
        labels={"a": 1},
        chanel="typo",
    )

    paths = {fault.partition(":")[0].partition(".")[0] for fault in told}
    assert paths == {
        "channel",
        "mode",
        "uid",
        "start_at",
        "duration",
        "key",
        "app",
        "storage",
        "request",
        "on_early_exit",
        "notify",
        "labels",
        "chanel",
    }
    assert "chanel: unknown argument; did you mean channel?" in told


def test_a_channel_is_needed() -> None:
    """Nothing else is."""
    with pytest.raises(InvalidInputError, match="channel"):
        check_order({}, SETTINGS, NINE)


@pytest.mark.parametrize("name", RECORD_ARGUMENTS)
@pytest.mark.parametrize("value", [[], {"a": []}, object(), 1.5, b"bytes"])
def test_an_argument_of_any_type_is_accepted_or_refused(name: str, value: object) -> None:
    """Never another error than the one that lists faults."""
    arguments: dict[str, object] = {"channel": "lesson", name: value}

    told = faults_of(arguments)

    assert all(told)


def test_a_secret_is_named_and_never_given() -> None:
    """A name that is set is fine; one that is not is told with its variable."""
    request = {"recordingConfig": {"channelType": 1, "decryptionMode": 1}}
    known = {**request["recordingConfig"], "secret": {"$secret": "aes"}}
    unknown = {**request["recordingConfig"], "secret": {"$secret": "other"}}
    plain = {**request["recordingConfig"], "secret": "canary-plain"}

    order = accepted(request={"recordingConfig": known})
    (missing,) = faults(request={"recordingConfig": unknown})
    told = faults(request={"recordingConfig": plain})

    assert "canary" not in repr(order)
    assert "RECORDING_SECRET__OTHER" in missing
    assert not any("canary" in fault for fault in told)


def test_a_profile_that_is_not_set_is_told_with_those_that_are() -> None:
    """Names only."""
    told = faults(app="school", storage="school")

    assert told == [
        "app: no such app profile; there are: default",
        "storage: no such storage profile; there are: default",
    ]


def test_a_bucket_outside_the_fence_is_refused() -> None:
    """A recording that is fenced into Europe cannot go to a bucket in Virginia."""
    told = faults(request={"acquire": {"region": "EU"}})

    assert len(told) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"key": "a\0"},
        {"key": "a\ud800"},
        {"labels": {"a": "\0"}},
        {"labels": {"\ud800": "a"}},
        {"notify": {"task": "t\0"}},
        pytest.param(
            {"request": {"recordingConfig": {"privateParams": '{"a": "\\u0000"}\0'}}},
        ),
    ],
)
def test_what_no_database_can_store_is_refused(desk: Desk, arguments: dict[str, Any]) -> None:
    """NUL and half a surrogate pair: a fault, and no error of a driver."""
    with pytest.raises(InvalidInputError):
        desk.recorder.record({"channel": "lesson", **arguments})

    assert desk.store.recent() == []


def test_a_refused_wish_leaves_no_trace(desk: Desk) -> None:
    """Nothing is stored and nothing is sent."""
    with pytest.raises(InvalidInputError):
        desk.recorder.record({"channel": "a/b", "key": "k"})

    assert desk.store.recent() == []
    assert desk.store.find_by_key("k") is None
    assert desk.calls() == []


def test_the_tests_own_clock_is_utc() -> None:
    """The arithmetic above leans on it."""
    assert NINE.tzinfo is UTC
