"""Where Agora's methods live: paths below a base URL, and which base URLs are acceptable."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit

from recording_tasks.models import Mode
from recording_tasks.wire.names import Method

_APP_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def check_app_id(app_id: str) -> list[str]:
    """List what could not stand in a path; the id itself is not shown."""
    return [] if _APP_ID.fullmatch(app_id) else ["app_id: must be letters and digits, usually 32"]


def check_base_url(url: str) -> list[str]:
    """List what is wrong with a base URL: https always, plain http only to this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return ["base URL: cannot be read"]
    faults = []
    if parts.username is not None or parts.password is not None:
        faults.append("base URL: must not carry a user or a password")
        return faults  # nothing of it is shown
    if not host:
        faults.append(f"base URL {url!r}: names no host")
    if parts.scheme not in {"https", "http"}:
        faults.append(f"base URL {url!r}: must begin with https://")
    elif parts.scheme == "http" and host and not _is_loopback(host):
        faults.append(f"base URL {url!r}: plain http is refused except to this machine")
    if parts.query or parts.fragment:
        faults.append(f"base URL {url!r}: must not carry a query or a fragment")
    return faults


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def path_of(
    method: Method, app_id: str, mode: Mode, resource_id: str | None, sid: str | None
) -> str:
    """Spell the path of one call; ids are quoted, so that none can lead elsewhere."""
    prefix = f"/v1/apps/{app_id}/cloud_recording"
    if method is Method.ACQUIRE:
        return f"{prefix}/acquire"
    resource = f"{prefix}/resourceid/{_segment(resource_id)}"
    if method is Method.START:
        return f"{resource}/mode/{mode}/start"
    return f"{resource}/sid/{_segment(sid)}/mode/{mode}/{method}"


def _segment(text: str | None) -> str:
    if text is None or not text.strip("."):
        raise ValueError("an id in the path is empty")
    return quote(text, safe="")
