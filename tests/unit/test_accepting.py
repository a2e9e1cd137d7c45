"""Accepting a recording without a broker, as another Python program does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recording_tasks.store import Database, Store

ENVIRON = {
    "AGORA_APP_ID": "0123456789abcdef0123456789abcdef",
    "AGORA_CUSTOMER_ID": "id",
    "AGORA_CUSTOMER_SECRET": "canary-secret",
    "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
    "RECORDING_STORAGE__DEFAULT__REGION": "0",
    "RECORDING_STORAGE__DEFAULT__BUCKET": "lessons",
    "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "canary-key",
    "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "canary-key",
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",  # nobody is there
}
TWICE = """
import recording_tasks, sys
first = recording_tasks.accept("lesson", duration=60, key="monday")
second = recording_tasks.accept("lesson", duration=60, key="monday")
assert first == second
assert "celery" not in sys.modules
print(first)
"""
BADLY = """
import recording_tasks
try:
    recording_tasks.accept("lesson", duration=0, mode="Web")
except recording_tasks.errors.InvalidInputError as error:
    print(len(error.faults))
"""


def _run(code: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    settings = {**ENVIRON, "RECORDING_DATABASE_URL": f"sqlite:///{folder}/recordings.db"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **settings, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_is_stored_though_the_broker_is_away(tmp_path: Path) -> None:
    """No broker and no Celery application are needed, and the same key is one recording."""
    done = _run(TWICE, tmp_path)

    assert done.returncode == 0, done.stderr
    store = Store(Database(f"sqlite:///{tmp_path}/recordings.db"))
    (recording,) = store.recent()
    assert recording.id == done.stdout.strip()
    assert [session.number for session in store.sessions_of(recording.id)] == [1]
    store.database.close()


def test_bad_arguments_are_refused_with_every_fault(tmp_path: Path) -> None:
    """Nothing is stored."""
    done = _run("import recording_tasks.errors\n" + BADLY, tmp_path)

    assert done.stdout.strip() == "2", done.stderr
    store = Store(Database(f"sqlite:///{tmp_path}/recordings.db"))
    assert store.recent() == []
    store.database.close()


@pytest.mark.parametrize("url", ["postgresql://postgres@127.0.0.1:1/nowhere"])
def test_a_database_that_is_away_is_told_at_once(tmp_path: Path, url: str) -> None:
    """The caller is not held, and hears that nothing was stored."""
    done = _run(TWICE, tmp_path, RECORDING_DATABASE_URL=url)

    assert "StoreUnavailableError" in done.stderr
