"""A recording as one durable DBOS workflow: steps with retries for the calls, durable sleeps."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from dbos import DBOS, DBOSConfig
from requests.adapters import HTTPAdapter

BASE_URL = os.environ["PEER_AGORA_URL"] + "/v1/apps/bench/cloud_recording"
TIMEOUT_SECONDS = 30
RECORD_QUEUE, CALL_QUEUE = "recordings", "agora_calls"
POLL_SECONDS = float(os.environ.get("PEER_POLL_SECONDS", "1.0"))  # DBOS's default
CALLS_PER_SECOND = int(os.environ.get("PEER_CALLS_PER_SECOND", "0"))

config: DBOSConfig = {
    "name": "peer-dbos",
    "system_database_url": os.environ["PEER_DATABASE_URL"],
    "executor_id": os.environ.get("PEER_EXECUTOR", "local"),
    "application_version": "1",
    "log_level": "WARNING",
}
DBOS(config=config)

agora = requests.Session()
agora.auth = ("customer", "secret")
agora.mount("http://", HTTPAdapter(pool_maxsize=64))

retried = DBOS.step(retries_allowed=True, interval_seconds=1.0, max_attempts=20, backoff_rate=2.0)


def call(verb: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call Agora once; anything but a 2xx raises, so that the step is tried again."""
    answer = agora.request(verb, BASE_URL + path, json=body, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    reply: dict[str, Any] = answer.json()
    return reply


def request_body(recording: dict[str, Any], **client_request: Any) -> dict[str, Any]:
    names = {"cname": recording["cname"], "uid": recording["uid"]}
    return names | {"clientRequest": client_request}


@retried
def acquire(recording: dict[str, Any]) -> str:
    reply = call("POST", "/acquire", request_body(recording, resourceExpiredHour=24))
    return str(reply["resourceId"])


@retried
def start(recording: dict[str, Any], resource_id: str) -> str:
    config = {"channelType": 1, "streamTypes": 2, "maxIdleTime": 300}
    storage = {"vendor": 1, "region": 0, "bucket": "b", "accessKey": "k", "secretKey": "s"}
    body = request_body(recording, recordingConfig=config, storageConfig=storage)
    return str(call("POST", f"/resourceid/{resource_id}/mode/mix/start", body)["sid"])


@retried
def query(resource_id: str, sid: str) -> int:
    reply = call("GET", f"/resourceid/{resource_id}/sid/{sid}/mode/mix/query")
    return int(reply["serverResponse"]["status"])


@retried
def stop(recording: dict[str, Any], resource_id: str, sid: str) -> str:
    path = f"/resourceid/{resource_id}/sid/{sid}/mode/mix/stop"
    reply = call("POST", path, request_body(recording, async_stop=True))
    return str(reply["serverResponse"]["uploadingStatus"])


@DBOS.step()
def now() -> float:
    """Read the clock once, durably: a workflow must be deterministic."""
    return time.time()


STEPS: dict[str, Callable[..., Any]] = {
    "acquire": acquire,
    "start": start,
    "query": query,
    "stop": stop,
}


@DBOS.workflow(name="limited_call")
def limited_call(step: str, *args: Any) -> Any:
    return STEPS[step](*args)


def run(step: str, *args: Any) -> Any:
    """Run a step here, or, where calls are limited, as a child on the limited queue."""
    if not CALLS_PER_SECOND:
        return STEPS[step](*args)
    child = DBOS.enqueue_workflow(CALL_QUEUE, limited_call, step, *args)
    return child.get_result(polling_interval_sec=POLL_SECONDS)


@DBOS.workflow(name="record")
def record(recording: dict[str, Any]) -> str:
    if recording["start_at"] is not None:
        DBOS.sleep(recording["start_at"] - now())
    resource_id = run("acquire", recording)
    sid = run("start", recording, resource_id)
    if recording["query_after_seconds"]:
        DBOS.sleep(recording["query_after_seconds"])
    run("query", resource_id, sid)
    if recording["stop_at"] is not None:
        DBOS.sleep(recording["stop_at"] - now())
    return str(run("stop", recording, resource_id, sid))


def main() -> None:
    """Serve both queues until the process is ended."""
    DBOS.launch()
    concurrency = int(os.environ.get("PEER_CONCURRENCY", "0")) or None
    DBOS.register_queue(
        RECORD_QUEUE, worker_concurrency=concurrency, polling_interval_sec=POLL_SECONDS
    )
    if CALLS_PER_SECOND:
        DBOS.register_queue(
            CALL_QUEUE,
            limiter={"limit": CALLS_PER_SECOND, "period": 1.0},
            polling_interval_sec=POLL_SECONDS,
        )
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
