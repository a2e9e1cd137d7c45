"""Recordings, their sessions and their timeline: durable, claimed by lease and epoch."""

from recording_tasks.store.audit import Audit
from recording_tasks.store.database import Database, database_folder
from recording_tasks.store.seen import Seen
from recording_tasks.store.store import Crowd, Store, Upcoming, Writing

__all__ = ["Audit", "Crowd", "Database", "Seen", "Store", "Upcoming", "Writing", "database_folder"]
