"""Agora's four methods as Celery tasks that hand each other their ids, with ETAs for the waits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import requests
from celery import Celery, Task

BASE_URL = os.environ["PEER_AGORA_URL"] + "/v1/apps/bench/cloud_recording"
CREDENTIALS = ("customer", "secret")
TIMEOUT_SECONDS = 30

app = Celery("peer_chain", broker=os.environ["PEER_BROKER_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 24 * 3600},  # longer than the longest ETA
)
if "PEER_RATES" in os.environ:  # "acquire=3/s,start=3/s,…": Celery's own limit, per worker
    app.conf.task_annotations = {
        f"peer_chain.{name}": {"rate_limit": rate}
        for name, rate in (pair.split("=") for pair in os.environ["PEER_RATES"].split(","))
    }

_local = threading.local()


def agora_task(name: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a task that is tried again, a little later, after any error or refusal."""
    decorate: Callable[[Callable[..., Any]], Any] = app.task(
        name=f"peer_chain.{name}",
        autoretry_for=(requests.RequestException,),
        retry_backoff=True,
        retry_backoff_max=60,
        retry_jitter=True,
        max_retries=20,
    )
    return decorate


def call(verb: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call Agora once; anything but a 2xx raises, so that the task is tried again."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.auth = CREDENTIALS
    answer = _local.session.request(verb, BASE_URL + path, json=body, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    reply: dict[str, Any] = answer.json()
    return reply


def session_path(recording: dict[str, Any], method: str) -> str:
    return f"/resourceid/{recording['resource_id']}/sid/{recording['sid']}/mode/mix/{method}"


def request_body(recording: dict[str, Any], **client_request: Any) -> dict[str, Any]:
    names = {"cname": recording["cname"], "uid": recording["uid"]}
    return names | {"clientRequest": client_request}


@agora_task("acquire")
def acquire(recording: dict[str, Any]) -> dict[str, Any]:
    reply = call("POST", "/acquire", request_body(recording, resourceExpiredHour=24))
    return recording | {"resource_id": reply["resourceId"]}


@agora_task("start")
def start(recording: dict[str, Any]) -> None:
    path = f"/resourceid/{recording['resource_id']}/mode/mix/start"
    config = {"channelType": 1, "streamTypes": 2, "maxIdleTime": 300}
    storage = {"vendor": 1, "region": 0, "bucket": "b", "accessKey": "k", "secretKey": "s"}
    reply = call(
        "POST", path, request_body(recording, recordingConfig=config, storageConfig=storage)
    )
    wait = recording["query_after_seconds"]
    send_later(query, recording | {"sid": reply["sid"]}, time.time() + wait if wait else None)


@agora_task("query")
def query(recording: dict[str, Any]) -> None:
    call("GET", session_path(recording, "query"))
    send_later(stop, recording, recording["stop_at"])


@agora_task("stop")
def stop(recording: dict[str, Any]) -> None:
    call("POST", session_path(recording, "stop"), request_body(recording, async_stop=True))


def send_later(task: Task, recording: dict[str, Any], due: float | None) -> None:
    """Send a task for an instant (Unix seconds), or at once."""
    task.apply_async((recording,), eta=None if due is None else datetime.fromtimestamp(due, UTC))
