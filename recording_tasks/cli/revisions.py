"""Which version the tables of a database have, and which one this program needs."""

from __future__ import annotations

from importlib import resources

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from recording_tasks.store import Database


def revisions(database: Database) -> tuple[str | None, str | None]:
    """Name the database's revision, None before the first, and our newest one; they sort by age.

    Raises:
        StoreUnavailableError: The database is away.
    """
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    config = Config()
    with resources.as_file(resources.files("recording_tasks.store") / "migrations") as folder:
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        newest = ScriptDirectory.from_config(config).get_current_head()
    return found, newest
