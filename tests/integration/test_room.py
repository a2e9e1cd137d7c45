"""Sweeps and callers at the same moment never admit more sessions than may run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from shelf import at_once

from recording_tasks.models import Step
from recording_tasks.recorder import Dispatch, Recorder
from recording_tasks.settings import Settings, read_settings
from recording_tasks.store import Database, Store

pytest_plugins = ("stores",)

MOST = 3


def settings_with(rate: int) -> Settings:
    """Read the settings of a deployment that may have three sessions."""
    return read_settings(
        {
            "AGORA_APP_ID": "0" * 32,
            "AGORA_CUSTOMER_ID": "customer",
            "AGORA_CUSTOMER_SECRET": "secret",
            "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
            "RECORDING_STORAGE__DEFAULT__REGION": "0",
            "RECORDING_STORAGE__DEFAULT__BUCKET": "lessons",
            "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "key",
            "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "secret-key",
            "RECORDING_MAX_SESSIONS": str(MOST),
            "RECORDING_API_RATE": str(rate),
        }
    )


@pytest.mark.parametrize("rate", [0, 100])
def test_what_many_admit_at_one_moment_is_the_room_that_there_is(
    store: Store, open_database: Callable[[], Database], rate: int
) -> None:
    """Eight processes: some sweep over ten that are due, some are asked for one more."""
    settings = settings_with(rate)
    recorders = [Recorder(Store(open_database()), settings) for _ in range(8)]
    soon = store.now() + timedelta(seconds=1)
    for number in range(10):
        order = {"channel": f"room-{number}", "start_at": soon.isoformat(), "duration": 600}
        recorders[0].record(order, at_once=False)

    def work(number: int) -> list[Dispatch]:
        if number % 2:
            return recorders[number].sweep()
        accepted = recorders[number].record({"channel": f"now-{number}", "duration": 600})
        return list(accepted.dispatches)

    found = [one for some in at_once(8, work) for one in some]
    found += recorders[0].sweep()

    assert [one.step for one in found] == [Step.ACQUIRE] * MOST
    assert len({one.recording_id for one in found}) == MOST
