"""Which paths and verbs there are, and what a path says about a request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from recording_tasks.simulator.settings import Method

# One official client can put a service region before the path.
_APP = re.compile(r"(?:/(?:na|eu|ap|cn))?/v1/apps/(?P<app>[^/]+)/(?P<rest>.*)")
_ROUTE = re.compile(
    r"cloud_recording/(?:(?P<acquire>acquire)"
    r"|resourceid/(?P<resource_id>[^/]+)/(?:mode/(?P<start_mode>[^/]+)/(?P<start>start)"
    r"|sid/(?P<sid>[^/]+)/mode/(?P<mode>[^/]+)/(?P<other>query|update|updateLayout|stop)))"
)
_WITHOUT_SERVICE = re.compile(r"acquire|resourceid/.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What a path means.

    Attributes:
        app: The App ID whose quota it uses; empty where the path has none.
        method: None where there is no such route.
        lacks_service: Whether only ``cloud_recording`` is missing in it.
    """

    app: str = ""
    method: Method | None = None
    resource_id: str = ""
    sid: str = ""
    mode: str = ""
    lacks_service: bool = False


def parsed_path(path: str, verb: str) -> Path:
    """Read a path; case matters."""
    found = _APP.fullmatch(path)
    if found is None:
        return Path()
    app, rest = found["app"], found["rest"]
    route = _ROUTE.fullmatch(rest)
    if route is None:
        return Path(app=app, lacks_service=_WITHOUT_SERVICE.fullmatch(rest) is not None)
    name = route["acquire"] or route["start"] or route["other"]
    if verb != ("GET" if name == "query" else "POST"):
        return Path(app=app)
    return Path(
        app=app,
        method=cast("Method", name),
        resource_id=route["resource_id"] or "",
        sid=route["sid"] or "",
        mode=route["mode"] or route["start_mode"] or "",
    )
