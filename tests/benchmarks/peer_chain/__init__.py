"""The peer a Celery user would write in an afternoon: a chain with ETA tasks, no database."""
