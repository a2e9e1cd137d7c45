"""The tables: recordings, sessions, their timeline, and the quota of each app and account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine


class SortableInstant(TypeDecorator[datetime]):
    """An instant as text of fixed width, so that SQLite orders and compares it rightly."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Write UTC with microseconds."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read an aware instant."""
        return None if value is None else datetime.fromisoformat(value)


def _instant() -> TypeEngine[datetime]:
    return DateTime(timezone=True).with_variant(SortableInstant(), "sqlite")


def _json() -> TypeEngine[Any]:
    # none_as_null: a missing value is NULL in both databases, never the JSON word null
    return JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


metadata = MetaData()

apps = Table(
    "apps",
    metadata,
    Column("name", Text, primary_key=True),
    Column("quota", _json(), nullable=False),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, unique=True),
    Column("app", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("uid", Text),
    Column("start_at", _instant(), nullable=False),
    Column("stop_at", _instant()),
    Column("storage", Text, nullable=False),
    Column("request", _json(), nullable=False),
    Column("on_early_exit", Text, nullable=False),
    Column("notify", _json(), nullable=False),
    Column("labels", _json(), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("created_at", _instant(), nullable=False),
    Column("finished_at", _instant()),
    Column("update", _json()),
    Column("update_version", Integer, nullable=False, server_default="0"),
    Column("layout", _json()),
    Column("layout_version", Integer, nullable=False, server_default="0"),
    Column("session_count", Integer, nullable=False, server_default="0"),
    Column("has_recorded", Boolean, nullable=False),
    Column("failed_in_a_row", Integer, nullable=False, server_default="0"),
    Column("is_called_off", Boolean, nullable=False),
    Column("notified_at", _instant()),
    Column("start_within", Float),
    # Derived, so that an index holds only the ends that somebody is still to be told of.
    Column("is_notice_due", Boolean, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("recording_id", Text, ForeignKey("recordings.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("app", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("due_at", _instant(), nullable=False),
    Column("start_at", _instant(), nullable=False),
    Column("stop_at", _instant()),
    Column("epoch", Integer, nullable=False),
    Column("claimed", Text),
    Column("slot_at", _instant()),
    Column("lease_until", _instant()),
    Column("is_sending", Boolean, nullable=False),
    Column("is_probe", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("resource_id", Text),
    Column("acquired_at", _instant()),
    Column("start_sent_at", _instant()),
    Column("sid", Text),
    Column("started_at", _instant()),
    Column("confirmed_at", _instant()),
    Column("queried_at", _instant()),
    Column("suspected_at", _instant()),
    Column("stop_reached", Boolean, nullable=False),
    Column("is_given_up", Boolean, nullable=False),
    Column("ended_at", _instant()),
    Column("controllable_until", _instant()),
    Column("gone_by", _instant()),
    Column("update_version", Integer, nullable=False),
    Column("layout_version", Integer, nullable=False),
    Column("status", Integer),
    Column("files", _json(), nullable=False),
    Column("upload_status", Text),
    Column("reason", Text),
    Column("start_by", _instant()),
    Column("ends_at", _instant()),
    Column("recheck_at", _instant()),
    # Derived, so that the sweep's indexes hold only what is open, in the order of the lanes.
    Column("lane", SmallInteger, nullable=False),
    Column("is_open", Boolean, nullable=False),
)

timeline = Table(
    "timeline",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("recording_id", Text, ForeignKey("recordings.id"), nullable=False),
    Column("session_number", Integer),
    Column("at", _instant(), nullable=False),
    Column("event", Text, nullable=False),
    Column("facts", _json(), nullable=False),
)

_is_open = sessions.c.is_open
Index(
    "sessions_due",
    sessions.c.app,
    sessions.c.lane,
    sessions.c.due_at,
    postgresql_where=_is_open,
    sqlite_where=_is_open,
)
Index(
    "sessions_stop",
    sessions.c.app,
    sessions.c.stop_at,
    postgresql_where=_is_open,
    sqlite_where=_is_open,
)
Index(
    "sessions_channel",
    sessions.c.app,
    sessions.c.channel,
    postgresql_where=_is_open,
    sqlite_where=_is_open,
)
_is_doubted = sessions.c.recheck_at.is_not(None)
Index(
    "sessions_recheck",
    sessions.c.recheck_at,
    postgresql_where=_is_doubted,
    sqlite_where=_is_doubted,
)
Index("sessions_recording", sessions.c.recording_id)
Index("sessions_sid", sessions.c.sid)
Index("timeline_recording", timeline.c.recording_id, timeline.c.id)
_is_notice_due = recordings.c.is_notice_due
Index(
    "recordings_notice",
    recordings.c.id,
    postgresql_where=_is_notice_due,
    sqlite_where=_is_notice_due,
)
_is_finished = recordings.c.finished_at.is_not(None)
Index(
    "recordings_finished",
    recordings.c.finished_at,
    postgresql_where=_is_finished,
    sqlite_where=_is_finished,
)
Index("recordings_created", recordings.c.created_at)
Index("recordings_state", recordings.c.state, recordings.c.start_at)
