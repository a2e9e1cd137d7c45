"""A statement as PostgreSQL's driver takes it: compiled once, and sent by the driver alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.compiler import SQLCompiler

_Dialect: Any = PGDialect_psycopg  # untyped
_DIALECT: sa.Dialect = _Dialect(paramstyle="numeric_dollar")  # as the server itself spells them


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A compiled statement.

    Attributes:
        names: The parameters, in the order of their numbers.
        fixed: Values that the statement itself brings.
    """

    text: str
    names: tuple[str, ...]
    fixed: Mapping[str, Any]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Put the values in their order, the way the driver wants them."""
        given = {**self.fixed, **values}
        return [
            Jsonb(value) if isinstance(value := given[name], dict | list) else value
            for name in self.names
        ]


@cache
def prepared(statement: sa.ClauseElement) -> Prepared:
    """Compile a statement, once for each: building one costs more than running it."""
    compiled = cast("SQLCompiler", statement.compile(dialect=_DIALECT))
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    return Prepared(text=str(compiled), names=tuple(compiled.positiontup or ()), fixed=fixed)
