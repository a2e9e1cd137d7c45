"""What Sentry is told: errors and nothing that could hold a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_QUERY = re.compile(r"\?[^\s'\"<>]*")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*(?=@)")
_AUTHORIZATION = re.compile(r"\b(Basic|Bearer)\s+[^\s'\",]+", re.IGNORECASE)
_NAMED = re.compile(
    r"(?i)(\w*(?:secret|token|password|access_?key|salt|dsn)\w*['\"]?\s*[:=]\s*)"
    r"('[^']*'|\"[^\"]*\"|[^\s,;&)}\]]+)"
)
_LONG_TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{40,}")
_HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(r"secret|token|key|password|authorization|dsn|salt", re.IGNORECASE)


def set_up(environ: Mapping[str, str], *, role: str) -> bool:
    """Report errors to Sentry when a DSN is given; False when none is."""
    dsn = environ.get("SENTRY_DSN", "").strip()
    if not dsn:
        return False
    import sentry_sdk  # noqa: PLC0415 - slow to import, and only here of use
    from sentry_sdk.integrations.celery import CeleryIntegration  # noqa: PLC0415

    sentry_sdk.init(
        dsn=dsn,
        environment=environ.get("SENTRY_ENVIRONMENT") or None,
        integrations=[CeleryIntegration(monitor_beat_tasks=False)],
        include_local_variables=False,
        send_default_pii=False,
        max_request_body_size="never",
        before_send=lambda event, _hint: scrubbed(event),
        before_breadcrumb=lambda crumb, _hint: scrubbed(crumb),
    )
    sentry_sdk.set_tag("role", role)
    return True


def scrubbed(value: Any, name: str = "") -> Any:
    """Hide whatever looks like a secret, by its name or by its shape."""
    is_secret = _SECRET_KEY.search(name) is not None and name not in {"key", "event_id"}
    if isinstance(value, bytes | bytearray):
        return _HIDDEN
    if isinstance(value, Mapping):
        return {key: scrubbed(item, name if is_secret else str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if len(value) == 2 and isinstance(value[0], str) and _SECRET_KEY.search(value[0]):  # noqa: PLR2004 - a header
            return [value[0], _HIDDEN]
        return [scrubbed(item, name) for item in value]
    if not isinstance(value, str):
        return value
    if is_secret:
        return _HIDDEN
    if name in {"event_id", "trace_id", "span_id", "task_id", "id"}:
        return value
    value = _CREDENTIALS.sub(_HIDDEN, value)
    value = _AUTHORIZATION.sub(rf"\1 {_HIDDEN}", value)
    value = _NAMED.sub(rf"\1{_HIDDEN}", value)
    value = _QUERY.sub("?" + _HIDDEN, value)
    return _LONG_TOKEN.sub(_HIDDEN, value)
