"""What is over is kept as long as the settings say, archived, and then removed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import CANARIES, Desk

from recording_tasks import tasks
from recording_tasks.errors import UnknownRecordingError
from recording_tasks.recorder import Recorder
from recording_tasks.simulator import Simulator

DAY = 86_400.0
MakeDesk = Callable[..., Desk]


def has_recorded(desk: Desk, **arguments: object) -> str:
    """Record for ten seconds, and see the end of it."""
    recording_id = desk.record(duration=10, **arguments)
    desk.until_final(recording_id)
    return recording_id


def test_nothing_is_removed_unless_somebody_asked_for_it(make_desk: MakeDesk) -> None:
    """Nothing lost is the first promise: the default is for ever."""
    desk = make_desk()
    recording_id = has_recorded(desk)
    desk.clock.sleep(10_000 * DAY)

    assert desk.recorder.purge() == 0
    assert desk.find(recording_id).state.is_final


def test_what_is_over_is_removed_after_its_days(make_desk: MakeDesk) -> None:
    """Not a minute before."""
    desk = make_desk(RECORDING_KEEP_DAYS="30")
    recording_id = has_recorded(desk)
    desk.clock.sleep(30 * DAY - 60)
    before = desk.recorder.purge()

    desk.clock.sleep(120)

    assert (before, desk.recorder.purge(), desk.recorder.purge()) == (0, 1, 0)
    with pytest.raises(UnknownRecordingError):
        desk.find(recording_id)


def test_what_still_records_is_never_removed(make_desk: MakeDesk) -> None:
    """A recording without an end, for longer than anything is kept."""
    desk = make_desk(RECORDING_KEEP_DAYS="0.01")
    recording_id = desk.record(duration=86_400 * 2)
    desk.until_recording(recording_id)
    desk.go_on(3600)

    assert desk.recorder.purge() == 0
    assert not desk.find(recording_id).state.is_final


def test_a_session_given_up_for_a_404_is_asked_about_first(
    make_desk: MakeDesk, agora: Simulator
) -> None:
    """It may run on: its row is what it is stopped by."""
    desk = make_desk(RECORDING_KEEP_DAYS="0.001", RECORDING_RECHECK_SECONDS="3000")
    recording_id = desk.record(duration=900, on_early_exit="finish")
    desk.until_recording(recording_id)
    agora.disturb("failover", seconds=240)
    desk.until_final(recording_id)
    desk.clock.sleep(600)
    assert desk.recorder.purge() == 0

    desk.clock.sleep(3000)
    desk.recorder.reconcile()
    assert desk.recorder.purge() == 0
    desk.go_on(60)
    assert desk.running() == 0
    desk.clock.sleep(600)

    assert desk.recorder.purge() == 1


def test_many_are_removed_in_small_batches(make_desk: MakeDesk) -> None:
    """After each, others have their turn."""
    desk = make_desk(RECORDING_KEEP_DAYS="1")
    _many_are_over(desk, 205)
    pauses: list[float] = []

    removed = Recorder(desk.store, desk.settings, sleep=pauses.append).purge()

    assert removed == 205
    assert len(pauses) == 2


def test_a_run_has_a_bound(make_desk: MakeDesk) -> None:
    """What is left is removed by the next one."""
    desk = make_desk(RECORDING_KEEP_DAYS="1")
    _many_are_over(desk, 205)
    slow = Recorder(desk.store, desk.settings, sleep=lambda _: desk.clock.sleep(25))

    assert (slow.purge(), slow.purge(), slow.purge()) == (200, 5, 0)


def _many_are_over(desk: Desk, count: int) -> None:
    for n in range(count):
        desk.recorder.cancel(desk.recorder.record(_later(f"c{n}")).recording_id)
    desk.clock.sleep(2 * DAY)


def _later(channel: str) -> dict[str, object]:
    return {"channel": channel, "start_at": "2026-11-22T09:00:00+00:00", "duration": 60}


def test_what_is_removed_is_in_the_archive_before(make_desk: MakeDesk, tmp_path: Path) -> None:
    """The recording, its sessions, its timeline; none of the secrets."""
    folder = tmp_path / "archive"
    desk = make_desk(RECORDING_KEEP_DAYS="30", RECORDING_ARCHIVE_FOLDER=str(folder))
    secret = {"channelType": 1, "decryptionMode": 1, "secret": {"$secret": "aes"}}
    recording_id = has_recorded(
        desk, key="monday", labels={"room": "7"}, request={"recordingConfig": secret}
    )
    events, sid = desk.events(recording_id), desk.latest(recording_id).sid
    desk.clock.sleep(31 * DAY)

    assert desk.recorder.purge() == 1

    (file,) = folder.iterdir()
    assert file.name == f"recordings-{desk.clock.now.date().isoformat()}.jsonl"
    document = json.loads(file.read_text())
    assert document["recording"]["id"] == recording_id
    assert document["recording"]["key"] == "monday"
    assert [session["sid"] for session in document["sessions"]] == [sid]
    assert [line["event"] for line in document["timeline"]] == events
    for value in (*CANARIES.values(), desk.simulator.customer_secret):
        assert not value or value not in file.read_text()


def test_without_a_place_to_archive_nothing_is_removed(make_desk: MakeDesk, tmp_path: Path) -> None:
    """A person must act, and nothing is lost until then."""
    (tmp_path / "file").write_text("")
    desk = make_desk(
        RECORDING_KEEP_DAYS="30", RECORDING_ARCHIVE_FOLDER=str(tmp_path / "file" / "archive")
    )
    recording_id = has_recorded(desk)
    desk.clock.sleep(31 * DAY)

    with pytest.raises(OSError, match="file"):
        desk.recorder.purge()

    assert desk.find(recording_id).state.is_final


def test_the_task_says_what_a_person_must_mend(
    make_desk: MakeDesk,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As an error, which is what Sentry is told of."""
    (tmp_path / "file").write_text("")
    desk = make_desk(RECORDING_KEEP_DAYS="30", RECORDING_ARCHIVE_FOLDER=str(tmp_path / "file"))
    has_recorded(desk)
    desk.clock.sleep(31 * DAY)
    monkeypatch.setattr(tasks, "recorder", lambda: desk.recorder)

    tasks.purge()

    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "purge.stopped" in line.getMessage()
    assert "File exists" in line.getMessage()
