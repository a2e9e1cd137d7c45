"""Which storageConfig is accepted at once, and which turns out wrong later."""

from __future__ import annotations

import re
from typing import Any

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.shapes import (
    Fields,
    Shapes,
    is_filled,
    is_integer,
    is_object,
    is_text,
    one_of,
    within,
)

BAD_KEY = "bad-key"  # as accessKey or secretKey: accepted by start, found wrong later
BAD_BUCKET = "no-such-bucket"

_SELF_BUILT = 11
_MAX_PREFIX = 128
_PART = re.compile(r"[A-Za-z0-9]+")


def _is_vendor(value: Any) -> bool:
    return is_integer(value) and (0 <= value <= 8 or value == _SELF_BUILT)  # noqa: PLR2004


def _is_prefix(value: Any) -> bool:
    if type(value) is not list:
        return False
    if not all(type(part) is str and _PART.fullmatch(part) for part in value):
        return False
    return len("/".join(value)) + 1 <= _MAX_PREFIX


_STORAGE: Fields = {
    "vendor": _is_vendor,
    "region": within(0, 1000),
    "bucket": is_filled,
    "accessKey": is_filled,
    "secretKey": is_filled,
    "stsToken": is_text,
    "stsExpiration": within(0, 2**64 - 1),
    "fileNamePrefix": _is_prefix,
    "extensionParams": is_object,
}
_REQUIRED = ("vendor", "region", "bucket", "accessKey", "secretKey")
# One official client always sends sse and tag, empty where unused.
_EXTENSION: Fields = {"sse": one_of("", "kms", "aes256"), "tag": is_text, "endpoint": is_filled}


def storage_fault(where: str, storage: Any, shapes: Shapes) -> str | None:
    """What is wrong with the form of a storageConfig."""
    fault = shapes.fault(f"{where}: storageConfig", storage, _STORAGE, _REQUIRED)
    if fault is not None:
        return fault
    extension = storage.get("extensionParams", {})
    required = ("endpoint",) if storage["vendor"] == _SELF_BUILT else ()
    return shapes.fault(f"{where}: extensionParams", extension, _EXTENSION, required)


def is_refused_later(storage: Json) -> bool:
    """Whether the vendor will not take these keys, which start does not notice."""
    keys = (storage.get("accessKey"), storage.get("secretKey"))
    return BAD_KEY in keys or storage.get("bucket") == BAD_BUCKET
