"""What a caller's request must fulfil before anything of it is stored or sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recording_tasks.models import Mode
from recording_tasks.wire.faults import check_model
from recording_tasks.wire.requests import SERVICE_PARAMS, Layout, request_model, update_model
from recording_tasks.wire.rules import (
    canvas_rules,
    request_rules,
    services_of,
    start_rules,
    update_rules,
)

_PATH = "request"
_OTHER_SPELLING = {
    f"unsubscribe{medium}Uids": f"unSubscribe{medium}Uids" for medium in ("Audio", "Video")
}


def check_request(mode: Mode, request: object) -> list[str]:
    """List every fault of what a caller gives for a recording; none is sent, none is stored."""
    if not isinstance(request, Mapping):
        return [f"{_PATH}: must be an object"]
    plain = canonical(request)
    faults = check_model(request_model(mode), plain, _PATH)
    faults += _service_faults(plain)
    return _once(faults + list(request_rules(mode, plain, _PATH)))


def check_update(
    mode: Mode, request: object, started_with: Mapping[str, Any] | None = None
) -> list[str]:
    """List every fault of what a caller gives to update a running recording.

    With the request that it was started with, those between the two as well.
    """
    if not isinstance(request, Mapping):
        return [f"{_PATH}: must be an object"]
    plain = canonical(request)
    faults = check_model(update_model(mode), plain, _PATH)
    faults += update_rules(mode, plain, _PATH)
    if started_with is not None:
        faults += start_rules(started_with, plain, _PATH)
    return _once(faults)


def check_layout(request: object) -> list[str]:
    """List every fault of a new layout; it replaces the old one as a whole (mix only)."""
    if not isinstance(request, Mapping):
        return [f"{_PATH}: must be an object"]
    return _once(check_model(Layout, request, _PATH) + list(canvas_rules(request, _PATH)))


def canonical(value: Any) -> Any:
    """Copy a request into plain JSON types, with the one spelling of the unsubscribe lists.

    Agora's own pages disagree about ``unSubscribe`` and ``unsubscribe``; both are taken.
    """
    if isinstance(value, Mapping):
        return {_spelled(key, value): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return value


def _spelled(key: Any, owner: Mapping[Any, Any]) -> Any:
    other = _OTHER_SPELLING.get(key) if isinstance(key, str) else None
    return other if other is not None and other not in owner else key


def _service_faults(request: Mapping[str, Any]) -> list[str]:
    faults: list[str] = []
    for index, name, param in services_of(request):
        model = SERVICE_PARAMS.get(name)
        if model is not None and isinstance(param, Mapping):
            where = f"{_PATH}.extensionServiceConfig.extensionServices[{index}].serviceParam"
            faults += check_model(model, param, where)
    return faults


def _once(faults: list[str]) -> list[str]:
    """Two rules may tell the same; a key that belongs elsewhere has the better sentence."""
    told = {fault.split(": ", 1)[0] for fault in faults if "is not known here" not in fault}
    kept = [
        fault
        for fault in faults
        if "is not known here" not in fault or fault.split(": ", 1)[0] not in told
    ]
    return list(dict.fromkeys(kept))
