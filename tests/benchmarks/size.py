"""What a sweep costs in a store of any size, and with many apps: our own use case, timed alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import psycopg
import sqlalchemy as sa
from psycopg import sql
from rich.console import Console
from rich.table import Table

from recording_tasks.lifecycle import Rules, first_session
from recording_tasks.models import Mode, OnEarlyExit, Recording, RecordingState
from recording_tasks.recorder import Recorder
from recording_tasks.settings import read_settings
from recording_tasks.store import Bygones, Database, Store
from recording_tasks.store.schema import recordings, sessions, timeline

from .statements import statements_sent
from .table import percentile

LIMIT = 1.5
DUE = 10  # calls of an app in one sweep: its quota of a second
BACKLOG = 500
STEP = timedelta(seconds=2)
FEW_SWEEPS, SWEEPS = 50, 500
BEGAN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
FAR = BEGAN + timedelta(days=30)
LONG_AGO = BEGAN - timedelta(days=100)
ONE = Recording(
    id="r0",
    key=None,
    app="a0",
    channel="c0",
    mode=Mode.MIX,
    uid=None,
    start_at=LONG_AGO,
    stop_at=LONG_AGO,
    storage="default",
    request={"recordingConfig": {"channelType": 1, "maxIdleTime": 300}},
    on_early_exit=OnEarlyExit.RESTART,
    notify={},
    labels={"room": "7"},
    state=RecordingState.SCHEDULED,
    reason=None,
    created_at=LONG_AGO,
    session_count=1,
)


class SteppedStore(Store):
    """A store whose time goes on with every sweep, so that each finds a whole quota."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.instant = BEGAN

    def now(self) -> datetime:
        return self.instant


@dataclass(slots=True, kw_only=True)
class Site:
    """A store of one size, with the recorder that sweeps it.

    Attributes:
        took: Seconds of each sweep.
        asked: Statements of each sweep; a pipelined batch is one.
    """

    name: str
    apps: int
    live: int
    over: int
    store: SteppedStore
    recorder: Recorder
    took: list[float] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def fill(self) -> None:
        """Copy one recording as often as wanted; what is over is never due."""
        database = self.store.database
        database.migrate()
        with self.store.writing() as writing:
            for number in range(self.apps):
                writing.lock_quota(f"a{number}")
            writing.add(ONE, first_session(ONE, "r0-1", "7", Rules()), [])
        with database.begin() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            for statement in _copies(self.live, self.over, self.apps):
                connection.exec_driver_sql(statement)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
            plain.exec_driver_sql("SET statement_timeout = 0")
            plain.exec_driver_sql("VACUUM ANALYZE")
            plain.exec_driver_sql("RESET statement_timeout")

    def sweep(self) -> None:
        """Let so many calls of each app fall due, and time the sweep that claims them."""
        self.store.instant += STEP
        self.make_due(DUE)
        with statements_sent() as sent:
            began = time.perf_counter()
            found = self.recorder.sweep()
            self.took.append(time.perf_counter() - began)
        self.asked.append(len(sent))
        if len(found) != DUE * self.apps:
            raise RuntimeError(f"{self.name}: {len(found)} calls were claimed")
        self._answer()

    def make_due(self, count: int, app: int | None = None) -> None:
        """Bring the queries of some sessions of each app, or of one, forward to now."""
        first, step = (0, 1) if app is None else (app, self.apps)
        numbers = range(first, count * self.apps, step)
        ids = [f"s{number:08}-1" for number in numbers]
        statement = sa.update(sessions).where(sessions.c.id.in_(ids))
        self._write(statement.values(due_at=self.store.instant))

    def _answer(self) -> None:
        calm = {"due_at": FAR, "claimed": None, "slot_at": None, "lease_until": None}
        self._write(sa.update(sessions).where(sessions.c.is_open, sessions.c.due_at < FAR), **calm)

    def _write(self, statement: sa.Update, **values: Any) -> None:
        with self.store.database.begin() as connection:
            connection.execute(statement.values(**values) if values else statement)


def measure(server_url: str, live: int, over: int, console: Console) -> None:
    """Fill stores of two sizes, sweep them in turns, and print what it cost."""
    with (
        _site(server_url, "small", apps=1, live=100, over=1_000) as small,
        _site(server_url, "large", apps=1, live=live, over=over) as large,
    ):
        began = time.perf_counter()
        for site in (small, large):
            site.fill()
        console.print(f"filled in {time.perf_counter() - began:.0f} s")
        memory = []
        for number in range(SWEEPS):
            for site in (small, large) if number % 2 else (large, small):
                site.sweep()
            if number + 1 in {FEW_SWEEPS, SWEEPS}:
                memory.append(psutil.Process().memory_info().rss / 2**20)
        console.print(
            _table(f"size: one sweep with {DUE} calls due, {SWEEPS} sweeps", small, large)
        )
        ratio = _median(large) / _median(small)
        console.print(f"ratio {ratio:.2f}, limit {LIMIT}: {_verdict(ratio <= LIMIT)}")
        grown = memory[1] - memory[0]
        console.print(
            f"memory after {FEW_SWEEPS} sweeps of each {memory[0]:.1f} MiB,"
            f" after {SWEEPS} {memory[1]:.1f} MiB: {grown:+.1f} MiB"
        )
        console.print(f"reconcile: {_usual(small.recorder.reconcile):.1f} ms in the small one,")
        console.print(f"           {_usual(large.recorder.reconcile):.1f} ms in the large one")
        bygones = Bygones(large.store.database)
        batch = _usual(lambda: bygones.remove(BEGAN, 100, None), times=20)
        console.print(f"a batch of 100 purged: {batch:.1f} ms")


def measure_apps(server_url: str, console: Console) -> None:
    """Sweep one app and a hundred, and a hundred of which the first has a backlog."""
    with (
        _site(server_url, "one app", apps=1, live=BACKLOG, over=0) as one,
        _site(server_url, "100 apps", apps=100, live=100 * BACKLOG, over=0) as many,
    ):
        for site in (one, many):
            site.fill()
            for _ in range(FEW_SWEEPS):
                site.sweep()
        console.print(_table(f"apps: one sweep with {DUE} calls due in each app", one, many))
        waits: dict[int, list[float]] = {DUE: [], BACKLOG: []}
        for _ in range(20):
            for backlog, took in waits.items():
                took.append(_last_app_waits(many, backlog))
        for backlog, took in waits.items():
            console.print(
                f"{backlog} due in the first app: the last app's calls are handed out"
                f" {statistics.median(took) * 1000:.0f} ms after the sweep began"
            )


def _last_app_waits(site: Site, backlog: int) -> float:
    """Time from the beginning of a sweep until the last app's calls may be sent."""
    site.store.instant += STEP
    site.make_due(DUE)
    site.make_due(backlog, app=0)
    began = time.perf_counter()
    last = began
    for _ in site.recorder.sweep_apps():
        last = time.perf_counter()
    site._answer()
    return last - began


def _copies(live: int, over: int, apps: int) -> Iterator[str]:
    """Write the statements that copy the one recording: first what is live, then what is over."""
    is_live = f"n < {live}"
    far = f"timestamptz '{FAR.isoformat()}'"
    ended = f"timestamptz '{LONG_AGO.isoformat()}' + n * interval '1 s'"
    state = f"CASE WHEN {is_live} THEN 'recording' ELSE 'stopped' END"
    shared = {"app": f"'a' || mod(n, {apps})", "channel": "'c' || n", "state": state}
    series = f"generate_series(0, {live + over - 1}) AS n"
    ours = {
        "id": "'s' || lpad(n::text, 8, '0')",
        "stop_at": f"CASE WHEN {is_live} THEN {far} ELSE {ended} END",
        "finished_at": f"CASE WHEN {is_live} THEN NULL ELSE {ended} END",
        "created_at": ended,
    }
    its = {
        "id": "'s' || lpad(n::text, 8, '0') || '-1'",
        "recording_id": "'s' || lpad(n::text, 8, '0')",
        "sid": "'sid' || n",
        "is_open": is_live,
        "lane": f"CASE WHEN {is_live} THEN 4 ELSE 5 END",
        "step": f"CASE WHEN {is_live} THEN 'query' ELSE 'rest' END",
        "due_at": f"CASE WHEN {is_live} THEN {far} ELSE {ended} END",
        "stop_at": f"CASE WHEN {is_live} THEN {far} + interval '1 day' ELSE {ended} END",
        "started_at": ended,
        "queried_at": f"CASE WHEN {is_live} THEN {far} ELSE {ended} END",
    }
    for table, changed in ((recordings, ours), (sessions, its)):
        values = {
            **{
                name: f'one."{name}"'
                for name in table.columns.keys()  # noqa: SIM118 - it iterates over columns
            },
            **shared,
            **changed,
        }
        names = ", ".join(f'"{name}"' for name in values)
        yield (
            f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values.values())}"
            f" FROM {table.name} AS one, {series} WHERE one.id IN ('r0', 'r0-1')"
        )
    yield (
        f"INSERT INTO {timeline.name} (recording_id, at, event, facts)"
        f" SELECT 's' || lpad(n::text, 8, '0'), {ended}, 'recording.accepted', '{{}}' FROM {series}"
    )
    yield "DELETE FROM sessions WHERE id = 'r0-1'"
    yield "DELETE FROM recordings WHERE id = 'r0'"


@contextmanager
def _site(server_url: str, name: str, *, apps: int, live: int, over: int) -> Iterator[Site]:
    """Make an empty database of its own, and drop it afterwards."""
    database_name = "bench_" + name.replace(" ", "_")
    _administer(server_url, database_name, "DROP DATABASE IF EXISTS {} WITH (FORCE)")
    _administer(server_url, database_name, "CREATE DATABASE {}")
    database = Database(f"{server_url}/{database_name}")
    store = SteppedStore(database)
    environ: dict[str, str] = {}
    for number in range(apps):
        prefix = f"AGORA_APP__A{number}__"
        environ |= {
            f"{prefix}APP_ID": f"{number:032x}",
            f"{prefix}CUSTOMER_ID": "customer",
            f"{prefix}CUSTOMER_SECRET": "secret",
        }
    recorder = Recorder(store, read_settings(environ))
    try:
        yield Site(name=name, apps=apps, live=live, over=over, store=store, recorder=recorder)
    finally:
        database.close()
        _administer(server_url, database_name, "DROP DATABASE IF EXISTS {} WITH (FORCE)")


def _administer(server_url: str, name: str, statement: str) -> None:
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _usual(work: Callable[[], object], times: int = 5) -> float:
    """Give the median of a few, in milliseconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _median(site: Site) -> float:
    return statistics.median(site.took)


def _verdict(is_kept: bool) -> str:
    return "kept" if is_kept else "NOT KEPT"


def _table(title: str, *sites: Site) -> Table:
    shown = Table(title=title, title_justify="left")
    for heading in ("store", "apps", "live", "finished", "p50 ms", "p95 ms", "statements"):
        shown.add_column(heading, justify="left" if heading == "store" else "right")
    for site in sites:
        shown.add_row(site.name, *_cells(site))
    return shown


def _cells(site: Site) -> Sequence[str]:
    least, most = min(site.asked), max(site.asked)
    return (
        str(site.apps),
        f"{site.live:,}",
        f"{site.over:,}",
        f"{_median(site) * 1000:.1f}",
        f"{percentile(site.took, 0.95) * 1000:.1f}",
        str(least) if least == most else f"{least}-{most}",
    )
