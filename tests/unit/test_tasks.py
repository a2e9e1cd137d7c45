"""Whose messages get a result: a caller's, never what a sweep sends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import before_task_publish

from recording_tasks import tasks
from recording_tasks.app import app
from recording_tasks.models import Step
from recording_tasks.recorder import Dispatch

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def published() -> Iterator[list[dict[str, Any]]]:
    """Collect the messages that leave."""
    messages: list[dict[str, Any]] = []

    def keep(headers: dict[str, Any], body: Any, **_: object) -> None:
        messages.append({"headers": headers, "chain": body[2]["chain"] or []})

    before_task_publish.connect(keep)
    yield messages
    before_task_publish.disconnect(keep)


@pytest.mark.parametrize(
    "name",
    ["record", "acquire", "start", "query", "update", "update_layout", "stop", "extend", "cancel"],
)
def test_a_caller_gets_the_recordings_id(name: str) -> None:
    """Every task that returns one says so, where the caller's app has a result backend."""
    assert app.tasks[f"recording_tasks.{name}"].ignore_result is False


def test_what_a_sweep_sends_leaves_no_result(published: list[dict[str, Any]]) -> None:
    """Nobody waits for it, the start that follows its acquire included."""
    one = Dispatch(
        recording_id="any",
        step=Step.ACQUIRE,
        claim="1.1",
        slot_at=NOW,
        expires_at=NOW,
        start_at=NOW,
    )
    tasks.dispatch([one])

    (message,) = published
    (follows,) = message["chain"]
    assert message["headers"]["ignore_result"] is True
    assert follows["options"]["ignore_result"] is True


def test_a_callers_acquire_gives_its_id_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a claimed one that was void ends its chain."""

    class Hastened:
        def hasten(self, *_: object) -> None: ...

    monkeypatch.setattr(tasks, "recorder", Hastened)

    assert tasks.acquire("any") == "any"


class Noting:
    """A recorder that remembers which message asked it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, verb: str) -> Any:
        return lambda *_, **how: self.asked.append(how)


@pytest.mark.parametrize("name", ["extend", "cancel", "update", "update_layout", "stop"])
def test_a_callers_word_carries_the_id_of_its_message(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """So that the broker may hand it over twice."""
    noting = Noting()
    monkeypatch.setattr(tasks, "recorder", lambda: noting)

    app.tasks[f"recording_tasks.{name}"].apply(("any",), task_id="message-1").get()

    (how,) = noting.asked
    assert how["asked_by"] == "message-1"
    assert not how.get("is_again")


@pytest.mark.parametrize(
    ("told", "retries"), [({"redelivered": True}, 0), ({"redelivered": False}, 1), ({}, 1)]
)
def test_a_message_that_came_again_is_known(told: dict[str, bool], retries: int) -> None:
    """By the broker's mark, or because the task asked for it."""
    request = SimpleNamespace(delivery_info=told, retries=retries)

    assert tasks._is_again(request)
