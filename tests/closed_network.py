"""No test talks to anyone outside this machine: whoever tries meets a closed network, and fails."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

_RESOLVING = {"socket.getaddrinfo", "socket.gethostbyname"}
_SENDING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_SERVICES = ("TEST_POSTGRESQL_URL", "TEST_RABBITMQ_URL")

attempts: list[str] = []
_allowed: set[str] = {"", "localhost", socket.gethostname()}


class NetworkClosedError(OSError):
    """The code under test sees what it would see without a network."""


def _is_near(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if name in _allowed:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(host: object) -> None:
    if isinstance(host, str) and host.endswith(".invalid"):
        # No such name exists anywhere: a test may ask for one, and no resolver needs to know.
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    attempts.append(str(host))
    raise NetworkClosedError(f"tests have no network: {host!r}")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _RESOLVING:
        host = arguments[0]
    elif event in _SENDING:
        one, address = arguments
        if not isinstance(address, tuple) or one.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        host = address[0]
    else:
        return
    if not _is_near(host):
        _refuse(host)


def pytest_configure() -> None:
    for name in _SERVICES:
        host = urlsplit(os.environ.get(name, "")).hostname
        if host and not _is_near(host):
            found = socket.getaddrinfo(host, None)
            _allowed.update({host, *(str(address[0]) for *_, address in found)})
    sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def _nobody_outside() -> Iterator[None]:
    """Fail the test that tried to leave, even where the code under test took the refusal."""
    attempts.clear()
    yield
    assert not attempts, f"tried to reach {attempts}"
