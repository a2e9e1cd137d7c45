"""How recordings that are long over are removed, a few at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from recording_tasks.recorder.archive import Archive
from recording_tasks.recorder.context import Context
from recording_tasks.store import Bygones
from recording_tasks.store.bygones import Document

log = logging.getLogger(__name__)

_AT_ONCE = 100  # in one transaction: what else wants to write waits for milliseconds
_MOST_BATCHES = 100
_PAUSE_SECONDS = 0.1
_RUN = timedelta(seconds=20)  # well below the time after which a broker hands a message over again


class Purger:
    """Removes what nobody will ask about any more, as far as the settings say so."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._bygones = Bygones(context.store.database)
        folder = context.settings.archive_folder
        self._archive = Archive(Path(folder)) if folder else None

    def run(self) -> int:
        """Remove some of it; the next run removes more. Safe to repeat, and for several at once.

        Returns:
            How many recordings were removed.

        Raises:
            OSError: They could not be archived, and stay.
        """
        keep = self._context.settings.keep
        if keep is None:
            return 0
        began = now = self._context.store.now()
        count = 0
        for _ in range(_MOST_BATCHES):
            archive = None if self._archive is None else self._append
            removed = self._bygones.remove(now - keep, _AT_ONCE, archive)
            count += removed
            now = self._context.store.now()
            if removed < _AT_ONCE or now - began > _RUN:
                break
            self._context.sleep(_PAUSE_SECONDS)  # a sweep comes first
        if count:
            log.info("purge.removed recordings=%d is_archived=%s", count, self._archive is not None)
        return count

    def count(self) -> int:
        """Count what is over for longer than it is kept."""
        keep = self._context.settings.keep
        return 0 if keep is None else self._bygones.count(self._context.store.now() - keep)

    def _append(self, documents: Sequence[Document]) -> None:
        assert self._archive is not None  # noqa: S101 - handed out only where there is one
        self._archive.append(self._context.store.now().date(), documents)
