"""The peer of a user who picks durable workflows: DBOS on PostgreSQL."""
