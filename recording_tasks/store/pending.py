"""Rows that a transaction is going to write, sent together at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from recording_tasks.store.schema import apps, recordings, sessions, timeline

_TABLES = {table.name: table for table in (apps, recordings, sessions, timeline)}

_TOGETHER = 16  # every number of them is a statement of its own, which is kept

Shape = tuple[str, bool, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One row to insert, or one to change.

    Attributes:
        key: The primary key of the row to change; None inserts.
    """

    table: sa.Table
    values: Mapping[str, Any]
    key: str | None = None

    @property
    def shape(self) -> Shape:
        """What its statement depends on: table, kind and columns, not the values."""
        return self.table.name, self.key is not None, tuple(self.values)


def send(connection: sa.Connection, writes: Sequence[Write]) -> None:
    """Send the writes: together in one statement to PostgreSQL, one by one to SQLite."""
    most = _TOGETHER if connection.dialect.name == "postgresql" else 1
    for first in range(0, len(writes), most):
        some = writes[first : first + most]
        connection.execute(_statement(tuple(write.shape for write in some)), parameters(some))


@cache
def _statement(shapes: tuple[Shape, ...]) -> sa.Insert | sa.Update:
    """Build the statement for writes of these shapes: the last one, the others as its CTEs."""
    built = [single(number, shape) for number, shape in enumerate(shapes)]
    others = [one.cte(f"write_{number}") for number, one in enumerate(built[:-1])]
    return built[-1].add_cte(*others) if others else built[-1]


def single(number: int, shape: Shape, gate: sa.CTE | None = None) -> sa.Insert | sa.Update:
    """Build one write of a statement; with a gate, it happens only if the gate gives a row."""
    table_name, is_change, columns = shape
    table = _TABLES[table_name]
    values = {name: sa.bindparam(f"w{number}_{name}", type_=table.c[name].type) for name in columns}
    if is_change:
        (key,) = table.primary_key.columns
        update = sa.update(table).where(key == sa.bindparam(f"w{number}__key")).values(values)
        return update if gate is None else update.where(sa.select(gate).exists())
    if gate is None:
        return sa.insert(table).values(values)
    return sa.insert(table).from_select(columns, sa.select(*values.values()).select_from(gate))


def parameters(writes: Sequence[Write]) -> dict[str, Any]:
    """Name the values of the writes as their statement does."""
    named: dict[str, Any] = {}
    for number, write in enumerate(writes):
        named |= {f"w{number}_{name}": value for name, value in write.values.items()}
        if write.key is not None:
            named[f"w{number}__key"] = write.key
    return named
