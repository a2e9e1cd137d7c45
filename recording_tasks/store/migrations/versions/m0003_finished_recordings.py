"""An index of what is over, and indexes of what goes on that are used and stay small."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a purge find the oldest, and let no index fill with what is long over."""
    op.create_index(
        "recordings_finished",
        "recordings",
        ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
        sqlite_where=sa.text("finished_at IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _spell_as_queries_do()
    else:
        _vacuum_early()


def _spell_as_queries_do() -> None:
    """Make the partial indexes again: SQLite uses one only for the very words of its condition."""
    for name, table, columns, condition in (
        ("sessions_channel", "sessions", ["app", "channel"], "is_open = 1"),
        ("sessions_due", "sessions", ["app", "lane", "due_at"], "is_open = 1"),
        ("sessions_stop", "sessions", ["app", "stop_at"], "is_open = 1"),
        ("recordings_notice", "recordings", ["id"], "is_notice_due = 1"),
    ):
        op.drop_index(name, table)
        op.create_index(name, table, columns, sqlite_where=sa.text(condition))


def _vacuum_early() -> None:
    """Have tables vacuumed by what changed, not by what they hold.

    By default a fifth of a table may be dead before anybody looks: of a million sessions that are
    over, 200 000 entries of an index that every sweep may have to pass by.
    """
    for table in ("recordings", "sessions"):
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01,"
            " autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02)"
        )
