"""The statements that this process sends to its database, as SQLAlchemy hands them over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa


@contextmanager
def statements_sent() -> Iterator[list[str]]:
    """Collect what is asked of the database meanwhile."""
    sent: list[str] = []

    def listen(_1: Any, _2: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)
