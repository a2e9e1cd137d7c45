"""How a request names a secret without carrying it: ``{"$secret": "name"}``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from recording_tasks.errors import InvalidInputError

KEY = "$secret"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)


def is_reference(value: object) -> bool:
    """Tell whether a value means to be a reference, well-formed or not."""
    return isinstance(value, Mapping) and KEY in value


def name_of(value: object) -> str | None:
    """Return the name in a well-formed reference, else None; as the settings spell it.

    A variable's name has no case, dot or hyphen to tell two secrets apart.
    """
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    name = value.get(KEY)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    return re.sub(r"[.-]", "_", name).lower()


def names_in(value: object) -> frozenset[str]:
    """Collect the names of all secrets that a request refers to."""
    return frozenset(_walk(value))


def _walk(value: object) -> Iterator[str]:
    if is_reference(value):
        if (name := name_of(value)) is not None:
            yield name
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _walk(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _walk(item)


def resolve(value: object, secrets: Mapping[str, str]) -> Any:
    """Copy a request with every reference replaced by its secret.

    Raises:
        InvalidInputError: Names every secret that is not there.
    """
    missing = sorted(names_in(value) - secrets.keys())
    if missing:
        raise InvalidInputError([f"request: no secret is named {name!r}" for name in missing])
    return _replaced(value, secrets)


def _replaced(value: object, secrets: Mapping[str, str]) -> Any:
    if (name := name_of(value)) is not None:
        return secrets[name]
    if isinstance(value, Mapping):
        return {key: _replaced(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(item, secrets) for item in value]
    return value
