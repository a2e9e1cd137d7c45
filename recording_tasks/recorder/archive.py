"""The files that recordings are written to before they are removed: JSON lines, one file a day."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from io import BufferedRandom
from pathlib import Path
from typing import Any

_BACK = 65536


class Archive:
    """A folder of files that only grow; several processes may append to one.

    A line that is there twice was written before a crash that came before its removal: the last
    one is as good as the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, day: date, documents: Iterable[Mapping[str, Any]]) -> None:
        """Write documents, one a line; when this returns, they outlive a power cut.

        Raises:
            OSError: The folder cannot be written, or is full.
        """
        text = "".join(_line(document) for document in documents)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"recordings-{day.isoformat()}.jsonl"
        with open(path, "a+b", opener=_for_us_alone) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            is_new = _without_torn_line(file) == 0
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _keep_names(self._folder)


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, default=_instant, ensure_ascii=False) + "\n"


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no JSON for a {type(value).__name__}")


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _without_torn_line(file: BufferedRandom) -> int:
    """Cut off what a crash left of a line, and tell the size: nothing of it was removed yet."""
    end = size = file.seek(0, os.SEEK_END)
    while end > 0:
        begin = max(0, end - _BACK)
        file.seek(begin)
        newline = file.read(end - begin).rfind(b"\n")
        if newline >= 0:
            end = begin + newline + 1
            break
        end = begin
    if end < size:
        file.truncate(end)
    return end


def _keep_names(folder: Path) -> None:
    """Let a new file's name outlive a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
