"""No secret leaves its place: not into the database, a log, a timeline, an error or a repr."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from desk import CANARIES, Desk

from recording_tasks.errors import RecordingError
from recording_tasks.models import SessionState
from recording_tasks.simulator import Simulator

ENCRYPTED = {
    "recordingConfig": {
        "channelType": 1,
        "decryptionMode": 1,
        "secret": {"$secret": "aes"},
    }
}
SECRETS = [value for value in CANARIES.values() if value]


def lives_through_everything(desk: Desk, agora: Simulator) -> list[str]:
    """Refusals, lost answers, a restart, an update, odd errors: whatever could tell too much."""
    recording_id = desk.record(request=ENCRYPTED, labels={"room": "7"}, notify={"task": "t"})
    desk.until_recording(recording_id)
    agora.fault("query", "refuse", status=401, times=1)
    agora.fault("query", "refuse", code=2, times=1)
    desk.go_on(300)
    agora.disturb("kick")
    desk.until(lambda: desk.latest(recording_id).number == 2, within=400)
    agora.fault("start", "refuse", code=2, reason=f"bad accessKey {SECRETS[0]}")
    desk.until_final(recording_id)
    other = desk.record(channel="other", request=ENCRYPTED, duration=30)
    agora.fault("stop", "refuse", status=503, body=f"<html>{SECRETS[1]}</html>", times=2)
    desk.until_final(other)
    return [recording_id, other]


def test_no_secret_is_anywhere_but_on_the_wire(
    desk: Desk, agora: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The database's very bytes, every log line, every timeline and row."""
    caplog.set_level(logging.DEBUG)

    ids = lives_through_everything(desk, agora)

    seen = [record.getMessage() for record in caplog.records]
    seen += [str(record.__dict__) for record in caplog.records]
    for recording_id in ids:
        seen += [repr(desk.find(recording_id)), repr(desk.sessions(recording_id))]
        seen += [repr(entry) for entry in desk.store.timeline_of(recording_id)]
    seen += [file.read_bytes().decode("latin-1") for file in tmp_path.glob("recordings.db*")]
    assert len(list(tmp_path.glob("recordings.db*"))) >= 1
    for secret in [*SECRETS, agora.customer_secret]:
        assert [text[:300] for text in seen if secret in text] == []


def test_no_secret_comes_back_from_agora(desk: Desk, agora: Simulator) -> None:
    """Whichever call is answered with it: the client knows only the secrets of its own body."""
    recording_id = desk.record(request=ENCRYPTED)
    desk.until_recording(recording_id)
    agora.fault("query", "refuse", code=2, reason=f"invalid {SECRETS[0]} and {SECRETS[2]}")

    desk.go_on(130)

    told = [repr(entry) for entry in desk.store.timeline_of(recording_id)]
    told += [repr(session) for session in desk.sessions(recording_id)]
    assert "session.query_refused" in desk.events(recording_id)
    assert [text for text in told if "canary" in text] == []


def test_no_secret_is_in_what_is_printed(make_desk: Callable[..., Desk]) -> None:
    """Settings, recorder, store and database have representations that say nothing."""
    desk = make_desk()

    shown: list[Any] = [desk.settings, desk.recorder, desk.store, desk.store.database]

    for secret in [*SECRETS, desk.simulator.customer_secret]:
        assert [repr(one)[:300] for one in shown if secret in repr(one)] == []


def test_a_fault_of_the_database_repeats_no_parameter(desk: Desk) -> None:
    """A stream key in a URL is not ours to print."""
    with pytest.raises(RecordingError) as caught, desk.store.database.begin() as connection:
        connection.exec_driver_sql(
            "SELECT no_such_column FROM recordings WHERE id = ?", ("canary",)
        )

    assert "canary" not in str(caught.value)


def test_a_dispatch_carries_ids_and_nothing_else(desk: Desk) -> None:
    """What goes through the broker may be read by anyone who can reach it."""
    accepted = desk.recorder.record({"channel": "lesson", "request": ENCRYPTED})

    (one,) = accepted.dispatches

    assert set(one.__slots__) == {
        "recording_id",
        "step",
        "claim",
        "slot_at",
        "expires_at",
        "start_at",
    }
    assert desk.latest(one.recording_id).state is SessionState.PLANNED


def test_an_error_of_the_recorder_says_nothing_it_should_not(desk: Desk) -> None:
    """Bad arguments are told by their paths."""
    request = {"recordingConfig": {"secret": SECRETS[0], "channelType": SECRETS[1]}}

    with pytest.raises(RecordingError) as caught:
        desk.recorder.record({"channel": "lesson", "request": request})

    assert not any(secret in str(caught.value) for secret in SECRETS)
