"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Text of fixed width on SQLite, written and read by the schema's SortableInstant.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")
JSON_ = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Create recordings, their sessions, their timeline, and the apps' quotas."""
    op.create_table(
        "apps",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quota", JSON_, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "recordings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=True),
        sa.Column("start_at", INSTANT, nullable=False),
        sa.Column("stop_at", INSTANT, nullable=True),
        sa.Column("storage", sa.Text(), nullable=False),
        sa.Column("request", JSON_, nullable=False),
        sa.Column("on_early_exit", sa.Text(), nullable=False),
        sa.Column("notify", JSON_, nullable=False),
        sa.Column("labels", JSON_, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("update", JSON_, nullable=True),
        sa.Column("update_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("layout", JSON_, nullable=True),
        sa.Column("layout_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("session_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("has_recorded", sa.Boolean(), nullable=False),
        sa.Column("failed_in_a_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("is_called_off", sa.Boolean(), nullable=False),
        sa.Column("notified_at", INSTANT, nullable=True),
        sa.Column("is_notice_due", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index(
        "recordings_notice",
        "recordings",
        ["id"],
        postgresql_where=sa.text("is_notice_due"),
        sqlite_where=sa.text("is_notice_due"),
    )
    op.create_index("recordings_created", "recordings", ["created_at"])
    op.create_index("recordings_state", "recordings", ["state", "start_at"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("start_at", INSTANT, nullable=False),
        sa.Column("stop_at", INSTANT, nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("claimed", sa.Text(), nullable=True),
        sa.Column("slot_at", INSTANT, nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("is_sending", sa.Boolean(), nullable=False),
        sa.Column("is_probe", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("acquired_at", INSTANT, nullable=True),
        sa.Column("start_sent_at", INSTANT, nullable=True),
        sa.Column("sid", sa.Text(), nullable=True),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("confirmed_at", INSTANT, nullable=True),
        sa.Column("queried_at", INSTANT, nullable=True),
        sa.Column("suspected_at", INSTANT, nullable=True),
        sa.Column("stop_reached", sa.Boolean(), nullable=False),
        sa.Column("is_given_up", sa.Boolean(), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("controllable_until", INSTANT, nullable=True),
        sa.Column("gone_by", INSTANT, nullable=True),
        sa.Column("update_version", sa.Integer(), nullable=False),
        sa.Column("layout_version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("files", JSON_, nullable=False),
        sa.Column("upload_status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "sessions_channel",
        "sessions",
        ["app", "channel"],
        postgresql_where=sa.text("is_open"),
        sqlite_where=sa.text("is_open"),
    )
    op.create_index(
        "sessions_due",
        "sessions",
        ["app", "lane", "due_at"],
        postgresql_where=sa.text("is_open"),
        sqlite_where=sa.text("is_open"),
    )
    op.create_index("sessions_recording", "sessions", ["recording_id"])
    op.create_index("sessions_sid", "sessions", ["sid"])
    op.create_index(
        "sessions_stop",
        "sessions",
        ["app", "stop_at"],
        postgresql_where=sa.text("is_open"),
        sqlite_where=sa.text("is_open"),
    )
    op.create_table(
        "timeline",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("session_number", sa.Integer(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("facts", JSON_, nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("timeline_recording", "timeline", ["recording_id", "id"])
