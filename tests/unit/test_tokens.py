"""Tokens as Agora's own builders make them, and other people's code that makes some."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from token_examples import (
    APP_ID,
    CERTIFICATE,
    CHANNEL,
    FOR_ANY_USER,
    ISSUED_AT,
    JOINING,
    SALT,
    SECONDS,
    UID,
)

from recording_tasks.errors import ConfigurationError, TokenError
from recording_tasks.tokens import Bounded, CertificateProvider, join_token, load_provider

HOUR = timedelta(hours=1)
ISSUED = datetime.fromtimestamp(ISSUED_AT, UTC)


def ask(provider: Any) -> str:
    token: str = provider(app_id=APP_ID, channel="lesson", uid=7, lifetime=HOUR)
    return token


@pytest.mark.parametrize(("uid", "expected"), [(UID, JOINING), (0, FOR_ANY_USER)])
def test_a_token_is_agoras_own_byte_for_byte(uid: int, expected: str) -> None:
    """What the published builders make of the same values."""
    token = join_token(
        app_id=APP_ID,
        certificate=CERTIFICATE,
        channel=CHANNEL,
        uid=uid,
        lifetime=timedelta(seconds=SECONDS),
        issued_at=ISSUED,
        salt=SALT,
    )

    assert token == expected


def test_the_certificate_makes_the_same_token_as_the_published_builders() -> None:
    """The clock and the salt that it is given are all that a token needs besides."""
    provider = CertificateProvider(SecretStr(CERTIFICATE), clock=lambda: ISSUED, salt=lambda: SALT)

    token = provider(app_id=APP_ID, channel=CHANNEL, uid=UID, lifetime=timedelta(seconds=SECONDS))

    assert token == JOINING
    assert CERTIFICATE not in repr(provider)


def test_no_two_tokens_are_the_same() -> None:
    """Each has its own salt."""
    provider = CertificateProvider(
        SecretStr(CERTIFICATE), clock=lambda: ISSUED, salt=count(1).__next__
    )

    assert ask(provider) != ask(provider)


def test_a_provider_is_asked_for_exactly_one_user() -> None:
    """App ID, channel, uid and lifetime reach it by name, and its text comes back unchanged."""
    asked: list[dict[str, Any]] = []

    def provider(**wanted: Any) -> str:
        asked.append(wanted)
        return " any text "

    assert ask(Bounded(provider, seconds=5)) == " any text "
    assert asked == [{"app_id": APP_ID, "channel": "lesson", "uid": 7, "lifetime": HOUR}]


@pytest.mark.parametrize("error", [ValueError, ConnectionError, SystemExit, KeyboardInterrupt])
def test_of_an_error_only_its_kind_is_told(
    error: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    """Its text may hold what the provider signs with; neither cause nor stderr shows it."""

    def provider(**_: Any) -> str:
        raise error("canary")

    with pytest.raises(TokenError) as caught:
        ask(Bounded(provider, seconds=5))

    assert str(caught.value) == f"token provider failed: {error.__name__}"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "canary" not in capfd.readouterr().err


@pytest.mark.parametrize("answer", [None, "", "  ", b"canary", 7, {"token": "canary"}])
def test_what_is_no_text_is_no_token(answer: Any) -> None:
    """It is not sent, and not shown."""
    with pytest.raises(TokenError, match="it gave no text") as caught:
        ask(Bounded(lambda **_: answer, seconds=5))

    assert "canary" not in str(caught.value)


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    """An event that ends what hangs when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_provider_that_hangs_holds_nobody_up(let_go: threading.Event) -> None:
    """The wait is bounded, and the next call is made although the first still hangs."""
    calls = count()

    def provider(**_: Any) -> str:
        if next(calls) == 0:
            let_go.wait(60)
        return "token"

    bounded = Bounded(provider, seconds=0.2)

    with pytest.raises(TokenError, match="TimeoutError"):
        ask(bounded)
    assert ask(bounded) == "token"


def test_calls_that_hang_are_not_heaped_up(let_go: threading.Event) -> None:
    """No more threads than places: then a call fails without one, until one comes back."""
    began = count()

    def provider(**_: Any) -> str:
        next(began)
        let_go.wait(60)
        return "token"

    bounded = Bounded(provider, seconds=0.1, most=2)
    for _ in range(4):
        with pytest.raises(TokenError, match="TimeoutError"):
            ask(bounded)
    assert next(began) == 2
    let_go.set()

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert ask(bounded) == "token"
        except TokenError:
            continue
        break
    else:
        raise AssertionError("no place came back")


MODULE = """
import functools
CERTIFICATE = "canary"

def provide(*, app_id, channel, uid, lifetime):
    return f"{channel}-{uid}"

class Signer:
    def provide(self, app_id, channel, uid, lifetime):
        return "signed"
    def __call__(self, **wanted):
        return "called"

signer = Signer()
bound = signer.provide
partial = functools.partial(provide)

async def later(*, app_id, channel, uid, lifetime):
    return ""

def old(app_id, channel):
    return ""
"""
Modules = Callable[[str, str], str]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Modules:
    """Write modules into the working directory, which is not on the search path."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> str:
        unique = f"{name}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{unique}.py").write_text(text)
        return unique

    return write


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (":provide", "lesson-7"),
        (".provide", "lesson-7"),
        (":bound", "signed"),
        (":signer", "called"),
        (":partial", "lesson-7"),
    ],
)
def test_a_provider_is_found_by_its_dotted_path(modules: Modules, path: str, expected: str) -> None:
    """With a colon or without, a function or an object that can be called."""
    name = modules("corp", MODULE)

    assert ask(load_provider(f"{name}{path}")) == expected


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (":missing", "its module has nothing of that name"),
        (":CERTIFICATE", "names nothing that can be called"),
        (":later", "must be a plain function, not a coroutine"),
        (":old", "cannot be called with app_id, channel, uid, lifetime, by these names"),
    ],
)
def test_what_is_no_provider_is_a_fault_of_the_settings(
    modules: Modules, path: str, told: str
) -> None:
    """Before anything is recorded, in one sentence that shows no value."""
    name = modules("corp", MODULE)

    with pytest.raises(ConfigurationError) as caught:
        load_provider(f"{name}{path}")

    assert caught.value.faults == (f"RECORDING_TOKEN_PROVIDER: {told}",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise RuntimeError('canary')", "RuntimeError"),
        ("import no_such_canon", "ModuleNotFoundError: no_such_canon"),
        ("def provide(: canary", "SyntaxError"),
    ],
)
def test_a_module_that_fails_is_a_fault_without_its_text(
    modules: Modules, text: str, told: str
) -> None:
    """It may have read a secret; what it lacks itself is named."""
    name = modules("broken", text)

    with pytest.raises(ConfigurationError) as caught:
        load_provider(f"{name}:provide")

    assert caught.value.faults == (f"RECORDING_TOKEN_PROVIDER: cannot be imported: {told}",)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_module_that_is_not_there_is_a_fault() -> None:
    """Whose name is a value, and not repeated."""
    with pytest.raises(ConfigurationError) as caught:
        load_provider("no_such_package.module:provide")

    assert caught.value.faults == (
        "RECORDING_TOKEN_PROVIDER: cannot be imported: ModuleNotFoundError",
    )
