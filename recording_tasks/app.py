"""The Celery application, its task class, and what a worker and a beat do when they begin."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from celery import Celery, Task
from celery.signals import beat_init, celeryd_init, worker_process_shutdown, worker_shutdown

from recording_tasks import monitoring
from recording_tasks.broker import guard, thrift
from recording_tasks.broker.returning import ReturningAMQP
from recording_tasks.errors import ConfigurationError, RecordingError
from recording_tasks.recorder import Recorder
from recording_tasks.recorder.readiness import worker_settings
from recording_tasks.settings import Settings, read_settings
from recording_tasks.store import Database, Store

log = logging.getLogger(__name__)


class RecordingTask(Task):
    """The policy of every task: late acks and JSON stand in the configuration, refusals here.

    An error that the caller made is no accident: it is logged as one line, without a traceback.
    """

    abstract = True
    throws = (RecordingError,)

    def on_failure(self, exc: BaseException, task_id: str, *_: Any) -> None:
        """Say what was refused, and why."""
        if isinstance(exc, RecordingError):
            log.error("task.refused task=%s id=%s why=%s", self.name, task_id, exc)


guard.install()
thrift.install()

app = Celery(
    "recording_tasks",
    task_cls=RecordingTask,
    amqp=ReturningAMQP,
    include=["recording_tasks.tasks"],
)
app.config_from_object(os.environ.get("CELERY_CONFIG_MODULE") or "celeryconfig")

_lock = threading.Lock()
_recorders: dict[str, Recorder] = {}


def settings_of(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: Lists every fault.
    """
    return read_settings(os.environ if environ is None else environ)


def recorder() -> Recorder:
    """Give this process's recorder; it is made at its first use."""
    with _lock:
        if "it" not in _recorders:
            settings = settings_of()
            database = Database(settings.database_url, pool_size=app.conf.worker_concurrency)
            if database.is_sqlite:
                database.migrate()
            _recorders["it"] = Recorder(Store(database), settings)
        return _recorders["it"]


def forget_recorder() -> None:
    """Close this process's recorder and its connections, if it was made."""
    with _lock:
        made = _recorders.pop("it", None)
    if made is not None:
        made.close()


def _refuse_to_start(faults: Sequence[str]) -> NoReturn:
    sys.stderr.write("recording_tasks cannot start:\n")
    sys.stderr.writelines(f"  {fault}\n" for fault in faults)
    raise SystemExit(os.EX_CONFIG)


@celeryd_init.connect
def _check_worker(**_: object) -> None:
    """Refuse to start with faulty settings, and say all of them at once."""
    try:
        worker_settings(os.environ)
    except ConfigurationError as error:
        _refuse_to_start(error.faults)
    if app.conf.broker_url == "memory://" and not os.environ.get("RECORDING_EMBEDDED"):
        log.warning("CELERY_BROKER_URL is not set: nobody can reach this worker")
    monitoring.set_up(os.environ, role="worker")


@beat_init.connect
def _check_beat(**_: object) -> None:
    monitoring.set_up(os.environ, role="beat")


@worker_shutdown.connect
@worker_process_shutdown.connect
def _close(**_: object) -> None:
    forget_recorder()
