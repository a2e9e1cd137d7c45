"""What the service says: codes with their HTTP status and text, as documented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_SESSION = {
    65: (206, "request not completed"),
    62: (504, "request timeout"),
    404: (404, "failed to find worker"),
    501: (404, "service is exiting"),
    500: (500, "internal_error"),
}
_ANY = {
    2: (400, "invalid parameter"),
    8: (400, "invalid request header, method or body"),
    432: (400, "request parameters do not match the resource id"),
    433: (400, "resource id expired"),
    1001: (400, "resource id cannot be decrypted"),
    1003: (400, "app id or sid does not match the resource id"),
    1013: (400, "invalid channel name"),
    1028: (400, "invalid layout parameters"),
}
DOCUMENTED: dict[str, dict[int, tuple[int, str]]] = {
    "acquire": {
        62: (400, "cloud recording is not enabled"),
        400: (400, "invalid_appid"),
        401: (400, "invalid_channel_name"),
        405: (400, "no_active_status"),
        406: (400, "vendor_over_load"),
        500: (500, "internal_error"),
        501: (500, "no_worker_manager_available"),
        504: (500, "allocate_timeout"),
    },
    "start": {
        7: (201, "already started"),
        15: (500, ""),
        53: (400, "task conflict"),
        62: (500, "request timeout"),
        65: (206, "request not completed"),
        502: (500, "Failed to allocate worker"),
    },
    "query": _SESSION,
    "update": _SESSION,
    "updateLayout": _SESSION,
    "stop": _SESSION
    | {
        49: (400, "invalid operation"),
        50: (206, "upload not finished in time"),
        435: (206, "no recorded data"),
    },
}
GATEWAY_TEXTS = {
    400: "appid is invalid",
    401: "Invalid authentication credentials",
    404: "no Route matched with those values",
    429: "API rate limit exceeded",
}
PROXY_PAGE = (
    "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer.

    Attributes:
        body: A dictionary is sent as JSON, a string as HTML.
        ready_at: The simulated instant before which it is not sent; None: at once.
        finish: Called when it is sent, for an answer that depends on what happened meanwhile.
    """

    status: int
    body: Json | str
    ready_at: float | None = None
    finish: Callable[[], Answer] | None = None

    @property
    def code(self) -> int | None:
        """The code in the body, where there is one."""
        return self.body.get("code") if isinstance(self.body, dict) else None


def refused(
    method: str, code: int, reason: str | None = None, *, status: int | None = None
) -> Answer:
    """The service's refusal; HTTP status and text as documented where not given."""
    known = DOCUMENTED.get(method, {}).get(code) or _ANY.get(code) or (400, "refused")
    text = known[1] if reason is None else reason
    return Answer(status=status or known[0], body={"code": code, "reason": text})


def gateway(status: int, message: str | None = None) -> Answer:
    """What the gateway before the service says."""
    return Answer(status=status, body={"message": message or GATEWAY_TEXTS[status]})


def proxy_page(status: int, text: str) -> Answer:
    """What a proxy on the way says, when the service is not reached."""
    return Answer(status=status, body=PROXY_PAGE.format(f"{status} {text}"))
