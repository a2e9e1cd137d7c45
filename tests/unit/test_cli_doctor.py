from __future__ import annotations

import json
import socket
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_runs import Cli
from lives import RULES, order
from pydantic import SecretStr

from recording_tasks.cli.checks import query_permit
from recording_tasks.lifecycle import first_session
from recording_tasks.models import RecordingState, SessionState, Step
from recording_tasks.recorder.ledger import held
from recording_tasks.settings import AppProfile, Settings
from recording_tasks.simulator import running
from recording_tasks.store import Database, Store

NINE = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def test_a_healthy_deployment_is_all_ok(tmp_path: Path) -> None:
    """The credentials are tried with one query, and nothing is begun."""
    with running() as simulator:
        cli = Cli(tmp_path, simulator.url)
        cli.run("migrate")

        document = cli.json("doctor")

        assert document["is_well"]
        assert [check["name"] for check in document["checks"]] == [
            *("settings", "settings", "database", "schema", "work", "broker", "agora")
        ]
        assert list(simulator.report()["calls"]) == ["query"] or simulator.calls("query")
        assert simulator.report()["sessions_started"] == 0


def test_it_tells_how_often_what_runs_is_asked_about(tmp_path: Path) -> None:
    """And calls it a fault where that is more seldom than Agora's documents say."""
    with running() as simulator:
        cli = Cli(tmp_path, simulator.url)
        cli.run("migrate")
        sessions_run(f"sqlite:///{cli.file}", count=15)

        well = cli.json("doctor")
        slow = cli.run("doctor", RECORDING_QUERY_SHARE="0.01")

    (said,) = [check["said"] for check in well["checks"] if check["name"] == "queries"]
    assert said == "app default: 15 sessions run, each asked about every 120 s"
    assert slow.exit_code == 1
    assert "fault queries   app default: 15 sessions run, each asked about every 159 s" in (
        slow.stdout
    )


def sessions_run(database: str, *, count: int) -> None:
    """Put running sessions into the tables."""
    store = Store(Database(database))
    with store.writing() as writing:
        writing.lock_quota("default")
        for number in range(count):
            one = order(id=str(number), state=RecordingState.RECORDING)
            session = first_session(one, f"{number}-1", str(1000 + number), RULES)
            runs = replace(session, state=SessionState.STARTED, step=Step.QUERY)
            writing.add(one, runs, [])
    store.database.close()


def test_wrong_credentials_are_found(tmp_path: Path) -> None:
    """Before the lesson; the secret is not printed."""
    with running() as simulator:
        cli = Cli(tmp_path, simulator.url)
        cli.run("migrate")

        result = cli.run("doctor", AGORA_CUSTOMER_SECRET="canary-secret")

    assert result.exit_code == 1
    assert "fault agora" in result.stdout
    assert "401" in result.stdout
    assert "canary" not in result.output


def test_the_tables_of_a_newer_version_are_no_fault(cli: Cli) -> None:
    """A way back to an older version is a way that works."""
    cli.run("migrate")
    with sqlite3.connect(cli.file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    checks = json.loads(cli.run("doctor", "--json").stdout)["checks"]

    (schema,) = [check for check in checks if check["name"] == "schema"]
    assert "9999" in str(schema)
    assert schema["is_well"], schema


def test_every_fault_has_a_line_and_a_remedy(cli: Cli) -> None:
    """One look tells all that is missing."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        broker = f"redis://:canary@127.0.0.1:{closed.getsockname()[1]}/0"

        result = cli.run("doctor", "--json", CELERY_BROKER_URL=broker, RECORDING_RESTARTS="-1")

    faulty = [check for check in json.loads(result.stdout)["checks"] if not check["is_well"]]
    assert result.exit_code == 1
    assert [check["name"] for check in faulty] == ["settings", "database", "broker"]
    assert all(check["remedy"] for check in faulty)
    assert "canary" not in result.output


def test_recordings_that_nobody_began_are_found(cli: Cli) -> None:
    """The commonest fault: no worker, no beat."""
    cli.recorded("lesson")
    with sqlite3.connect(cli.file) as connection:
        connection.execute("UPDATE recordings SET start_at = '2026-01-01T00:00:00.000000+00:00'")

    assert "1 recordings should have begun" in cli.run("doctor").stdout


def test_one_that_nobody_began_is_found_among_thousands_to_come(cli: Cli) -> None:
    """A timetable of a year does not hide it."""
    late = cli.recorded("lesson")
    cli.recorded("the next")
    with sqlite3.connect(cli.file) as connection:
        connection.execute(
            "UPDATE recordings SET start_at = '2026-01-01T00:00:00.000000+00:00' WHERE id = ?",
            (late,),
        )
        columns = [row[1] for row in connection.execute("PRAGMA table_info(recordings)")]
        listed = ", ".join(f'"{name}"' for name in columns if name not in {"id", "key"})
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
            f"INSERT INTO recordings (id, {listed}) "
            f"SELECT 'next-' || i, {listed} FROM n, recordings WHERE id <> ?",
            (late,),
        )

    assert "1 recordings should have begun" in cli.run("doctor").stdout


def test_one_that_waits_for_anothers_end_is_no_fault(cli: Cli) -> None:
    """A worker said so; that there is none would be wrong."""
    cli.recorded("lesson")
    with sqlite3.connect(cli.file) as connection:
        connection.execute("UPDATE recordings SET start_at = '2026-01-01T00:00:00.000000+00:00'")
        connection.execute("UPDATE sessions SET reason = 'waited for another session''s end'")

    result = cli.run("doctor").stdout

    assert "should have begun" not in result
    assert "1 recordings wait" in result


class HeldUpStore(Store):
    """A store whose row took half a second to come by, the first time."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked = 0

    def now(self) -> datetime:
        self.asked += 1
        return NINE + timedelta(seconds=0.0 if self.asked == 1 else 0.5)


def test_its_query_leaves_at_a_slot_however_long_that_took_to_get(cli: Cli) -> None:
    """A call that leaves later would meet the calls of the next second."""
    cli.run("migrate")
    store = HeldUpStore(Database(f"sqlite:///{cli.file}"))
    app = AppProfile(
        name="default", app_id="a" * 32, customer_id="c", customer_secret=SecretStr("s")
    )
    settings = Settings(base_urls=("https://example.org",), apps={"default": app})

    query_permit(settings, app, store)()

    with store.writing() as writing:
        assert held(writing, settings, "default").taken == (store.now().timestamp(),)
    store.database.close()


def test_old_tables_are_found(cli: Cli) -> None:
    """What to run stands beside it."""
    cli.run("migrate")
    with sqlite3.connect(cli.file) as connection:
        connection.execute("DELETE FROM alembic_version")

    assert "recording-tasks migrate" in cli.run("doctor").stdout


def test_migrate_makes_the_tables_and_may_be_repeated(cli: Cli) -> None:
    """The second time there is nothing to do."""
    first, second = cli.json("migrate"), cli.json("migrate")

    assert first["before"] is None
    assert second["before"] == second["after"] == first["after"]
    assert cli.run("migrate").stdout.startswith("nothing to do")


def test_a_port_that_is_taken_is_said(cli: Cli) -> None:
    """One line, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        result = cli.run("simulator", "--port", port)

    assert result.exit_code == 1
    assert f"error: cannot listen on 127.0.0.1:{port}" in result.stderr


def test_a_token_provider_that_is_not_there_is_found(cli: Cli) -> None:
    """Before the first start needs it."""
    found = cli.run("doctor", RECORDING_TOKEN_PROVIDER="no_such_package:make").stdout

    assert "RECORDING_TOKEN_PROVIDER: cannot be imported" in found
    assert "a callable that this machine can import" in found


def test_a_certificate_that_is_none_is_said(cli: Cli) -> None:
    """The simulator does not begin with it."""
    result = cli.run("simulator", "--certificate", "short")

    assert result.exit_code == 2
    assert "--certificate must be 32 hexadecimal characters" in result.stderr
