"""The one file of a SQLite database: never another one in its place, nor a new one by its log.

A file that was moved away would be written to where nobody looks, and a connection made meanwhile
would begin an empty one in its place: SQLite then throws the log of the first one away.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event

_IDENTITY = "recording_tasks.file"  # of a pooled connection: which file it has open


def guard(engine: sa.Engine) -> None:
    """Let an engine use the file that stands at its path, and make one only where none ever was."""
    file = _file(engine.url)
    if file is not None:
        guarded = _Guard(file)
        event.listen(engine, "do_connect", guarded.open)
        event.listen(engine, "checkout", guarded.check)


def _file(url: sa.URL) -> Path | None:
    path = url.database
    is_plain = path not in {None, "", ":memory:"} and "uri" not in url.query
    return Path(str(path)).absolute() if is_plain else None


class _Guard:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._was_there = False

    def open(
        self, _dialect: object, record: Any, arguments: list[Any], options: dict[str, Any]
    ) -> sqlite3.Connection:
        """Connect; only the first connection makes a file, and none where a log is left of one."""
        log = Path(f"{self._file}-wal")
        may_make = not self._was_there and not (log.exists() and log.stat().st_size)
        uri = f"file:{quote(str(self._file))}?mode={'rwc' if may_make else 'rw'}"
        connection: sqlite3.Connection = sqlite3.connect(uri, *arguments[1:], uri=True, **options)
        record.info[_IDENTITY] = self._identity()
        self._was_there = True
        return connection

    def check(self, _connection: object, record: Any, _proxy: object) -> None:
        """Refuse a connection whose file is not the one that stands at its path."""
        found = self._identity()
        if found is None or record.info.get(_IDENTITY) != found:
            raise sa.exc.DisconnectionError("the file was moved away, or replaced")

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._file)  # noqa: PTH116 - each use of a connection asks
        except OSError:
            return None
        return status.st_dev, status.st_ino
