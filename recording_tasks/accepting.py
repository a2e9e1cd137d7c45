"""How another program accepts a recording by itself, straight into the store."""

from __future__ import annotations

import os
import threading
from typing import Any

from recording_tasks.errors import ConfigurationError
from recording_tasks.recorder import Recorder
from recording_tasks.settings import read_settings
from recording_tasks.store import Database, Store

_lock = threading.Lock()
_recorders: dict[str, Recorder] = {}


def accept(channel: str, **arguments: Any) -> str:
    """Accept a recording and give its id, with no broker between.

    It waits seconds at most, also where the database is away.  The next sweep, a second later,
    finds what was accepted, also after an outage of the broker.  Arguments are those of the task
    `recording_tasks.record`; with a `key`, calling again is safe whatever happened.

    Raises:
        ConfigurationError: Lists every fault of the environment.
        InvalidInputError: Lists every fault of the arguments; nothing was stored.
        StoreUnavailableError: Nothing was stored, or its commit got no answer: call again.
    """
    wish = {"channel": channel, **arguments}
    return _recorder().record(wish, at_once=False).recording_id


def _recorder() -> Recorder:
    """Give this process's recorder; it is made at its first use."""
    with _lock:
        if "it" not in _recorders:
            settings = read_settings(os.environ)
            if not settings.apps:
                raise ConfigurationError(
                    ["AGORA_APP_ID, AGORA_CUSTOMER_ID, AGORA_CUSTOMER_SECRET: not set"]
                )
            database = Database(settings.database_url, pool_size=4)
            if database.is_sqlite:
                database.migrate()
            _recorders["it"] = Recorder(Store(database), settings)
        return _recorders["it"]
