"""The callers of a chaos run: they ask until they are heard, as a caller must whose broker dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployment import Deployment
from kombu.exceptions import OperationalError

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.models import Recording

from .plan import Edit, Wish

_HEARD_WITHIN = 2.5  # then it is asked again
_REQUESTS: dict[str, dict[str, Any]] = {
    "update": {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["7"]}}},
    "update_layout": {"mixedVideoLayout": 1, "backgroundColor": "#112233"},
}


@dataclass(slots=True, kw_only=True)
class Asked:
    """What became of one caller's wish; instants are Unix seconds.

    Attributes:
        accepted_at: When its caller saw that it was accepted.
        edited_at: When its caller saw that the edit was.
    """

    wish: Wish
    recording_id: str | None = None
    accepted_at: float | None = None
    edited_at: float | None = None
    tries: int = 0


class Callers:
    """Everybody who asks for a recording, each in a thread of its own when its time has come."""

    def __init__(self, deployment: Deployment, began: float) -> None:
        self._deployment, self._began = deployment, began
        self._pool = ThreadPoolExecutor(64)
        self._ending = threading.Event()
        self.asked: list[Asked] = []

    def ask(self, wish: Wish) -> None:
        """Begin to ask for a recording."""
        asked = Asked(wish=wish)
        self.asked.append(asked)
        self._pool.submit(self._see_through, asked)

    def end(self) -> None:
        """Let nobody ask any more."""
        self._ending.set()
        self._pool.shutdown(cancel_futures=True)

    def _see_through(self, asked: Asked) -> None:
        wish = asked.wish
        while not self._is_over(wish.stop_at):
            recording = self._heard(lambda: self._ask(asked), lambda: self._found(wish))
            if recording is not None:
                asked.recording_id, asked.accepted_at = recording.id, time.time()
                break
        if asked.recording_id is not None and wish.edit is not None:
            self._edit(asked, asked.recording_id, wish.edit)

    def _edit(self, asked: Asked, recording_id: str, edit: Edit) -> None:
        while time.time() < self._began + edit.at and not self._ending.is_set():
            time.sleep(0.05)
        while not self._is_over(asked.wish.stop_at):
            before = self._found(asked.wish)
            if before is not None and before.state.is_final:
                return
            if self._heard(
                lambda: self._send_edit(recording_id, edit), lambda: self._edited(asked.wish, edit)
            ):
                asked.edited_at = time.time()
                return

    def _heard(self, send: Callable[[], None], look: Callable[[], Recording | None]) -> Any:
        """Ask once, and wait a while until it shows."""
        send()
        deadline = time.monotonic() + _HEARD_WITHIN
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            time.sleep(0.1)
        return None

    def _ask(self, asked: Asked) -> None:
        wish = asked.wish
        asked.tries += 1
        arguments = {
            "channel": wish.channel,
            "start_at": self._began + wish.start_at,
            "stop_at": self._began + wish.stop_at,
            "key": f"wish-{wish.channel}",
        }
        other = threading.Thread(target=self._send, args=("record",), kwargs=arguments)
        if wish.is_twice:
            other.start()
        self._send("record", **arguments)
        if wish.is_twice:
            other.join()

    def _send_edit(self, recording_id: str, edit: Edit) -> None:
        arguments: dict[str, Any] = {"recording_id": recording_id}
        if edit.stop_at is not None:
            arguments["stop_at"] = self._began + edit.stop_at
        if edit.verb in _REQUESTS:
            arguments["request"] = _REQUESTS[edit.verb]
        self._send("extend" if edit.verb == "shorten" else edit.verb, **arguments)

    def _send(self, task: str, **arguments: Any) -> None:
        try:
            self._deployment.send(task, **arguments)
        except (OperationalError, OSError):
            time.sleep(0.3)  # the broker is away: it is asked again soon

    def _found(self, wish: Wish) -> Recording | None:
        try:
            return self._deployment.store.find_by_key(f"wish-{wish.channel}")
        except StoreUnavailableError:
            return None

    def _edited(self, wish: Wish, edit: Edit) -> Recording | None:
        found = self._found(wish)
        if found is None:
            return None
        match edit.verb:
            case "extend" | "shorten":
                wanted = self.instant(edit.stop_at)
                is_heard = found.stop_at is not None and found.stop_at == wanted
            case "stop" | "cancel":
                is_heard = found.is_called_off
            case "update":
                is_heard = found.update_version > 0
            case _:
                is_heard = found.layout_version > 0
        return found if is_heard else None

    def instant(self, at: float | None) -> datetime | None:
        """Turn an instant of the plan into one of the clock."""
        return None if at is None else datetime.fromtimestamp(self._began + at, UTC)

    def _is_over(self, at: float) -> bool:
        return self._ending.is_set() or time.time() > self._began + at
