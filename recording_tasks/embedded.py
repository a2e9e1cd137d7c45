"""The embedded mode: worker and beat as threads of one process, with no server to install."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, MutableMapping
from types import FrameType
from typing import Any, Self

_POLL_SECONDS = 0.02  # how long the broker in memory sleeps when it is empty
_LOOK_SECONDS = 0.2  # how often signals and the parts are looked after
_HARD_EXIT = 128
_WAKE = "recording_tasks.embedded.wake"


def prepare(environ: MutableMapping[str, str], *, database_url: str, threads: int) -> None:
    """Tell Celery's configuration that it is embedded; to be called before it is first read."""
    environ["CELERY_BROKER_URL"] = "memory://localhost"  # kombu warns of a missing host
    environ["RECORDING_EMBEDDED"] = "1"
    environ["RECORDING_DATABASE_URL"] = database_url
    environ["RECORDING_WORKER_THREADS"] = str(threads)


def run(*, on_up: Callable[[], None] = lambda: None) -> int:
    """Work in the foreground until SIGTERM or SIGINT; `prepare` comes first.

    The first signal lets calls under way finish; a second one ends the process at once, which
    loses nothing: what is due stands in the database.

    Returns:
        The exit code: 1 when a part died by itself.
    """
    with _Signals() as signals:
        app = _application()
        worker, beat = _Worker(app, on_up), _Beat(app)
        for part in (worker, beat):
            part.start()
        while not signals.are_heard and worker.is_alive() and beat.is_alive():
            time.sleep(_LOOK_SECONDS)
        beat.stop()
        worker.stop()
        return os.EX_OK if signals.are_heard else 1


def _application() -> Any:
    # What these read from the environment was set by `prepare`, so they are imported after it.
    from recording_tasks import monitoring  # noqa: PLC0415
    from recording_tasks.app import app, recorder  # noqa: PLC0415

    monitoring.set_up(os.environ, role="embedded")
    app.conf.update(
        broker_transport_options={"polling_interval": _POLL_SECONDS},
        worker_timer_precision=_POLL_SECONDS,  # an earlier ETA is not slept over
        worker_enable_remote_control=False,  # memory:// carries none
    )
    app.task(_nothing, name=_WAKE)
    app.set_current()
    recorder()  # brings SQLite's tables up to date before anything needs them
    return app


def _nothing() -> None:
    pass


class _Worker(threading.Thread):
    """A Celery worker without its command line: signals and logging are the process's own."""

    def __init__(self, app: Any, on_up: Callable[[], None]) -> None:
        super().__init__(name="worker", daemon=True)
        self._app = app
        self._controller = app.WorkController(
            pool="threads",
            concurrency=app.conf.worker_concurrency,
            without_gossip=True,
            without_heartbeat=True,
            without_mingle=True,
            ready_callback=lambda _consumer: on_up(),
        )

    def run(self) -> None:
        """Work until `stop`."""
        self._controller.start()

    def stop(self) -> None:
        """Let calls under way finish, and end."""
        from celery.worker import state  # noqa: PLC0415 - slow to import

        state.should_stop = os.EX_OK
        while self.is_alive():
            self._app.send_task(_WAKE)  # it looks only between two messages
            self.join(_LOOK_SECONDS)


class _Beat(threading.Thread):
    """A beat that keeps its schedule in memory: every tick only asks what is due."""

    def __init__(self, app: Any) -> None:
        super().__init__(name="beat", daemon=True)
        self._app, self._stopping = app, threading.Event()

    def run(self) -> None:
        """Tick until `stop`."""
        from celery.beat import Scheduler  # noqa: PLC0415 - slow to import

        scheduler = Scheduler(app=self._app, max_interval=self._app.conf.beat_max_loop_interval)
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = scheduler.tick()

    def stop(self) -> None:
        """Tick no more."""
        self._stopping.set()
        self.join()


class _Signals:
    """Notes the first SIGTERM or SIGINT, and ends the process at the second."""

    def __init__(self) -> None:
        self.are_heard = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._heed)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heed(self, number: int, _frame: FrameType | None) -> None:
        if self.are_heard:
            os._exit(_HARD_EXIT + number)
        self.are_heard = True
