"""The calls that tests of the client make, with secrets that are easy to find again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client_servers import RESOURCE, SID
from pydantic import SecretStr

from recording_tasks.client import Client, Credentials, Retries, Timeouts
from recording_tasks.errors import TransportError
from recording_tasks.models import Mode
from recording_tasks.wire import StorageConfig, acquire_body, start_body, stop_body

CREDENTIALS = Credentials(
    app_id="0123456789abcdef0123456789abcdef",
    customer_id="customer",
    customer_secret=SecretStr("hunter2-customer"),
)
STORAGE = StorageConfig.model_validate(
    {"vendor": 1, "region": 0, "bucket": "b", "access_key": "hunter2-a", "secret_key": "hunter2-s"}
)
NO_NAME = "https://no-such-host.invalid"
QUICK = Timeouts(connect=2.0, read=2.0, total=0.3, stop_total=0.3)


def client_of(*urls: str, **options: Any) -> Client:
    """A client that waits next to nothing between its tries."""
    options.setdefault("retries", Retries(scale=0.001))
    return Client(CREDENTIALS, base_urls=urls, **options)


def free() -> None:
    """A permit that is always there."""


def acquire(client: Client) -> Any:
    """Any acquire."""
    return client.acquire(acquire_body("room", "7", Mode.MIX, {}), permit=free)


def start(client: Client) -> Any:
    """Any start."""
    body = start_body("room", "7", Mode.MIX, {}, storage=STORAGE, token="hunter2-token")
    return client.start(Mode.MIX, RESOURCE, body, permit=free)


def query(client: Client) -> Any:
    """Any query."""
    return client.query(Mode.MIX, RESOURCE, SID, permit=free)


def stop(client: Client) -> Any:
    """Any stop."""
    body = stop_body("room", "7", async_stop=True)
    return client.stop(Mode.MIX, RESOURCE, SID, body, permit=free)


def failure_of(call: Callable[[Client], Any], client: Client) -> TransportError:
    """The error of a call that gets no answer."""
    with pytest.raises(TransportError) as error:
        call(client)
    return error.value
