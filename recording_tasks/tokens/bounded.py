"""How long somebody else's code may take to make a token."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from recording_tasks.errors import TokenError
from recording_tasks.tokens.provider import TokenProvider

_MOST_AT_A_TIME = 64


class Bounded:
    """Asks a provider, and waits for its token no longer than so many seconds.

    A call that hangs cannot be ended from outside: it keeps its thread, which does not hold the
    process up, and its place. When all places are taken, further calls fail after the same time.
    """

    def __init__(
        self, provider: TokenProvider, *, seconds: float, most: int = _MOST_AT_A_TIME
    ) -> None:
        self._provider, self._seconds = provider, seconds
        self._places = threading.BoundedSemaphore(most)

    def __call__(self, *, app_id: str, channel: str, uid: int, lifetime: timedelta) -> str:
        """Give the provider's token.

        Raises:
            TokenError: It raised, hangs or gave no text; only the kind of error is told.
        """
        deadline = time.monotonic() + self._seconds
        if not self._places.acquire(timeout=self._seconds):
            raise TokenError(TimeoutError.__name__)
        asked = _Asked()

        def ask() -> None:
            try:
                asked.answer = self._provider(
                    app_id=app_id, channel=channel, uid=uid, lifetime=lifetime
                )
            except BaseException as error:  # noqa: BLE001 - a door: whatever it was, only its kind
                asked.failure = type(error).__name__
            finally:
                self._places.release()
                asked.is_done.set()

        threading.Thread(target=ask, name="recording-tasks-token", daemon=True).start()
        if not asked.is_done.wait(max(0.0, deadline - time.monotonic())):
            raise TokenError(TimeoutError.__name__)
        if asked.failure is not None:
            raise TokenError(asked.failure)
        if not isinstance(asked.answer, str) or not asked.answer.strip():
            raise TokenError("it gave no text")
        return asked.answer


class _Asked:
    """What one call brought; without a repr of it."""

    __slots__ = ("answer", "failure", "is_done")

    def __init__(self) -> None:
        self.answer: object = None
        self.failure: str | None = None
        self.is_done = threading.Event()
