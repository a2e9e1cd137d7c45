"""Many processes and two App IDs of one account: one quota, and no two wait for each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from shelf import at_once

from recording_tasks.recorder import Dispatch, Recorder
from recording_tasks.settings import Settings, read_settings
from recording_tasks.store import Database, Store

pytest_plugins = ("stores",)

RATE = 4


def two_apps() -> Settings:
    """Read the settings of two App IDs that belong to one customer."""
    apps = {"AGORA": "0" * 32, "AGORA_APP__SCHOOL_": "1" * 32}
    keys = {
        f"{prefix}_{key}": value
        for prefix, app_id in apps.items()
        for key, value in {
            "APP_ID": app_id,
            "CUSTOMER_ID": "customer",
            "CUSTOMER_SECRET": "secret",
        }.items()
    }
    storage = {"VENDOR": "1", "REGION": "0", "BUCKET": "b", "ACCESS_KEY": "k", "SECRET_KEY": "s"}
    named = {f"RECORDING_STORAGE__DEFAULT__{key}": value for key, value in storage.items()}
    return read_settings({**keys, **named, "RECORDING_ACCOUNT_RATE": str(RATE)})


def test_sweeps_and_callers_of_two_apps_share_one_quota(
    store: Store, open_database: Callable[[], Database]
) -> None:
    """Whoever sweeps, records or stops at the same moment: no deadlock, and no call too many."""
    settings = two_apps()
    recorders = [Recorder(Store(open_database()), settings) for _ in range(6)]
    soon = (store.now() + timedelta(seconds=1)).isoformat()
    ids = [
        recorders[0].record(
            {"channel": f"{app}-{n}", "app": app, "start_at": soon, "duration": 600}, at_once=False
        )
        for n in range(5)
        for app in ("default", "school")
    ]

    def work(number: int) -> list[Dispatch]:
        recorder, app = recorders[number], ("default", "school")[number % 2]
        found = recorder.sweep()
        accepted = recorder.record({"channel": f"now-{number}", "app": app, "duration": 600})
        recorder.stop(ids[number].recording_id)
        return [*found, *accepted.dispatches, *recorder.sweep()]

    slots = sorted(one.slot_at for some in at_once(6, work) for one in some)

    assert len(slots) >= RATE
    spans = [b - a for a, b in zip(slots, slots[RATE:], strict=False)]
    assert all(span >= timedelta(seconds=1.049) for span in spans)
