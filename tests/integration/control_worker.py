"""A worker as others would write it, with what we put into kombu or without."""

import os
import time

from celery import Celery

from recording_tasks.broker import guard, thrift

if os.environ["GUARD"] == "yes":
    guard.install()
    thrift.install()

app = Celery("control", broker=os.environ["CONTROL_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue=os.environ["CONTROL_QUEUE"],
    worker_pool=os.environ.get("POOL", "threads"),
    worker_concurrency=2,
    worker_prefetch_multiplier=4,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_timeout": 5, "visibility_timeout": 60},
)


@app.task(name="control.hold")
def hold(seconds: float) -> None:
    """Run for so long."""
    time.sleep(seconds)
    print(f"held {seconds}", flush=True)


@app.task(name="control.pass_on")
def pass_on(times: int) -> None:
    """Send itself again, so many times."""
    if times:
        pass_on.delay(times - 1)
    print(f"passed on by {os.getpid()}, {times} to go", flush=True)
