"""Who asked to be told of a recording's end is told, until it worked."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from recording_tasks import tasks
from recording_tasks.app import app
from recording_tasks.recorder import Recorder
from recording_tasks.settings import read_settings
from recording_tasks.store import Database, Store

ENVIRON = {
    "AGORA_APP_ID": "0" * 32,
    "AGORA_CUSTOMER_ID": "customer",
    "AGORA_CUSTOMER_SECRET": "secret",
    "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
    "RECORDING_STORAGE__DEFAULT__REGION": "0",
    "RECORDING_STORAGE__DEFAULT__BUCKET": "lessons",
    "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "access",
    "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "hidden",
}


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    database = Database(f"sqlite:///{tmp_path / 'recordings.db'}")
    database.migrate()
    return Recorder(Store(database), read_settings(ENVIRON))


def _called_off(recorder: Recorder, **arguments: object) -> str:
    order = {"channel": "room", "start_at": 1_800_000_000, **arguments}
    accepted = recorder.record(order)
    recorder.cancel(accepted.recording_id)
    return accepted.recording_id


def test_an_end_is_told_once_it_is_there(recorder: Recorder) -> None:
    """Nobody is told of a recording that goes on; afterwards its asker is."""
    accepted = recorder.record({"channel": "room", "notify": {"task": "lessons.ended"}})
    before = recorder.notices()

    recorder.cancel(accepted.recording_id)

    assert before == []
    assert [one.id for one in recorder.notices()] == [accepted.recording_id]


def test_who_was_told_is_not_told_again(recorder: Recorder) -> None:
    """A notice that was sent is over; one that failed stays due."""
    first = _called_off(recorder, notify={"task": "lessons.ended"})
    second = _called_off(recorder, notify={"task": "lessons.ended", "queue": "lessons"})

    recorder.notified(recorder.find(first))

    assert [one.id for one in recorder.notices()] == [second]


def test_nobody_asked_nobody_is_told(recorder: Recorder) -> None:
    """A recording without notify makes no notice."""
    _called_off(recorder)

    assert recorder.notices() == []


def test_one_that_nobody_can_send_does_not_block_the_others(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up, whatever is wrong with it, and the sweep goes on."""
    odd = _called_off(recorder, notify={"task": "lessons.odd"})
    full = _called_off(recorder, notify={"task": "lessons.full"})
    even = _called_off(recorder, notify={"task": "lessons.even"})
    redis = app.connection_for_write("redis://")
    sent: list[tuple[str, str]] = []

    def send_task(name: str, args: tuple[str], *_: object, task_id: str, **__: object) -> None:
        if name == "lessons.odd":
            raise AttributeError(name)
        if name == "lessons.full":
            raise ResponseError("OOM command not allowed")
        sent.append((args[0], task_id))

    monkeypatch.setattr(tasks, "recorder", lambda: recorder)
    monkeypatch.setattr(app, "send_task", send_task)
    monkeypatch.setattr(app, "connection_for_write", lambda: redis)
    tasks.sweep()

    assert sent == [(even, f"{even}-over")]
    assert recorder.find(odd).notified_at is not None
    assert [one.id for one in recorder.notices()] == [full]
