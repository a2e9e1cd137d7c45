"""An index of what is over, and tables that are vacuumed by what changes, not by what they hold."""

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
    if op.get_bind().dialect.name != "postgresql":
        return
    # By default a fifth of a table may be dead before anybody looks: of a million sessions that
    # are over, 200 000 entries that every sweep would have to pass by.
    for table in ("recordings", "sessions"):
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01,"
            " autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02)"
        )
