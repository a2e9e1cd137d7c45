"""The servers that any test may ask for, each empty and the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from neighbours import RedisServer, new_database, new_vhost


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """An empty PostgreSQL database."""
    with new_database() as url:
        yield url


@pytest.fixture(scope="module")
def rabbitmq_url() -> Iterator[str]:
    """A RabbitMQ virtual host, shared by a module: making one takes seconds."""
    with new_vhost() as url:
        yield url


@pytest.fixture
def private_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may kill, freeze and start again."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def redis_url(private_redis: RedisServer) -> str:
    """An empty Redis database."""
    return private_redis.url
