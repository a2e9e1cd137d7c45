"""A channel keeps its client for as long as that is worth something, on a real Redis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from billiard import Process as CeleryProcess  # what Celery forks its workers with
from celery import Celery
from deployment import until
from kombu.connection import Connection
from kombu.entity import Queue
from neighbours import RedisServer
from redis.exceptions import ConnectionError as RedisConnectionError
from test_traps_redis import _control

from recording_tasks.broker import thrift


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def channel(redis: RedisServer) -> Iterator[Any]:
    """A channel as a worker has one."""
    thrift.install()
    with Connection(redis.url) as connection:
        yield connection.channel()


def own_client(channel: Any) -> Any:
    with channel.conn_or_acquire() as client:
        return client


def test_it_is_put_up_once() -> None:
    """However often the application is made."""
    thrift.install()
    from kombu.transport import redis as transport  # noqa: PLC0415

    thrifty = transport.Channel._create_client

    thrift.install()

    assert transport.Channel._create_client is thrifty


def test_every_channel_keeps_one_client_of_its_own(channel: Any) -> None:
    """Over its own pool; what it blocks on is another one."""
    other = channel.connection.client.channel()

    assert own_client(channel) is own_client(channel)
    assert own_client(channel) is not own_client(other)
    assert own_client(channel).connection_pool is channel.pool
    assert channel.client is not own_client(channel)


def test_messages_are_sent_taken_and_acknowledged_by_many_threads(
    channel: Any, redis: RedisServer
) -> None:
    """One client serves them all, each over a connection of its own."""
    queue = Queue("many")(channel)
    queue.declare()

    def exchange(number: int) -> int:
        channel.basic_publish(channel.prepare_message(str(number)), exchange="", routing_key="many")
        message = None
        while message is None:
            message = queue.get()
        message.ack()
        return int(message.body)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(exchange, range(80)))

    assert sorted(taken) == list(range(80))
    assert redis.client.hlen("unacked") == 0
    assert redis.client.llen("many") == 0


def test_a_lost_connection_is_mended_by_the_same_client(channel: Any, redis: RedisServer) -> None:
    """Redis dies and comes back: one error, and then it works."""
    assert own_client(channel).ping()
    redis.kill()
    with pytest.raises(RedisConnectionError):
        own_client(channel).ping()
    redis.start()

    assert own_client(channel).ping()


def test_a_client_goes_with_its_pool(channel: Any) -> None:
    """What the channel gave up is not used any more."""
    before = own_client(channel)

    channel._disconnect_pools()

    assert own_client(channel) is not before
    assert own_client(channel).connection_pool is channel.pool
    assert own_client(channel).ping()


@pytest.mark.parametrize("kind", [CeleryProcess, get_context("fork").Process])
def test_a_forked_process_speaks_over_no_connection_of_its_parent(
    channel: Any, kind: Callable[..., Any]
) -> None:
    """Redis sees another client; the parent goes on with its own."""
    mine = own_client(channel).client_id()
    reading, writing = os.pipe()

    def tell() -> None:
        os.write(writing, str(own_client(channel).client_id()).encode())

    child = kind(target=tell)
    child.start()
    child.join(20)
    its = int(os.read(reading, 20))
    os.close(reading)
    os.close(writing)

    assert its != mine
    assert own_client(channel).client_id() == mine


def test_prefork_workers_send_and_acknowledge_also_after_redis_was_away(
    tmp_path: Path, redis: RedisServer
) -> None:
    """The children publish, the parent acknowledges; nothing stays behind."""
    worker = _control(tmp_path, redis, "yes", "prefork", "prefork")
    try:
        worker.says(" ready.")
        client = Celery(broker=redis.url)
        for turn in (1, 2):
            client.send_task("control.pass_on", args=(20,), queue="prefork")
            worker.says(", 0 to go", times=turn)
            redis.kill()
            redis.start()
            client.send_task("control.hold", args=(0.25,), queue="prefork")
            worker.says("held 0.25", times=turn)
        until(lambda: redis.client.hlen("unacked") == 0, 10, "all is acknowledged")
    finally:
        worker.kill()
        client.close()
