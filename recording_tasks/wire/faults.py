"""How a fault of a request is told: its path as the caller wrote it, and one plain sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_UNITS = {
    "bitrate": " kbps",
    "videoBitrate": " kbps",
    "maxIdleTime": " seconds",
    "captureInterval": " seconds",
    "readyTimeout": " seconds",
    "maxVideoDuration": " minutes",
    "maxRecordingHour": " hours",
    "resourceExpiredHour": " hours",
    "width": " pixels",
    "height": " pixels",
    "videoWidth": " pixels",
    "videoHeight": " pixels",
    "videoFps": " frames a second",
}
_SHOWN_STRINGS = frozenset(
    {"serviceName", "errorHandlePolicy", "apiVersion", "region", "streamMode", "avFileType"}
    | {"fileType"}
)
_WRONG_TYPES = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "a string"}
_LONGEST_SHOWN = 40


def check_model(model: type[BaseModel], value: object, path: str) -> list[str]:
    """List every fault of a value against a model, the nulls in it first."""
    faults = [f"{where}: is null; leave it out instead" for where in _nulls(value, path)]
    try:
        model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults += [_line(model, path, item) for item in details if not _is_null(item)]
    return faults


def _is_null(item: ErrorDetails) -> bool:
    return item["input"] is None and item["type"] != "missing"


def _nulls(value: object, path: str) -> Iterator[str]:
    if value is None:
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _nulls(item, f"{path}.{_shown_key(key)}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _nulls(item, f"{path}[{index}]")


def _line(model: type[BaseModel], path: str, item: ErrorDetails) -> str:
    where = path + "".join(
        f"[{part}]" if isinstance(part, int) else f".{_shown_key(part)}" for part in item["loc"]
    )
    return f"{where}: {_sentence(model, item)}"


def _shown_key(key: object) -> str:
    text = str(key)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _sentence(model: type[BaseModel], item: ErrorDetails) -> str:
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    name = next((part for part in reversed(item["loc"]) if isinstance(part, str)), "")
    if kind in _WRONG_TYPES:
        return f"{_WRONG_TYPES[kind]}, not {_kind_of(value)}"
    match kind:
        case "missing":
            return "is required"
        case "invalid_key":
            return "is a key, and must be a string"
        case "extra_forbidden":
            return "is not known here" + _suggestion(model, item["loc"])
        case "greater_than_equal":
            return f"{value} is below {context['ge']}{_UNITS.get(name, '')}"
        case "less_than_equal":
            return f"{value} is above {context['le']}{_UNITS.get(name, '')}"
        case "literal_error":
            expected = context["expected"]
            among = "one of " if " or " in expected else ""
            return f"{_shown(value, name)} is not {among}{expected}"
        case "too_long":
            return f"has {context['actual_length']} items, at most {context['max_length']}"
        case "too_short" | "string_too_short":
            return "is empty"
        case "value_error":
            return str(context["error"])
    return item["msg"]


def _kind_of(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, float) and not isinstance(value, bool):
        return str(value)
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _shown(value: object, name: str) -> str:
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, str) and name in _SHOWN_STRINGS and len(value) <= _LONGEST_SHOWN:
        return repr(value)
    return f"{_kind_of(value)}: it"


def _suggestion(model: type[BaseModel], loc: Sequence[int | str]) -> str:
    owner = _model_at(model, loc[:-1])
    if owner is None:
        return ""
    return suggest(str(loc[-1]), owner.model_fields)


def suggest(wrong: str, known: Mapping[str, Any]) -> str:
    """Say which known name was probably meant, if one is near."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(wrong.lower(), by_lower, n=1, cutoff=0.7)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def _model_at(model: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel] | None:
    owner: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, str) and owner is not None:
            field = owner.model_fields.get(part)
            owner = _model_in(field.annotation) if field is not None else None
    return owner


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in get_args(annotation))
    return next((model for model in found if model is not None), None)
