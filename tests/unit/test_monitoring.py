"""What Sentry is told: never a secret, whatever shape it comes in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import sentry_sdk

from recording_tasks.monitoring import scrubbed, set_up

CANARY = "Canary7canary"


@pytest.mark.parametrize(
    "value",
    [
        {"customer_secret": CANARY},
        {"AGORA_CUSTOMER_SECRET": CANARY},
        {"accessKey": CANARY, "stsToken": CANARY, "salt": CANARY},
        {"storageConfig": {"secretKey": CANARY}},
        {"token": {"value": CANARY}},
        {"secrets": [CANARY, {"a": CANARY}]},
        {"headers": {"Authorization": f"Basic {CANARY}"}},
        {"headers": [["Authorization", f"Basic {CANARY}"]]},
        {"password": (CANARY,)},
        f"sent with Basic {CANARY}",
        f"bearer {CANARY} was refused",
        f"postgresql://user:{CANARY}@host/base is away",
        f"postgresql://user:p@{CANARY}@host/base is away",
        f"redis://:{CANARY}@host:6379/0",
        f"amqps://{CANARY}@host//",
        f"GET https://host/path?token={CANARY}",
        f"{{'secretKey': '{CANARY}', 'bucket': 'b'}}",
        f'{{"accessKey":"{CANARY}"}}',
        f"AGORA_CUSTOMER_SECRET={CANARY} celery worker",
        f"password: {CANARY}",
        "007" + CANARY * 8,
        {"SENTRY_DSN": f"https://{CANARY}@sentry.example/1"},
        CANARY.encode(),
    ],
)
def test_no_secret_passes(value: Any) -> None:
    """By its name, by its shape, or by what stands before it."""
    assert CANARY not in str(scrubbed(value))


@pytest.mark.parametrize(
    "value",
    [
        {"event": "recording.started", "sid": "0123456789abcdef0123456789abcdef"},
        {"recording_id": "019a8b7c6d5e4f3a2b1c0d9e"},
        {"event_id": "f" * 32, "trace_id": "e" * 32, "task_id": "x" * 60},
        {"count": 3, "is_new": True, "nothing": None, "ratio": 0.5},
        "stop: HTTP 404, code 404: failed to find worker",
        ["a", ["b", {"c": "d"}]],
    ],
)
def test_what_helps_passes(value: Any) -> None:
    """Ids, numbers and sentences are what a person needs."""
    assert scrubbed(value) == value


def test_without_a_dsn_nobody_is_told() -> None:
    """Monitoring is off unless it was asked for."""
    assert not set_up({}, role="worker")
    assert not set_up({"SENTRY_DSN": " "}, role="worker")


class Sentry(BaseHTTPRequestHandler):
    """Keeps every envelope that it is sent."""

    received: list[bytes]

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.received.append(self.rfile.read(size))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def fail(secret_key: str) -> None:
    raise RuntimeError(f"password={secret_key}")


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """A Sentry of our own: its DSN, and what it was told."""
    envelopes: list[bytes] = []
    handler = type("Handler", (Sentry,), {"received": envelopes})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://public@127.0.0.1:{server.server_port}/1", envelopes
        server.shutdown()
        thread.join()
    sentry_sdk.get_global_scope().set_client(None)


def test_an_error_reaches_sentry_without_its_secrets(
    received: tuple[str, list[bytes]],
) -> None:
    """A whole event over the wire: message, breadcrumbs, extras and local variables."""
    dsn, envelopes = received
    assert set_up({"SENTRY_DSN": dsn}, role="worker")

    sentry_sdk.add_breadcrumb(message=f"redis://:{CANARY}@host", data={"secret": CANARY})
    try:
        fail(CANARY)
    except RuntimeError as error:
        sentry_sdk.capture_exception(error)
    sentry_sdk.flush(timeout=5)

    texts = [gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw for raw in envelopes]
    events = [text for text in texts if b"RuntimeError" in text]
    assert len(events) == 1
    assert CANARY.encode() not in b"".join(texts)
    body = json.loads(events[0].splitlines()[-1])
    assert body["tags"]["role"] == "worker"
