"""A sweep costs what is due, not what was ever recorded: the databases' plans prove it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from neighbours import new_database

from recording_tasks.lifecycle import Rules, first_session
from recording_tasks.models import (
    Mode,
    OnEarlyExit,
    Recording,
    RecordingState,
    SessionState,
    Step,
)
from recording_tasks.store import Audit, Bygones, Database, Store, statements

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=3)
LONG_AGO = NOW - timedelta(hours=1)
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

OVER, RUN, COME = 100_000, 500, 5_000
OPEN = RUN + COME

# Sessions of the past, 500 that run, 50 of them due, and some of the coming weeks: each a copy of
# one row, so that a new column changes nothing here.
FILL = (
    f"""
INSERT INTO recordings SELECT made.* FROM recordings AS one,
  generate_series(1, {OVER + OPEN}) AS n,
  LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', 'r' || n, 'channel', 'c' || n,
    'finished_at', CASE WHEN n <= {OVER} THEN
        timestamptz '2026-11-01 10:00+00' - n * interval '1 min' END,
    'start_at', CASE WHEN n <= {OVER} THEN timestamptz '2026-11-01 09:00+00'
        ELSE timestamptz '2026-11-21 09:00+00' + n * interval '1 s' END,
    'state', CASE WHEN n <= {OVER} THEN 'stopped' WHEN n <= {OVER + RUN} THEN 'recording'
                  ELSE 'scheduled' END)) AS made
WHERE one.id = 'r0'
""",
    f"""
INSERT INTO sessions SELECT made.* FROM sessions AS one,
  generate_series(1, {OVER + OPEN}) AS n,
  LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', 'r' || n || '-1', 'recording_id', 'r' || n, 'channel', 'c' || n, 'sid', 's' || n,
    'is_open', n > {OVER},
    'lane', CASE WHEN n <= {OVER} THEN 5 WHEN n <= {OVER + RUN} THEN 4 ELSE 2 END,
    'state', CASE WHEN n <= {OVER} THEN 'stopped' WHEN n <= {OVER + RUN} THEN 'recording'
                  ELSE 'planned' END,
    'step', CASE WHEN n <= {OVER} THEN 'rest' WHEN n <= {OVER + RUN} THEN 'query'
                 ELSE 'acquire' END,
    'due_at', CASE WHEN n <= {OVER} THEN timestamptz '2026-11-01 09:00+00'
        WHEN n <= {OVER + RUN}
        THEN timestamptz '2026-11-21 08:59:58+00' + (n - {OVER} - 50) * interval '0.1 s'
        ELSE timestamptz '2026-11-22 09:00+00' + (n - {OVER + RUN}) * interval '1 min' END,
    'stop_at', CASE WHEN n <= {OVER} THEN timestamptz '2026-11-01 10:00+00'
        ELSE timestamptz '2026-11-21 10:00+00' + n * interval '1 s' END)) AS made
WHERE one.id = 'r0-1'
""",
    f"""
INSERT INTO timeline (recording_id, at, event, facts)
SELECT 'r' || n, timestamptz '2026-11-01 09:00+00', 'recording.accepted', '{{}}'
FROM generate_series(1, {OVER}) AS n
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
    "upcoming_together": (
        statements.upcoming_together(),
        {"apps": ["default", "school"], "until": NOW + timedelta(minutes=4), "most": 3000},
    ),
    "live": (statements.LIVE, {"app": "default"}),
    "live together": (statements.LIVE_TOGETHER, {"app": "account", "apps": ["default", "school"]}),
    "crowd": (statements.CROWD, {"app": "default", "now": NOW, "soon": UNTIL}),
    "stops_ahead": (
        statements.stops_ahead(),
        {"app": "default", "now": NOW, "until": UNTIL, "most": 30},
    ),
    "stops_ahead_together": (
        statements.stops_ahead_together(),
        {"apps": ["default", "school"], "now": NOW, "until": UNTIL, "most": 30},
    ),
    "is behind": (statements.is_behind(), {"app": "default", "now": NOW}),
    "apps_with_work": (statements.apps_with_work(), {"until": UNTIL, "ahead": UNTIL}),
    "nothing is due": (statements.apps_with_work(), {"until": LONG_AGO, "ahead": LONG_AGO}),
    "uids": (statements.UIDS, {"app": "default", "channel": "c100100"}),
    "one session": (statements.WITH_SESSION, {"id": "r100100-1"}),
    "the latest": (statements.WITH_LATEST, {"id": "r100100"}),
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

    most = {"live": RUN, "live together": RUN, "crowd": OPEN}  # they count
    assert _looked_at(found) <= most.get(question, 400)


def _looked_at(found: dict[str, Any]) -> float:
    """Count the rows of our tables that a plan touched; none is read as a whole."""
    looked_at = 0
    for node in nodes(found):
        is_table = node.get("Relation Name") in {"sessions", "recordings", "timeline"}
        assert not (is_table and node["Node Type"] == "Seq Scan"), node
        removed = node.get("Rows Removed by Filter", 0) + node.get(
            "Rows Removed by Index Recheck", 0
        )
        if is_table:
            looked_at += (node["Actual Rows"] + removed) * node["Actual Loops"]
    return looked_at


class _UndoneError(Exception):
    pass


def _purged(store: Store) -> None:
    """Ask all that a batch asks, and leave the store as it was."""

    def undo(_: object) -> None:
        raise _UndoneError

    with contextlib.suppress(_UndoneError):
        Bygones(store.database).remove(NOW, 100, undo)


YEARS_AGO = NOW - timedelta(days=1000)
# What reconcile and purge ask, and how many rows of the tables that may take: reconcile compares
# all that goes on or is to come, a purge takes what it removes, and neither reads the past.
PERIODIC: dict[str, tuple[Callable[[Store], object], int]] = {
    "doubted": (lambda store: Audit(store.database).doubted(NOW, 20), 20),
    "unattended": (lambda store: Audit(store.database).unattended(20), 2 * OPEN),
    "strays": (lambda store: Audit(store.database).strays(NOW, 20), 2 * OPEN),
    "unheard": (lambda store: Audit(store.database).unheard(NOW), OPEN),
    "notices": (lambda store: store.notices_due(50), 50),
    "open counts": (lambda store: store.open_counts(), OPEN),
    "purge": (_purged, 400),
    "nothing to purge": (lambda store: Bygones(store.database).remove(YEARS_AGO, 100, None), 0),
}


@contextmanager
def said() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that are sent meanwhile, and their values."""
    found: list[tuple[str, Any]] = []

    def listen(_1: Any, _2: Any, statement: str, values: Any, *_: Any) -> None:
        found.append((statement, values))

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)


@pytest.mark.parametrize("question", PERIODIC)
def test_no_question_of_a_periodic_task_reads_the_past(store: Store, question: str) -> None:
    """A million that are over cost reconcile and purge nothing."""
    ask, most = PERIODIC[question]

    with said() as asked:
        ask(store)

    assert asked
    for statement, values in asked:
        assert _looked_at(_plan_for_any(store, statement, values)) <= most, statement


def _plan_for_any(store: Store, statement: str, values: dict[str, Any]) -> dict[str, Any]:
    """Run a statement as a connection does that has prepared it, with a plan for any values."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    prepared = statement
    for number, name in enumerate(names, start=1):
        prepared = prepared.replace(f"%({name})s", f"${number}")
    given = ", ".join(f"%({name})s" for name in names)
    with store.database.begin() as connection:
        cursor = psycopg.ClientCursor(connection.connection.driver_connection)  # type: ignore[arg-type]
        cursor.execute(f"PREPARE it AS {prepared}".encode())
        execute = f"EXECUTE it ({given})" if names else "EXECUTE it"
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {execute}".encode(), values)
        (told,) = cursor.fetchone() or ([],)
        cursor.execute("DEALLOCATE it")
    found: dict[str, Any] = told[0]["Plan"]
    return found


PREPARED = {
    "app": "text",
    "now": "timestamptz",
    "until": "timestamptz",
    "most": "integer",
    "ahead": "timestamptz",
}


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
    values = f"'default', '{NOW.isoformat()}', '{UNTIL.isoformat()}', 400, '{UNTIL.isoformat()}'"

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
    assert [work.app for work in store.apps_with_work(UNTIL, UNTIL)] == ["default"]
    assert store.apps_with_work(LONG_AGO, LONG_AGO) == []


# -- the same over SQLite ----------------------------------------------------------------


GOES_ON = ("sessions_due", "sessions_stop", "sessions_channel", "recordings_notice")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Store]:
    """SQLite counts no rows before it plans: it plans the same for a full store."""
    database = Database(f"sqlite:///{tmp_path}/recordings.db")
    database.migrate()
    store = Store(database)
    over = replace(RECORDING, state=RecordingState.STOPPED, finished_at=LONG_AGO)
    rests = replace(SESSION, state=SessionState.STOPPED, step=Step.REST)
    with store.writing() as writing:
        writing.lock_quota("default")
        writing.add(over, rests, [])
    yield store
    database.close()


def _swept(store: Store) -> None:
    store.apps_with_work(UNTIL, UNTIL)
    with store.writing() as writing:
        writing.due("default", NOW, UNTIL, 400)
        writing.upcoming(["default"], UNTIL, 3000)
        writing.stops_ahead(["default"], NOW, UNTIL, 30)
        writing.is_behind("default", NOW)
        writing.uids_of("default", "c0")


@pytest.mark.parametrize("question", ["sweep", *PERIODIC])
def test_sqlite_reads_no_table_as_a_whole(small: Store, question: str) -> None:
    """Each table is searched by an index, or read through one that holds only what goes on."""
    ask = _swept if question == "sweep" else PERIODIC[question][0]

    with said() as asked:
        ask(small)

    steps = []
    for statement, values in asked:
        if statement.startswith(("SELECT", "DELETE", "UPDATE", "WITH")):
            with small.database.read() as connection:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                steps += [row.detail for row in plan]
    whole = [
        step
        for step in steps
        if re.match(r"SCAN (sessions|recordings|timeline)\b", step)
        and not step.endswith(tuple(f" USING INDEX {name}" for name in GOES_ON))
    ]
    assert steps
    assert whole == []
