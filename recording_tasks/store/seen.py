"""What was read and is held by nobody: it may be changed by others before we write."""

from __future__ import annotations

from dataclasses import dataclass

from recording_tasks.models import Recording, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which version of two rows was read; every write of a row gives it another mark.

    They are PostgreSQL's `xmin`, the transaction that wrote the row: no writer can forget it,
    be it another version of this program or a person at a prompt.
    """

    recording: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A recording and one of its sessions, as they stood together at one moment.

    Attributes:
        mark: None where the database has none (SQLite): then the two themselves are compared.
    """

    recording: Recording
    session: Session
    mark: Mark | None = None
