"""A service that stops each recording without a stop time as soon as it is seen to record."""

from __future__ import annotations

import os
import time

import psycopg
from celery import Celery

POLL_SECONDS = 0.1


def main() -> None:
    """Watch the store as another service would, and ask for stops by a plain Celery client."""
    client = Celery("stopper", broker=os.environ["CELERY_BROKER_URL"], set_as_current=False)
    seen: set[str] = set()
    with psycopg.connect(os.environ["RECORDING_DATABASE_URL"], autocommit=True) as connection:
        print("watching", flush=True)
        while True:
            rows = connection.execute(
                "SELECT s.recording_id FROM sessions s JOIN recordings r ON r.id = s.recording_id"
                " WHERE s.state = 'recording' AND r.stop_at IS NULL"
            ).fetchall()
            for (recording_id,) in rows:
                if recording_id not in seen:
                    seen.add(recording_id)
                    client.send_task("recording_tasks.stop", (recording_id,))
            time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
