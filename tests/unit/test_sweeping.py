"""How the sweep's task sends what was claimed: app by app, and not again and again into nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from recording_tasks import tasks
from recording_tasks.models import Recording, Step
from recording_tasks.recorder import Dispatch

NINE = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def one(name: str) -> Dispatch:
    return Dispatch(recording_id=name, step=Step.STOP, claim="1.1", slot_at=NINE, expires_at=NINE)


class Office:
    """A recorder of three apps, and the way out of it."""

    def __init__(self, *, is_broker_there: bool) -> None:
        self.seen: list[str] = []
        self._is_broker_there = is_broker_there

    def sweep_apps(self) -> Iterator[Sequence[Dispatch]]:
        for app in ("a", "b", "c"):
            self.seen.append(f"claimed {app}")
            yield [one(app)]
        self.seen.append("decided")

    def notices(self) -> list[Recording]:
        return []

    def send(self, dispatches: Sequence[Dispatch]) -> bool:
        self.seen += [f"sent {dispatch.recording_id}" for dispatch in dispatches]
        return self._is_broker_there


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch, is_broker_there: bool) -> list[str]:
    office = Office(is_broker_there=is_broker_there)
    monkeypatch.setattr(tasks, "recorder", lambda: office)
    monkeypatch.setattr(tasks, "dispatch", office.send)
    tasks.sweep()
    return office.seen


@pytest.mark.parametrize("is_broker_there", [True])
def test_what_an_app_has_is_sent_before_the_next_is_claimed(swept: list[str]) -> None:
    """A hundred apps take a while; the first one's calls are on their way by then."""
    assert swept == [
        "claimed a",
        "sent a",
        "claimed b",
        "sent b",
        "claimed c",
        "sent c",
        "decided",
    ]


@pytest.mark.parametrize("is_broker_there", [False])
def test_a_broker_that_is_away_is_tried_once_in_a_sweep(swept: list[str]) -> None:
    """Each try takes seconds; what needs a decision and no call is decided all the same."""
    assert swept == ["claimed a", "sent a", "claimed b", "claimed c", "decided"]
