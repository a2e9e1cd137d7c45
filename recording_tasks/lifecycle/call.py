"""One call to Agora, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from recording_tasks.errors import Remedy
from recording_tasks.models import Acquired, Observed, Started, Step, Stopped, Updated


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An answer that is not a success, or none at all.

    Attributes:
        remedy: What the documents say to do.
        reason: One line for people: method, HTTP status, code, text.
        may_have_run: Whether the request may have been carried out.
        was_reached: Whether Agora's backend said that it had the request (65, 62).
        is_coded: Whether it carries a code of the service, which had let us in to give it.
    """

    remedy: Remedy
    reason: str
    may_have_run: bool = False
    was_reached: bool = False
    is_coded: bool = False


Answer = Acquired | Started | Observed | Updated | Stopped | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to Agora and what came of it.

    Attributes:
        asked_at: When it was about to be made; its answer may be settled much later, where the
            database was away. None: just now.
        version: Of an update, which one was sent.
        left_at: When it left, by its slot in the quota; None where nothing was sent.
        token_lifetime: Of a start, how long the token that was sent is valid; None without one.
    """

    step: Step
    answer: Answer
    asked_at: datetime | None = None
    version: int = 0
    left_at: datetime | None = None
    token_lifetime: timedelta | None = None
