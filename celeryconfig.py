"""How Celery runs here: plain values from the environment, queues and routes, the beat schedule.

Celery finds this module by its name.  A deployment that wants other values writes a module that
begins with `from celeryconfig import *`, and names it in CELERY_CONFIG_MODULE.
"""

import os

from kombu.entity import Exchange, Queue

broker_url = os.environ.get("CELERY_BROKER_URL") or "memory://"
_transport = broker_url.partition(":")[0]

# JSON only: nothing that a message carries is executed, and ids are all it carries.
task_serializer = "json"
result_serializer = "json"
event_serializer = "json"
accept_content = ["json"]
timezone = "UTC"
enable_utc = True

# A message is gone only when its task has ended; a task may run twice and does no harm.
task_acks_late = True
task_reject_on_worker_lost = True
# The database remembers; a result backend is used only by a caller that asks for a result.
result_backend = os.environ.get("CELERY_RESULT_BACKEND") or None
task_ignore_result = True
result_expires = 3600

# Other services send to the queue that every plain Celery client uses when it is told nothing.
task_default_queue = "celery"
task_default_exchange = "celery"
task_default_routing_key = "celery"
_inside = Exchange("recording_tasks", type="direct", durable=True)
task_queues = (
    Queue("celery", Exchange("celery", type="direct"), routing_key="celery"),
    Queue("recording_tasks.sweep", _inside, routing_key="sweep"),
    Queue("recording_tasks.calls", _inside, routing_key="calls"),
)
_calls = {"queue": "recording_tasks.calls"}
task_routes = {
    "recording_tasks.sweep": {"queue": "recording_tasks.sweep"},
    "recording_tasks.reconcile": {"queue": "recording_tasks.sweep"},
    "recording_tasks.purge": {"queue": "recording_tasks.sweep"},
    "recording_tasks.acquire": _calls,
    "recording_tasks.start": _calls,
    "recording_tasks.query": _calls,
    "recording_tasks.update": _calls,
    "recording_tasks.update_layout": _calls,
    "recording_tasks.stop": _calls,
}

# The sweep asks what is due, so a lost or late tick costs nothing but its delay, and any number
# of beats may run.  It expires late: a worker whose clock is ahead must not find it expired.
beat_schedule = {
    "sweep": {
        "task": "recording_tasks.sweep",
        "schedule": 1.0,
        "options": {"expires": 10.0},
    },
    "reconcile": {
        "task": "recording_tasks.reconcile",
        "schedule": 60.0,
        "options": {"expires": 50.0},
    },
    "purge": {
        "task": "recording_tasks.purge",
        "schedule": 300.0,
        "options": {"expires": 240.0},
    },
}
beat_max_loop_interval = 1.0
beat_schedule_filename = os.environ.get("CELERY_BEAT_SCHEDULE_FILE") or "celerybeat-schedule"

# The work is waiting for HTTP: one process with threads serves it.
worker_pool = "threads"
worker_concurrency = int(os.environ.get("RECORDING_WORKER_THREADS") or 32)
worker_prefetch_multiplier = 1
worker_soft_shutdown_timeout = 15.0
worker_hijack_root_logger = False
worker_cancel_long_running_tasks_on_connection_loss = False
# Restoring it after a lost connection asks RabbitMQ something from a thread of the pool, against
# the worker's own reading: now and then both wait for ever, and the worker falls silent.
worker_enable_prefetch_count_reduction = False

broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_connection_timeout = 4.0
if _transport in {"redis", "rediss"}:
    broker_transport_options = {
        # A worker that was killed had its messages for so long; the sweep is quicker.
        "visibility_timeout": 60,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # A Redis that says nothing holds nobody for longer; a blocking read lasts one second.
        "socket_timeout": 5,
        "socket_connect_timeout": 4,
        "socket_keepalive": True,
        "health_check_interval": 15,
    }
elif _transport in {"amqp", "amqps", "pyamqp"}:
    broker_transport_options = {
        "confirm_publish": True,
        "read_timeout": 30,
        "write_timeout": 10,
    }
# Publishing never hangs its caller: three tries, about a second.
task_publish_retry = True
task_publish_retry_policy = {
    "max_retries": 3,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.4,
}
