"""What can be wrong with a deployment, and what to do about each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from kombu.connection import Connection
from kombu.exceptions import OperationalError
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from recording_tasks.cli.place import sqlite_file
from recording_tasks.cli.revisions import revisions
from recording_tasks.client import Client, Credentials
from recording_tasks.client.methods import Retries
from recording_tasks.errors import (
    ConfigurationError,
    RecordingError,
    Remedy,
    ServiceError,
    StoreUnavailableError,
)
from recording_tasks.limiter import reserve
from recording_tasks.models import Mode, Step
from recording_tasks.monitoring import scrubbed
from recording_tasks.recorder.ledger import held, keep
from recording_tasks.recorder.load import load_of, pace_of
from recording_tasks.recorder.readiness import provider_faults
from recording_tasks.settings import AppProfile, Settings, read_settings
from recording_tasks.settings.reading import DATABASE_URL
from recording_tasks.store import Audit, Database, Store

_OVERDUE = timedelta(seconds=15)  # a sweep comes every second
_NOBODY = "doctor"  # a session that does not exist
_BROKER_SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        remedy: What to do; None where all is well.
    """

    name: str
    is_well: bool
    said: str
    remedy: str | None = None


def checks(environ: Mapping[str, str]) -> Iterator[Check]:
    """Look at one thing after the other."""
    settings = None
    try:
        settings = read_settings(environ)
    except ConfigurationError as error:
        yield from (_fault("settings", fault, "set the variable rightly") for fault in error.faults)
    if settings is not None:
        yield from _of_settings(settings)
    url = environ.get("RECORDING_DATABASE_URL", "").strip() or DATABASE_URL
    store = None
    for check, opened in _of_database(url):
        store = opened or store
        yield check
    yield _of_broker(environ.get("CELERY_BROKER_URL", "").strip())
    if settings is not None and store is not None:
        yield from _of_queries(settings, store)
    if settings is not None:
        yield from _of_agora(settings, store)
    if store is not None:
        store.database.close()


def _of_settings(settings: Settings) -> Iterator[Check]:
    if settings.apps:
        yield _ok("settings", f"apps: {', '.join(settings.apps)}")
    else:
        said = "AGORA_APP_ID, AGORA_CUSTOMER_ID, AGORA_CUSTOMER_SECRET: not set"
        yield _fault("settings", said, "take them from Agora's console, RESTful API")
    for fault in provider_faults(settings.token_provider):
        yield _fault("settings", fault, "name a callable that this machine can import")
    if settings.storages:
        yield _ok("settings", f"storages: {', '.join(settings.storages)}")
    else:
        said = "no storage profile: RECORDING_STORAGE__DEFAULT__VENDOR and the others are not set"
        yield _fault("settings", said, "name the bucket that the files go to")


def _of_database(url: str) -> Iterator[tuple[Check, Store | None]]:
    """Check the database; a store is given with the check that found it usable."""
    try:
        database = Database(url, pool_size=2)
    except (ArgumentError, NoSuchModuleError):
        said = "RECORDING_DATABASE_URL: not a URL of SQLite or PostgreSQL"
        yield _fault("database", said, "write sqlite:///recordings.db or postgresql://…"), None
        return
    shown = database.url.render_as_string(hide_password=True)
    file = sqlite_file(url)
    if file is not None and not file.exists():
        yield (
            _fault("database", f"{shown}: no such file", "run recording-tasks up or migrate"),
            None,
        )
        return
    try:
        before, newest = revisions(database)
    except (StoreUnavailableError, DBAPIError) as error:
        said = f"{shown}: {str(error).splitlines()[0]}"
        yield _fault("database", said, "see that it runs, and that the URL is right"), None
        return
    yield _ok("database", f"{shown}: reached"), None
    if (before or "") < (newest or ""):
        said = f"its tables are at {before or 'nothing'}, this version needs {newest}"
        yield _fault("schema", said, "run recording-tasks migrate"), None
        return
    store = Store(database)
    is_ours = before == newest
    newer = "" if is_ours else f", newer than this version's {newest}: that does no harm"
    yield _ok("schema", f"its tables are at {before}{newer}"), store
    yield _of_work(store), None


def _of_work(store: Store) -> Check:
    """See whether somebody does what is due."""
    late, waiting = Audit(store.database).overdue(store.now() - _OVERDUE)
    if late:
        said = f"{late} recordings should have begun and did not"
        return _fault("work", said, "run recording-tasks up, or a worker and a beat")
    said = f"{waiting} recordings wait, explain tells why" if waiting else "nothing is overdue"
    return _ok("work", f"{said}; {sum(store.open_counts().values())} recordings are open")


def _of_broker(url: str) -> Check:
    if not url:
        return _ok("broker", "the embedded one, of recording-tasks up alone")
    with Connection(url, connect_timeout=_BROKER_SECONDS) as connection:  # type: ignore[no-untyped-call]
        shown = connection.as_uri()
        try:
            connection.ensure_connection(max_retries=1, timeout=_BROKER_SECONDS)
        except (OperationalError, OSError, KeyError, ImportError, ValueError) as error:
            said = scrubbed(f"{shown}: {error}")
            return _fault("broker", said, "see that it runs, and that CELERY_BROKER_URL is right")
    return _ok("broker", f"{shown}: reached")


def _of_queries(settings: Settings, store: Store) -> Iterator[Check]:
    """See how often Agora is asked about each session that runs."""
    for app in settings.apps:
        load = load_of(store, settings, app)
        every = round(load.every.total_seconds())
        said = f"app {app}: {load.live} sessions run, each asked about every {every} s"
        if load.is_stretched:
            most = round(load.most.total_seconds())
            remedy = "ask Agora for a higher rate, or raise RECORDING_QUERY_SHARE"
            yield _fault("queries", f"{said}, more than {most} s apart", remedy)
        elif load.live:
            yield _ok("queries", said)


def _of_agora(settings: Settings, store: Store | None) -> Iterator[Check]:
    for app in settings.apps.values():
        for url in settings.base_urls:
            yield _of_credentials(app, url, query_permit(settings, app, store))


def _of_credentials(app: AppProfile, url: str, permit: Callable[[], None]) -> Check:
    """Ask for a session that does not exist: that it is not found is the good answer."""
    credentials = Credentials(
        app_id=app.app_id, customer_id=app.customer_id, customer_secret=app.customer_secret
    )
    client = Client(credentials, base_urls=[url], retries=Retries(waits=()))
    where = f"{url}, app {app.name}"
    try:
        client.query(Mode.MIX, _NOBODY, _NOBODY, permit=permit)
    except ServiceError as error:
        if error.remedy in {Remedy.CREDENTIALS, Remedy.ACCOUNT}:
            remedy = "compare the App ID, customer ID and secret with Agora's console"
            return _fault("agora", f"{where}: {error}", remedy)
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.remedy is Remedy.SLOW_DOWN:
            return _fault("agora", f"{where}: {error}", "try again in a minute")
    except RecordingError as error:
        remedy = "see that this machine reaches it: DNS, firewall, proxy"
        return _fault("agora", f"{where}: {error}", remedy)
    finally:
        client.close()
    return _ok("agora", f"{where}: reached, and the credentials are accepted")


def query_permit(settings: Settings, app: AppProfile, store: Store | None) -> Callable[[], None]:
    """Take a slot of the quota for one query, where there is a database that keeps it."""

    def permit() -> None:
        if store is None:
            return
        pace = pace_of(settings, app.name)
        slot, late = 0.0, math.inf
        while late > pace.tolerance:  # the app's row was held, or the machine is too busy
            now = store.now().timestamp()
            with store.writing() as writing:
                quota = held(writing, settings, app.name).without(slot)
                slot, quota = reserve(quota, pace, Step.QUERY, now, now)
                keep(writing, settings, app.name, quota)
            time.sleep(max(0.0, slot - store.now().timestamp()))
            late = store.now().timestamp() - slot if pace.rate else 0.0

    return permit


def _ok(name: str, said: str) -> Check:
    return Check(name=name, is_well=True, said=said)


def _fault(name: str, said: str, remedy: str) -> Check:
    return Check(name=name, is_well=False, said=said, remedy=remedy)
