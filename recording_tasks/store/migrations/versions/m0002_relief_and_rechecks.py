"""Columns for late starts, for sessions that relieve one another, and for what is asked again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    """Add what a worker of the version before may leave empty."""
    op.add_column("recordings", sa.Column("start_within", sa.Float(), nullable=True))
    op.add_column("sessions", sa.Column("start_by", INSTANT, nullable=True))
    op.add_column("sessions", sa.Column("ends_at", INSTANT, nullable=True))
    op.add_column("sessions", sa.Column("recheck_at", INSTANT, nullable=True))
    op.create_index(
        "sessions_recheck",
        "sessions",
        ["recheck_at"],
        postgresql_where=sa.text("recheck_at IS NOT NULL"),
        sqlite_where=sa.text("recheck_at IS NOT NULL"),
    )
