"""Two versions of the program on one database, as in every deploy, and after a way back."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from deployment import Deployment

from recording_tasks.lifecycle import Rules, first_session
from recording_tasks.models import Mode, OnEarlyExit, Recording, RecordingState
from recording_tasks.store import Database, rows, schema

from .conftest import Deploy

PROGRAM = str(Path(sys.executable).with_name("recording-tasks"))
_NEWER = (
    "ALTER TABLE recordings ADD COLUMN mood VARCHAR(9)",
    "ALTER TABLE sessions ADD COLUMN mood VARCHAR(9) NOT NULL DEFAULT 'good'",
    "CREATE TABLE moods (name VARCHAR(9) PRIMARY KEY)",
    "UPDATE alembic_version SET version_num = '9999'",
)


def _migrate(deployment: Deployment) -> tuple[int, str]:
    process = deployment.run(PROGRAM, "migrate", name="migrate")
    return process.wait(30), process.text


def _first_columns(folder: Path) -> Mapping[str, set[str]]:
    """Name the columns that the first version knew."""
    database = Database(f"sqlite:///{folder}/first.db")
    config = Config()
    place = files("recording_tasks.store") / "migrations"
    config.set_main_option("script_location", str(place))
    with database.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    inspector = sa.inspect(database.engine)
    tables = ("recordings", "sessions")
    known = {table: {one["name"] for one in inspector.get_columns(table)} for table in tables}
    database.close()
    return known


def _accepted_by_the_first_version(deployment: Deployment, folder: Path, channel: str) -> str:
    """Insert what a worker of the first version would: it knows nothing of later columns."""
    known = _first_columns(folder)
    start_at = datetime.now(UTC) + timedelta(seconds=2)
    recording = Recording(
        id="of-the-first-version",
        key=None,
        app="default",
        channel=channel,
        mode=Mode.MIX,
        uid=None,
        start_at=start_at,
        stop_at=start_at + timedelta(seconds=4),
        storage="default",
        request={},
        on_early_exit=OnEarlyExit.RESTART,
        notify={},
        labels={},
        state=RecordingState.SCHEDULED,
        reason=None,
        created_at=start_at,
        session_count=1,
    )
    session = replace(first_session(recording, f"{recording.id}-1", "4711", Rules()), epoch=1)

    def of_old(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name in known[table]}

    with deployment.store.database.begin() as connection:
        row = of_old("recordings", rows.recording_row(recording))
        connection.execute(sa.insert(schema.recordings).values(row))
        row = of_old("sessions", rows.session_row(session))
        connection.execute(sa.insert(schema.sessions).values(row))
    return recording.id


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_rows_of_an_older_and_tables_of_a_newer_version_are_worked_with(
    deploy: Deploy, tmp_path: Path, database: str
) -> None:
    """Columns that nobody filled, columns that nobody knows, and a revision of the future."""
    deployment = deploy(database=database)
    with deployment.store.database.begin() as connection:
        for statement in _NEWER:
            connection.execute(sa.text(statement))

    code, said = _migrate(deployment)
    deployment.up()
    of_old = _accepted_by_the_first_version(deployment, tmp_path, "older")
    of_ours = deployment.record("ours", start_at=time.time() + 2, duration=4)
    for recording_id in (of_old, of_ours):
        deployment.is_in(recording_id, "stopped", 30)

    assert (code, said.strip()) == (0, "nothing to do: the tables are at 9999")
    assert len(deployment.calls("stop", "older")) == 1
    assert len(deployment.calls("stop", "ours")) == 1
    assert deployment.simulator.report()["sessions_running"] == 0
