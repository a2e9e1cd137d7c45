"""The bodies of Agora's six methods, built from checked requests."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recording_tasks.errors import InvalidInputError
from recording_tasks.models import Mode
from recording_tasks.wire.checks import canonical
from recording_tasks.wire.names import uid_text
from recording_tasks.wire.references import names_in, resolve
from recording_tasks.wire.requests import DEFAULT_EXPIRED_HOUR, TranscodingConfig
from recording_tasks.wire.rules import at, number, services_of
from recording_tasks.wire.storage import StorageConfig

RECOMMENDED_IDLE_SECONDS = 300  # Agora's best practice; its default of 30 ends too early
_SALT_BYTES = 32
_SHORTEST_BLOTTED = 4
_NO_SECRETS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What goes out as JSON; may hold bucket keys, so nothing of it has a repr.

    It is deliberately no mapping: error reporters copy mappings from the frames they find.

    Attributes:
        content: The JSON object.
        secret_values: What is blotted out of an answer that repeats it.
    """

    content: Mapping[str, Any] = field(repr=False)
    secret_values: tuple[str, ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """Spell it as compact JSON."""
        return json.dumps(self.content, separators=(",", ":")).encode()

    def redact(self, text: str) -> str:
        """Blot out every secret of this body."""
        for secret in self.secret_values:
            if len(secret) >= _SHORTEST_BLOTTED:
                text = text.replace(secret, "***")
        return text


def needs_storage(request: Mapping[str, Any]) -> bool:
    """Tell whether start wants a bucket; only Alibaba's VoD goes without one."""
    return all(name != "aliyun_vod_service" for _, name, _ in services_of(request))


def secret_names(request: Mapping[str, Any]) -> frozenset[str]:
    """Name the secrets that a request refers to, to be looked for before it is accepted."""
    return names_in(request)


def acquire_body(
    channel: str,
    uid: str,
    mode: Mode,
    request: Mapping[str, Any],
    *,
    resource_expired_hour: int = DEFAULT_EXPIRED_HOUR,
    exclude_resource_ids: Sequence[str] = (),
) -> Body:
    """Build acquire's body; the caller's hours win over the default given here.

    The default is raised to a web page's maxRecordingHour, so that it can be stopped to its end.
    """
    options = dict(canonical(request.get("acquire", {})))
    hours = max([resource_expired_hour, *_web_hours(request)])
    options.setdefault("resourceExpiredHour", hours)
    options["scene"] = 1 if mode is Mode.WEB else 0
    excluded = [*options.pop("excludeResourceIds", ()), *exclude_resource_ids]
    if excluded:
        options["excludeResourceIds"] = list(dict.fromkeys(excluded))
    return _body(channel, uid, options)


def _web_hours(request: Mapping[str, Any]) -> list[int]:
    return [number(at(param, "maxRecordingHour"), 0) for _, _, param in services_of(request)]


def start_body(
    channel: str,
    uid: str,
    mode: Mode,
    request: Mapping[str, Any],
    *,
    storage: StorageConfig | None,
    token: str | None = None,
    secrets: Mapping[str, str] = _NO_SECRETS,
    max_idle_time: int = RECOMMENDED_IDLE_SECONDS,
) -> Body:
    """Build start's body, bucket keys and resolved secrets included.

    The token joins the channel where the App Certificate is enabled; web mode sends none.
    max_idle_time, in seconds, is sent where the request says nothing.

    Raises:
        InvalidInputError: A secret is not there or has a wrong form, or storage is missing.
    """
    given = {key: value for key, value in canonical(request).items() if key != "acquire"}
    content = resolve(given, secrets)
    _refuse(_salt_faults(content))
    if mode is not Mode.WEB:
        content["recordingConfig"] = _recording_config(content, max_idle_time)
    hidden = [secrets[name] for name in names_in(given)]
    if token is not None and mode is not Mode.WEB:
        content["token"] = token
        hidden.append(token)
    if needs_storage(request):
        if storage is None:
            raise InvalidInputError(["storage: is required"])
        content["storageConfig"] = storage.to_wire()
        hidden.extend(storage.secret_values())
    return _body(channel, uid, content, hidden)


def _recording_config(content: Mapping[str, Any], max_idle_time: int) -> dict[str, Any]:
    config = {"channelType": 0, "maxIdleTime": max_idle_time, **content.get("recordingConfig", {})}
    if "transcodingConfig" in config:
        sizes = TranscodingConfig().model_dump(include={"width", "height", "fps", "bitrate"})
        config["transcodingConfig"] = sizes | config["transcodingConfig"]
    return config


def _salt_faults(content: Mapping[str, Any]) -> list[str]:
    salt = at(content, "recordingConfig", "salt")
    if salt is None:
        return []
    try:
        size = len(base64.b64decode(salt, validate=True))
    except (binascii.Error, ValueError, TypeError):
        size = 0
    wrong = size != _SALT_BYTES
    return ["request.recordingConfig.salt: must be the Base64 of 32 bytes"] if wrong else []


def update_body(
    channel: str,
    uid: str,
    request: Mapping[str, Any],
    *,
    storage: StorageConfig | None = None,
    secrets: Mapping[str, str] = _NO_SECRETS,
) -> Body:
    """Build update's body; a storage is given only to renew its STS token.

    Raises:
        InvalidInputError: A secret is not there.
    """
    given = canonical(request)
    content = resolve(given, secrets)
    hidden = [secrets[name] for name in names_in(given)]
    if storage is not None:
        content["storageConfig"] = storage.to_wire()
        hidden.extend(storage.secret_values())
    return _body(channel, uid, content, hidden)


def layout_body(
    channel: str,
    uid: str,
    request: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] = _NO_SECRETS,
) -> Body:
    """Build updateLayout's body: what is left out returns to Agora's default.

    Raises:
        InvalidInputError: A secret is not there.
    """
    hidden = [secrets[name] for name in names_in(request) if name in secrets]
    return _body(channel, uid, resolve(canonical(request), secrets), hidden)


def stop_body(channel: str, uid: str, *, async_stop: bool) -> Body:
    """Build stop's body; with async_stop Agora answers before the upload is done."""
    return _body(channel, uid, {"async_stop": async_stop})


def merge_update(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, Any]:
    """Join two updates into the one that a new session must be given to stand where the old did.

    A list of one medium replaces the older list of that medium, whichever way it was turned.
    """
    merged = dict(canonical(before or {}))
    for key, value in canonical(after).items():
        old = merged.get(key)
        merged[key] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _body(channel: str, uid: str, content: Mapping[str, Any], hidden: Sequence[str] = ()) -> Body:
    whole = {"cname": channel, "uid": uid_text(uid), "clientRequest": content}
    return Body(content=whole, secret_values=tuple(hidden))


def _refuse(faults: list[str]) -> None:
    if faults:
        raise InvalidInputError(faults)
