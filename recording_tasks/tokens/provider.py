"""Whoever makes tokens: what is asked of it, with one that needs nothing but the certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import SecretStr

from recording_tasks.tokens.joining import join_token


class TokenProvider(Protocol):
    """Makes the token for exactly one App ID, channel and uid; called from many threads."""

    def __call__(self, *, app_id: str, channel: str, uid: int, lifetime: timedelta) -> str:
        """Make a token that lives so long from now; whatever is raised means "not now"."""


class CertificateProvider:
    """Makes 007 tokens with the App Certificate.

    Args:
        clock: Tells the instant of issue; it must agree with Agora's to a few seconds.
        salt: Gives a number of 32 bits, another one at every call.
    """

    __slots__ = ("_certificate", "_clock", "_salt")

    def __init__(
        self, certificate: SecretStr, *, clock: Callable[[], datetime], salt: Callable[[], int]
    ) -> None:
        self._certificate, self._clock, self._salt = certificate, clock, salt

    def __call__(self, *, app_id: str, channel: str, uid: int, lifetime: timedelta) -> str:
        """Make a token; it never waits."""
        return join_token(
            app_id=app_id,
            certificate=self._certificate.get_secret_value(),
            channel=channel,
            uid=uid,
            lifetime=lifetime,
            issued_at=self._clock(),
            salt=self._salt(),
        )
