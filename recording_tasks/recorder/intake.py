"""What a caller may ask for, and everything that can be wrong with it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from recording_tasks.errors import InvalidInputError
from recording_tasks.models import Mode, OnEarlyExit
from recording_tasks.settings import Settings
from recording_tasks.wire import (
    check_channel,
    check_request,
    check_storage_region,
    check_uid,
    needs_storage,
    secret_names,
    uid_text,
)

RECORD_ARGUMENTS = (
    "channel",
    "start_at",
    "stop_at",
    "duration",
    "mode",
    "uid",
    "key",
    "app",
    "storage",
    "request",
    "on_early_exit",
    "notify",
    "labels",
    "start_within",
)
LONGEST = timedelta(days=30)  # a session answers its calls for 720 hours at most
_FARTHEST = timedelta(days=3660)
_LONGEST_KEY = 512
_LONGEST_NAME = 255  # of a queue or a message's type, in AMQP


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A recording that was asked for, checked and completed.

    Attributes:
        start_at: Aware UTC.
        stop_at: Aware UTC; None records until somebody stops it.
        start_within: So many seconds after `start_at` it may still begin; None until `stop_at`.
    """

    channel: str
    start_at: datetime
    stop_at: datetime | None
    mode: Mode
    uid: str | None
    key: str | None
    app: str
    storage: str
    request: Mapping[str, Any]
    on_early_exit: OnEarlyExit
    notify: Mapping[str, Any]
    labels: Mapping[str, str]
    start_within: float | None


def check_order(arguments: Mapping[str, Any], settings: Settings, now: datetime) -> Order:
    """Check the arguments of `record`.

    Raises:
        InvalidInputError: Lists every fault with its path; no secret is echoed.
    """
    check = _Check(arguments, settings, now)
    try:
        order = check.order()
    except RecursionError:
        raise InvalidInputError(["arguments: are nested too deeply"]) from None
    if check.faults:
        raise InvalidInputError(check.faults)
    return order


def parse_instant(value: object, path: str) -> tuple[datetime | None, list[str]]:
    """Read ISO 8601 with an offset, or epoch seconds."""
    if isinstance(value, datetime):
        return _aware(value, path)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None, [f"{path}: must be ISO 8601 with an offset, or epoch seconds"]
    if isinstance(value, str):
        try:
            return _aware(datetime.fromisoformat(value), path)
        except ValueError:
            return None, [f"{path}: not ISO 8601, like 2026-11-21T09:00:00+01:00"]
    try:
        return datetime.fromtimestamp(value, UTC), []
    except (ValueError, OverflowError, OSError):
        return None, [f"{path}: not a time in epoch seconds"]


def check_end(
    arguments: Mapping[str, Any], start_at: datetime, now: datetime
) -> tuple[datetime | None, list[str]]:
    """Read `stop_at` or `duration`, whichever was given."""
    stop_at, duration = arguments.get("stop_at"), arguments.get("duration")
    if stop_at is not None and duration is not None:
        return None, ["duration: give stop_at or duration, not both"]
    if duration is not None:
        return _end_after(duration, start_at, now)
    if stop_at is None:
        return None, []
    end, faults = parse_instant(stop_at, "stop_at")
    if end is None:
        return None, faults
    if end <= start_at:
        return None, ["stop_at: is not after start_at"]
    if end <= now:
        return None, ["stop_at: is in the past"]
    if end - start_at > LONGEST:
        return None, ["stop_at: more than 30 days after start_at"]
    return end, []


def _end_after(
    duration: object, begin: datetime, now: datetime
) -> tuple[datetime | None, list[str]]:
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        return None, ["duration: must be a number of seconds"]
    if duration > LONGEST.total_seconds():
        return None, ["duration: more than 30 days"]
    if not math.isfinite(duration) or duration <= 0:
        return None, ["duration: must be above 0 seconds"]
    end = begin + timedelta(seconds=duration)
    if end <= now:
        return None, ["duration: it is over already, counted from start_at"]
    return end, []


def _aware(value: datetime, path: str) -> tuple[datetime | None, list[str]]:
    if value.tzinfo is None:
        return None, [f"{path}: has no offset; write one, like +00:00"]
    try:
        return value.astimezone(UTC), []
    except OverflowError:
        return None, [f"{path}: out of range"]


def check_text(value: object, path: str) -> list[str]:
    """List every text that no database can store: NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        is_bad = "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value)
        return [f"{path}: holds a character that cannot be stored"] if is_bad else []
    parts: Iterable[object] = ()
    if isinstance(value, Mapping):
        parts = [part for pair in value.items() for part in pair]
    elif isinstance(value, list | tuple):
        parts = value
    return list(dict.fromkeys(fault for part in parts for fault in check_text(part, path)))


class _Check:
    """Goes through the arguments one by one and collects their faults."""

    def __init__(self, arguments: Mapping[str, Any], settings: Settings, now: datetime) -> None:
        self._given = {name: value for name, value in arguments.items() if value is not None}
        self._settings, self._now = settings, now
        self.faults: list[str] = []

    def order(self) -> Order:
        self._unknown_arguments()
        for name, value in self._given.items():
            self.faults += check_text(value, name)
        mode = self._mode()
        start_at = self._start_at()
        stop_at = self._stop_at(start_at)
        request = self._request(mode)
        return Order(
            channel=self._channel(mode),
            start_at=start_at,
            stop_at=stop_at,
            mode=mode,
            uid=self._uid(),
            key=self._key(),
            app=self._app(),
            storage=self._storage(request),
            request=request,
            on_early_exit=self._on_early_exit(stop_at),
            notify=self._notify(),
            labels=self._labels(),
            start_within=self._start_within(),
        )

    def _unknown_arguments(self) -> None:
        for name in self._given.keys() - set(RECORD_ARGUMENTS):
            near = difflib.get_close_matches(name, RECORD_ARGUMENTS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.faults.append(f"{name}: unknown argument{hint}")

    def _mode(self) -> Mode:
        value = self._given.get("mode", Mode.MIX.value)
        try:
            return Mode(value)
        except ValueError:
            self.faults.append("mode: must be individual, mix or web, in lower case")
            return Mode.MIX

    def _channel(self, mode: Mode) -> str:
        channel = self._given.get("channel")
        self.faults += check_channel(channel, mode)
        return str(channel)

    def _start_at(self) -> datetime:
        if "start_at" not in self._given:
            return self._now
        start_at, faults = parse_instant(self._given["start_at"], "start_at")
        self.faults += faults
        if start_at is not None and start_at - self._now > _FARTHEST:
            self.faults.append("start_at: more than ten years ahead")
        return start_at or self._now

    def _stop_at(self, start_at: datetime) -> datetime | None:
        stop_at, faults = check_end(self._given, start_at, self._now)
        self.faults += faults
        return stop_at

    def _uid(self) -> str | None:
        if "uid" not in self._given:
            return None
        faults = check_uid(self._given["uid"])
        self.faults += faults
        return None if faults else uid_text(self._given["uid"])

    def _key(self) -> str | None:
        key = self._given.get("key")
        if key is None:
            return None
        if not isinstance(key, str) or not key or len(key) > _LONGEST_KEY:
            self.faults.append(f"key: must be text of 1 to {_LONGEST_KEY} characters")
            return None
        return key

    def _app(self) -> str:
        name = self._given.get("app", "default")
        if not isinstance(name, str) or name not in self._settings.apps:
            known = ", ".join(sorted(self._settings.apps)) or "none is set"
            self.faults.append(f"app: no such app profile; there are: {known}")
        return str(name)

    def _request(self, mode: Mode) -> Mapping[str, Any]:
        request = self._given.get("request", {})
        self.faults += check_request(mode, request)
        if not isinstance(request, Mapping):
            return {}
        missing = secret_names(request) - self._settings.secrets.keys()
        self.faults += [
            f"request: the secret {name} is not set; set RECORDING_SECRET__{name.upper()}"
            for name in sorted(missing)
        ]
        return request

    def _storage(self, request: Mapping[str, Any]) -> str:
        name = self._given.get("storage", "default")
        if "storage" not in self._given and not needs_storage(request):
            return "default"
        storage = self._settings.storages.get(name) if isinstance(name, str) else None
        if storage is None:
            known = ", ".join(sorted(self._settings.storages)) or "none is set"
            self.faults.append(f"storage: no such storage profile; there are: {known}")
        else:
            self.faults += check_storage_region(request, storage)
        return str(name)

    def _on_early_exit(self, stop_at: datetime | None) -> OnEarlyExit:
        """Without a stop time Agora's end is the end: an empty channel would restart for ever."""
        default = OnEarlyExit.FINISH if stop_at is None else OnEarlyExit.RESTART
        try:
            return OnEarlyExit(self._given.get("on_early_exit", default.value))
        except ValueError:
            self.faults.append("on_early_exit: must be restart or finish")
            return OnEarlyExit.RESTART

    def _notify(self) -> Mapping[str, Any]:
        notify = self._given.get("notify", {})
        is_named = isinstance(notify, Mapping) and isinstance(notify.get("task", ""), str)
        if not is_named or notify.keys() - {"task", "queue"}:
            self.faults.append("notify: must be an object with task and, optionally, queue")
            return {}
        if notify and not notify.get("task"):
            self.faults.append("notify.task: the name of the task to send is missing")
        elif len(notify.get("task", "").encode(errors="replace")) > _LONGEST_NAME:
            self.faults.append(f"notify.task: must be of {_LONGEST_NAME} bytes at most")
        queue = notify.get("queue", "celery")
        is_text = isinstance(queue, str) and queue
        if not is_text or len(queue.encode(errors="replace")) > _LONGEST_NAME:
            self.faults.append(f"notify.queue: must be text of 1 to {_LONGEST_NAME} bytes")
        return dict(notify)

    def _start_within(self) -> float | None:
        within = self._given.get("start_within")
        if within is None:
            return None
        is_number = isinstance(within, int | float) and not isinstance(within, bool)
        if not is_number or not 0 < within <= LONGEST.total_seconds():
            self.faults.append("start_within: must be a number of seconds above 0, at most 30 days")
            return None
        return float(within)

    def _labels(self) -> Mapping[str, str]:
        labels = self._given.get("labels", {})
        is_text = isinstance(labels, Mapping) and all(
            isinstance(part, str) for pair in labels.items() for part in pair
        )
        if not is_text:
            self.faults.append("labels: must be an object of text values")
            return {}
        return dict(labels)
