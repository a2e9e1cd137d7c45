"""How Alembic runs our migrations: on the connection it is given, in its transaction."""

from alembic import context

from recording_tasks.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
