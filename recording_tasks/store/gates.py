"""Writes that hang on a condition, in one statement: all of them happen, or none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from recording_tasks.store.driver import Prepared, prepared
from recording_tasks.store.pending import Shape, Write, single
from recording_tasks.store.schema import recordings, sessions
from recording_tasks.store.statements import recording_mark, session_mark

# The recording is locked before its session, as everywhere.  Who had to wait for a lock compares
# the marks of what the other has committed: PostgreSQL asks the condition again for a row that
# changed meanwhile.
_UNCHANGED = (
    sa.select(sessions.c.id)
    .join_from(recordings, sessions, sessions.c.recording_id == recordings.c.id)
    .where(
        sessions.c.id == sa.bindparam("seen_id"),
        recording_mark == sa.bindparam("seen_recording", type_=sa.Text()),
        session_mark == sa.bindparam("seen_session", type_=sa.Text()),
    )
    .with_for_update(of=[recordings, sessions])
    .cte("gate")
)
_MARK = sa.literal_column("pg_current_xact_id()::xid::text", sa.Text())


def unless_changed(writes: Sequence[Write]) -> Prepared:
    """Write what was decided on two rows, and give their new mark, if they are as they were seen.

    Its parameters are those of the writes, and `seen_id`, `seen_recording`, `seen_session`.
    """
    return _unless_changed(tuple(write.shape for write in writes))


def unless_known(recording: Write, writes: Sequence[Write]) -> Prepared:
    """Insert a recording and what belongs to it, and give its id, unless its key is taken."""
    return _unless_known((recording.shape, *(write.shape for write in writes)))


@cache
def _unless_changed(shapes: tuple[Shape, ...]) -> Prepared:
    behind = [single(number, shape, _UNCHANGED) for number, shape in enumerate(shapes)]
    ctes = [one.cte(f"write_{number}") for number, one in enumerate(behind)]
    return prepared(sa.select(_MARK).select_from(_UNCHANGED).add_cte(*ctes))


@cache
def _unless_known(shapes: tuple[Shape, ...]) -> Prepared:
    _, _, columns = shapes[0]
    values = {name: sa.bindparam(f"w0_{name}", type_=recordings.c[name].type) for name in columns}
    insert = postgresql.insert(recordings).values(values)
    inserted = insert.on_conflict_do_nothing(index_elements=["key"]).returning(recordings.c.id)
    gate = inserted.cte("gate")
    behind = [single(number, shape, gate) for number, shape in enumerate(shapes) if number]
    ctes = [one.cte(f"write_{number}") for number, one in enumerate(behind)]
    return prepared(sa.select(gate.c.id).add_cte(*ctes))
