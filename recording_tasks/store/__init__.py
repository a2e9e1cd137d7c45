"""Recordings, their sessions and their timeline: durable, claimed by lease and epoch."""

from recording_tasks.store.audit import Audit
from recording_tasks.store.bygones import Bygones
from recording_tasks.store.database import Database, database_folder
from recording_tasks.store.seen import Seen
from recording_tasks.store.statements import ASKED_BY
from recording_tasks.store.store import Store, Work
from recording_tasks.store.writing import Crowd, Upcoming, Writing

__all__ = [
    "ASKED_BY",
    "Audit",
    "Bygones",
    "Crowd",
    "Database",
    "Seen",
    "Store",
    "Upcoming",
    "Work",
    "Writing",
    "database_folder",
]
