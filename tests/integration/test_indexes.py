"""A sweep costs what is due, not what was ever recorded: PostgreSQL's plans prove it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from neighbours import new_database

from recording_tasks.lifecycle import Rules, first_session
from recording_tasks.models import Mode, OnEarlyExit, Recording, RecordingState
from recording_tasks.store import Database, Store, statements

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=3)
RECORDING = Recording(
    id="r0",
    key=None,
    app="default",
    channel="c0",
    mode=Mode.MIX,
    uid=None,
    start_at=NOW,
    stop_at=NOW,
    storage="default",
    request={},
    on_early_exit=OnEarlyExit.RESTART,
    notify={},
    labels={},
    state=RecordingState.SCHEDULED,
    reason=None,
    created_at=NOW,
    session_count=1,
)
SESSION = first_session(RECORDING, "r0-1", "7", Rules())

# 50 000 sessions of the past, 500 that run, 50 of them due, and 20 000 of the coming weeks: each a
# copy of one row, so that a new column changes nothing here.
FILL = (
    """
INSERT INTO recordings SELECT made.* FROM recordings AS one, generate_series(1, 70500) AS n,
  LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', 'r' || n, 'channel', 'c' || n,
    'state', CASE WHEN n <= 50000 THEN 'stopped' WHEN n <= 50500 THEN 'recording'
                  ELSE 'scheduled' END)) AS made
WHERE one.id = 'r0'
""",
    """
INSERT INTO sessions SELECT made.* FROM sessions AS one, generate_series(1, 70500) AS n,
  LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', 'r' || n || '-1', 'recording_id', 'r' || n, 'channel', 'c' || n, 'sid', 's' || n,
    'is_open', n > 50000,
    'lane', CASE WHEN n <= 50000 THEN 5 WHEN n <= 50500 THEN 4 ELSE 2 END,
    'state', CASE WHEN n <= 50000 THEN 'stopped' WHEN n <= 50500 THEN 'recording'
                  ELSE 'planned' END,
    'step', CASE WHEN n <= 50000 THEN 'rest' WHEN n <= 50500 THEN 'query' ELSE 'acquire' END,
    'due_at', CASE WHEN n <= 50000 THEN timestamptz '2026-11-01 09:00+00'
        WHEN n <= 50500 THEN timestamptz '2026-11-21 08:59:58+00' + (n - 50050) * interval '0.1 s'
        ELSE timestamptz '2026-11-22 09:00+00' + (n - 50500) * interval '1 min' END,
    'stop_at', CASE WHEN n <= 50000 THEN timestamptz '2026-11-01 10:00+00'
        ELSE timestamptz '2026-11-21 10:00+00' + n * interval '1 s' END)) AS made
WHERE one.id = 'r0-1'
""",
    "DELETE FROM sessions WHERE id = 'r0-1'",
    "DELETE FROM recordings WHERE id = 'r0'",
)


@pytest.fixture(scope="module")
def store(crowded_url: str) -> Iterator[Store]:
    """A store after a year's work."""
    database = Database(crowded_url)
    database.migrate()
    with Store(database).writing() as writing:
        writing.lock_quota("default")
        writing.add(RECORDING, SESSION, [])
    with database.begin() as connection:
        for statement in FILL:
            connection.exec_driver_sql(statement)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    yield Store(database)
    database.close()


@pytest.fixture(scope="module")
def crowded_url() -> Iterator[str]:
    """A database for the module: filling one takes seconds."""
    with new_database() as url:
        yield url


QUESTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "due": (statements.due(), {"app": "default", "now": NOW, "until": UNTIL, "most": 400}),
    "upcoming": (
        statements.upcoming(),
        {"app": "default", "until": NOW + timedelta(minutes=4), "most": 3000},
    ),
    "apps_with_work": (statements.apps_with_work(), {"until": UNTIL}),
    "nothing is due": (statements.apps_with_work(), {"until": NOW - timedelta(hours=1)}),
    "uids": (statements.UIDS, {"app": "default", "channel": "c50100"}),
    "one session": (statements.WITH_SESSION, {"id": "r50100-1"}),
    "the latest": (statements.WITH_LATEST, {"id": "r50100"}),
    "by key": (statements.RECORDING_BY_KEY, {"key": "k"}),
}


def plan(store: Store, statement: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Run a statement, and tell how PostgreSQL did it."""
    bound = statement.params(**values)
    compiled = bound.compile(store.database.engine, compile_kwargs={"literal_binds": True})
    with store.database.begin() as connection:
        told = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}")
        found: dict[str, Any] = told.scalar_one()[0]["Plan"]
    return found


def nodes(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Go through a plan."""
    yield of
    for below in of.get("Plans", ()):
        yield from nodes(below)


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_of_a_sweep_or_a_call_reads_the_past(store: Store, question: str) -> None:
    """No table is read as a whole, and what is looked at is near what is found."""
    statement, values = QUESTIONS[question]

    found = plan(store, statement, values)

    looked_at = 0
    for node in nodes(found):
        is_table = node.get("Relation Name") in {"sessions", "recordings", "timeline"}
        assert not (is_table and node["Node Type"] == "Seq Scan"), node
        removed = node.get("Rows Removed by Filter", 0) + node.get(
            "Rows Removed by Index Recheck", 0
        )
        if is_table:
            looked_at += (node["Actual Rows"] + removed) * node["Actual Loops"]
    assert looked_at <= 400


PREPARED = {"app": "text", "now": "timestamptz", "until": "timestamptz", "most": "integer"}


@pytest.mark.parametrize("question", ["due", "upcoming", "apps_with_work"])
def test_the_plan_for_any_values_is_as_good(store: Store, question: str) -> None:
    """A driver that prepares what it repeats gets one plan, which knows no values."""
    statement, _ = QUESTIONS[question]
    literal = {"literal_binds": True}
    marks: dict[str, Any] = {
        name: sa.literal_column(f"${n}") for n, name in enumerate(PREPARED, start=1)
    }
    known = sa.sql.visitors.replacement_traverse(statement, {}, _marked(marks))
    prepared = known.compile(store.database.engine, compile_kwargs=literal)
    values = f"'default', '{NOW.isoformat()}', '{UNTIL.isoformat()}', 400"

    with store.database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        kinds = ", ".join(PREPARED.values())
        connection.exec_driver_sql(f"PREPARE it ({kinds}) AS {prepared}")
        told = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE it ({values})")
        found = told.scalar_one()[0]["Plan"]
        connection.exec_driver_sql("DEALLOCATE it")

    scans = [node for node in nodes(found) if node.get("Relation Name") == "sessions"]
    assert scans
    assert [node for node in scans if node["Node Type"] == "Seq Scan"] == []


def _marked(marks: dict[str, Any]) -> Any:
    def replace(element: Any, **_: Any) -> Any:
        return marks.get(element.key) if isinstance(element, sa.BindParameter) else None

    return replace


def test_a_sweep_finds_the_fifty_that_are_due(store: Store) -> None:
    """The answers are right as well as quick."""
    with store.writing() as writing:
        due = writing.due("default", NOW, UNTIL, 400)

    assert len(due) == 100
    assert {session.step.value for session in due} == {"query"}
    assert store.apps_with_work(UNTIL) == ["default"]
    assert store.apps_with_work(NOW - timedelta(hours=1)) == []
