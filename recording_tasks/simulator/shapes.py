"""How a JSON value is checked: which fields an object may have, and what each accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Accepts = Callable[[Any], bool]
Fields = Mapping[str, Accepts]

MAX_UID = 4_294_967_295
MAX_UIDS = 32
ALL_STREAMS = ["#allstream#"]

_UID = re.compile(r"[1-9][0-9]{0,9}")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def is_object(value: Any) -> bool:
    """Whether it is a JSON object."""
    return type(value) is dict


def is_bool(value: Any) -> bool:
    """Whether it is true or false."""
    return type(value) is bool


def is_text(value: Any) -> bool:
    """Whether it is a string, empty or not."""
    return type(value) is str


def is_filled(value: Any) -> bool:
    """Whether it is a string with something in it."""
    return type(value) is str and value != ""


def is_integer(value: Any) -> bool:
    """Whether it is a whole number; true and 1.0 are not."""
    return type(value) is int


def is_uid(value: Any) -> bool:
    """Whether it is a decimal string from 1 to 4294967295."""
    return type(value) is str and _UID.fullmatch(value) is not None and int(value) <= MAX_UID


def is_color(value: Any) -> bool:
    """Whether it reads #RRGGBB."""
    return type(value) is str and _COLOR.fullmatch(value) is not None


def is_url(value: Any) -> bool:
    """Whether it is an HTTP(S) URL."""
    return type(value) is str and value.startswith(("http://", "https://"))


def is_uid_list(value: Any) -> bool:
    """Whether it names 1 to 32 UIDs."""
    return type(value) is list and 0 < len(value) <= MAX_UIDS and all(map(is_uid, value))


def is_subscription(value: Any) -> bool:
    """Whether it names 1 to 32 UIDs, or all streams."""
    return value == ALL_STREAMS or is_uid_list(value)


def within(low: float, high: float) -> Accepts:
    """Accept whole numbers of a range, both ends included."""
    return lambda value: type(value) is int and low <= value <= high


def fraction(value: Any) -> bool:
    """Whether it is a number from 0 to 1."""
    return type(value) in (int, float) and 0 <= value <= 1


def one_of(*values: Any) -> Accepts:
    """Accept these values; 1 and true are different."""
    return lambda value: any(value == v and type(value) is type(v) for v in values)


def list_of(accepts: Accepts, *, longest: int | None = None) -> Accepts:
    """Accept lists whose items are all accepted."""
    return lambda value: (
        type(value) is list
        and (longest is None or len(value) <= longest)
        and all(map(accepts, value))
    )


class Shapes:
    """Checks objects; ``strict`` refuses fields that no document names."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict

    def fault(
        self, where: str, value: Any, fields: Fields, required: Sequence[str] = ()
    ) -> str | None:
        """The first thing that is wrong with an object, in the service's manner."""
        if type(value) is not dict:
            return f"{where}: invalid body, an object is expected!"
        for name in required:
            if name not in value:
                return f"{where}: {name} is required!"
        for name, item in value.items():
            accepts = fields.get(name)
            if accepts is None:
                if self._strict:
                    return f"{where}: unknown field {name}!"
            elif not accepts(item):
                return f"{where}: invalid {name} value!"
        return None

    def fault_of_items(
        self, where: str, values: Sequence[Any], fields: Fields, required: Sequence[str] = ()
    ) -> str | None:
        """The first thing that is wrong with any object of a list."""
        faults = (self.fault(where, value, fields, required) for value in values)
        return next((fault for fault in faults if fault), None)
