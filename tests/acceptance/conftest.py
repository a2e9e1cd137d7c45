"""Deployments for acceptance tests: which broker, which database, which processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from deployment import Deployment
from neighbours import RedisServer, new_database, new_vhost

from recording_tasks.simulator import running

Deploy = Callable[..., Deployment]


@pytest.fixture(scope="session")
def vhost() -> Iterator[str]:
    """One RabbitMQ virtual host for the tests that need no fresh one."""
    with new_vhost() as url:
        yield url


def deployed(
    stack: ExitStack,
    folder: Path,
    *,
    broker: str = "redis",
    database: str = "postgresql",
    simulator: dict[str, Any] | None = None,
    **environ: str,
) -> Deployment:
    """Bring up servers, and a deployment without processes, until the stack is closed."""
    settings = {"requests_per_second": 1000, "join_seconds": 0.1, **(simulator or {})}
    remote = stack.enter_context(running(**settings))
    if broker == "redis":
        broker = stack.enter_context(RedisServer(folder)).url
    elif broker == "rabbitmq":
        broker = stack.enter_context(new_vhost())
    if database == "postgresql":
        database = stack.enter_context(new_database())
    elif database == "sqlite":
        database = f"sqlite:///{folder}/recordings.db"
    environ = {"RECORDING_API_RATE": "500", **environ}
    made = Deployment(folder, broker=broker, database=database, simulator=remote, **environ)
    return stack.enter_context(made)


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    """Bring up deployments of a test's own; see `deployed` for the arguments."""
    with ExitStack() as stack:
        yield lambda **wanted: deployed(stack, tmp_path, **wanted)


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One deployment over Redis and PostgreSQL, with a worker and a beat, that no test harms."""
    with ExitStack() as stack:
        made = deployed(
            stack,
            tmp_path_factory.mktemp("standing"),
            RECORDING_QUERY_SECONDS="1",
        )
        made.up("-E")
        yield made
