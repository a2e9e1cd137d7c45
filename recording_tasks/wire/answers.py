"""How Agora's answers are read: leniently, for everything but the HTTP status is optional."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from recording_tasks.errors import Remedy, ServiceError
from recording_tasks.models import (
    Acquired,
    File,
    Observed,
    Started,
    Stopped,
    Updated,
    UploadStatus,
)
from recording_tasks.wire.names import Method
from recording_tasks.wire.reactions import react

OK, CREATED, PARTIAL = 200, 201, 206
_EMPTY, _UPLOAD_TOO_SLOW = 435, 50
_NOT_DONE = frozenset({62, 65})
_LONGEST_REASON = 200
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_MAX_NUMBER = 2**63
_SERVICE_WORDS = {
    "serviceIdle": 0,
    "serviceStarted": 2,
    "serviceReady": 4,
    "serviceInProgress": 5,
    "serviceCompleted": 7,
    "servicePartialCompleted": 7,
    "serviceValidationFailed": 20,
    "serviceAbnormal": 20,
}

Json = Mapping[str, Any]


def read_answer(
    method: Method,
    status: int,
    content: bytes,
    redact: Callable[[str], str] = str,
) -> Acquired | Started | Observed | Updated | Stopped:
    """Read one answer; redact blots out what the reason of an error must not repeat.

    Raises:
        ServiceError: It is not a success, or a success without what it must carry.
    """
    body = _parsed(content)
    answer = _settled(method, status, body) if body is not None else None
    if answer is None and status == OK and body is not None:
        raise _incomplete(method, status, body)
    if answer is None:
        raise _error(method, status, body, redact)
    return answer


def _settled(
    method: Method, status: int, body: Json
) -> Acquired | Started | Observed | Updated | Stopped | None:
    if method is Method.STOP:
        return parse_stopped(status, body)
    if method is Method.START:
        return parse_started(status, body)
    if status == PARTIAL and _code(body) is not None:
        return None
    if status not in {OK, PARTIAL}:
        return None
    match method:
        case Method.ACQUIRE:
            return parse_acquired(body)
        case Method.QUERY:
            return parse_observed(body)
        case _:
            return Updated()


def parse_acquired(body: Json) -> Acquired | None:
    """Read acquire's success; None without a resource ID."""
    resource_id = _text(body.get("resourceId"))
    return Acquired(resource_id=resource_id) if resource_id else None


def parse_started(status: int, body: Json) -> Started | None:
    """Read start's success: 200 with a sid, or 201 "already started", which may lack it."""
    sid = _text(body.get("sid"))
    if status == CREATED:
        return Started(sid=sid, was_running=True)
    if status == OK and sid:
        return Started(sid=sid)
    return None


def parse_observed(body: Json) -> Observed | None:
    """Read query's success; None when nothing in it comes from the service."""
    server = _mapping(body.get("serverResponse"))
    if server is None and not body.keys() & {"sid", "resourceId"}:
        return None
    server = server or {}
    return Observed(
        status=_status(server),
        files=_files(server),
        services=_states(server),
    )


def parse_stopped(status: int, body: Json) -> Stopped | None:
    """Read stop's success; every partial one but "not done yet" means stopped.

    None for what is no success.
    """
    code = _code(body)
    too_slow = code == _UPLOAD_TOO_SLOW and status in {PARTIAL, 500}
    if status not in {OK, PARTIAL} and not too_slow:
        return None
    if status == PARTIAL and code in _NOT_DONE:
        return None
    server = _mapping(body.get("serverResponse")) or {}
    if status == PARTIAL and code == _EMPTY:
        return Stopped(files=_files(server), upload_status=_upload(server), is_empty=True)
    is_unknown = status != OK
    upload = _upload(server) or (UploadStatus.UNKNOWN if is_unknown else None)
    return Stopped(files=_files(server), upload_status=upload)


def _parsed(content: bytes) -> Json | None:
    if not content.strip():
        return {}
    try:
        return _mapping(json.loads(content))
    except (ValueError, RecursionError):
        return None


def _code(body: Json) -> int | None:
    return _number(body.get("code"))


def _status(server: Json) -> int | None:
    """Read Agora's number; VoD tasks tell a word instead."""
    if (status := _number(server.get("status"))) is not None:
        return status
    word = (_mapping(server.get("subServiceStatus")) or {}).get("recordingService")
    return _SERVICE_WORDS.get(word) if isinstance(word, str) else None


def _number(value: object) -> int | None:
    """Read a whole number that may come as a string."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    if not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < _MAX_NUMBER else None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(value: object) -> Json | None:
    return value if isinstance(value, Mapping) else None


def _items(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _services(server: Json) -> list[tuple[str, Json]]:
    found = []
    for item in _items(server.get("extensionServiceState")):
        payload = _mapping(item.get("payload")) or _mapping(item.get("playload")) or {}
        found.append((_text(item.get("serviceName")) or "", payload))
    return found


def _states(server: Json) -> dict[str, str]:
    states = {name: _text(payload.get("state")) for name, payload in _services(server)}
    return {name: state for name, state in states.items() if name and state}


def _files(server: Json) -> tuple[File, ...]:
    lists = [server.get("fileList"), server.get("fileListStr")]
    lists += [payload.get("fileList") for _, payload in _services(server)]
    files = [file for given in lists for file in _listed(given)]
    return tuple(dict.fromkeys(files))


def _listed(given: object) -> list[File]:
    if isinstance(given, str):
        return [File(name=given)] if given else []
    if isinstance(given, list):
        files = (_file(item) for item in given)
        return [file for file in files if file is not None]
    return []


def _file(item: object) -> File | None:
    if isinstance(item, str):
        return File(name=item) if item else None
    if not isinstance(item, Mapping):
        return None
    name = _text(item.get("fileName")) or _text(item.get("filename"))
    if name is None:
        return None
    playable = item.get("isPlayable")
    return File(
        name=name,
        track_type=_text(item.get("trackType")),
        uid=_text(item.get("uid")),
        is_playable=playable if isinstance(playable, bool) else None,
        slice_start_ms=_number(item.get("sliceStartTime")),
    )


def _upload(server: Json) -> UploadStatus | None:
    """Read the state of the upload, in the RTC and the web spelling; odd words mean unknown."""
    words = [server.get("uploadingStatus")]
    words += [payload.get("uploadingStatus") for _, payload in _services(server)]
    told = [word for word in map(_text, words) if word]
    if not told:
        return None
    try:
        return UploadStatus(told[0].lower())
    except ValueError:
        return UploadStatus.UNKNOWN


def _incomplete(method: Method, status: int, body: Json) -> ServiceError:
    wanted = {Method.ACQUIRE: "resourceId", Method.START: "sid", Method.QUERY: "serverResponse"}
    reason = f"the answer lacks {wanted.get(method, 'what it must carry')}"
    remedy = Remedy.SAME_RESOURCE if method is Method.START else Remedy.SAME_AGAIN
    return ServiceError(method.value, status, _code(body), reason, remedy)


def _error(
    method: Method, status: int, body: Json | None, redact: Callable[[str], str]
) -> ServiceError:
    if body is None:
        reason = "the answer is no JSON object"
        # A partial success of stop that cannot be read may be 65: it is not done yet.
        is_unread_stop = method is Method.STOP and status == PARTIAL
        remedy = Remedy.SAME_AGAIN if is_unread_stop else react(method, status, None, reason)
        return ServiceError(method.value, status, None, reason, remedy)
    code = _code(body)
    told = shortened(redact(_text(body.get("reason")) or _text(body.get("message")) or ""))
    remedy = react(method, status, code, told)
    return ServiceError(method.value, status, code, told or "no reason given", remedy)


def shortened(text: str) -> str:
    """Make a foreign text fit for a log: one line, no URL, not long."""
    line = _URL.sub("<url>", " ".join(text.split()))
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
