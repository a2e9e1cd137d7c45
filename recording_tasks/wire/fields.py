"""The kinds of value that Agora's requests are made of, and how each is refused."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from recording_tasks.wire.names import check_uid
from recording_tasks.wire.references import is_reference, name_of

ALL_STREAMS = "#allstream#"
MAX_LIST_UIDS = 32

_COLOR = re.compile(r"#[0-9A-Fa-f]{6}", re.ASCII)
_WELL_FORMED = 'a reference to a secret must be exactly {"$secret": "name"}'


class Part(BaseModel):
    """An object of a request: unknown keys and numbers in strings are faults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def _literal_or_reference(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if not is_reference(value):
        return handler(value)
    if name_of(value) is None:
        raise ValueError(_WELL_FORMED)
    return value


def _only_reference(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueError, and the type is right
            'is a secret and must not be given here: give {"$secret": "name"}, '
            "and its value in the settings"
        )
    return _literal_or_reference(value, handler)


def _is_web_url(text: str) -> str:
    return _with_scheme(text, {"http", "https"}, "must be an http or https URL")


def _is_rtmp_url(text: str) -> str:
    return _with_scheme(text, {"rtmp", "rtmps"}, "must be an rtmp or rtmps URL")


def _with_scheme(text: str, schemes: set[str], sentence: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ValueError(sentence) from error
    if parts.scheme.lower() not in schemes or not parts.hostname:
        raise ValueError(sentence)
    return text


def _is_color(text: str) -> str:
    if not _COLOR.fullmatch(text):
        raise ValueError("must be a colour like #00FF7F")
    return text


def _is_json_object(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError("must be a string that holds a JSON object") from error
    if not isinstance(value, dict):
        raise ValueError("must be a string that holds a JSON object")  # noqa: TRY004 - see above
    return text


def _is_user_uid(text: str) -> str:
    if check_uid(text):
        raise ValueError("must be a uid: a string of decimal digits from 1 to 4294967295")
    return text


def _is_user_uid_or_all(text: str) -> str:
    return text if text == ALL_STREAMS else _is_user_uid(text)


def _all_stands_alone(uids: list[str]) -> list[str]:
    if ALL_STREAMS in uids and len(uids) > 1:
        raise ValueError(f"{ALL_STREAMS} must stand alone")
    return uids


def _are_different(items: list[str]) -> list[str]:
    if len(set(items)) < len(items):
        raise ValueError("names one uid twice")
    return items


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("int_type", "must be a whole number")
    return value


WholeNumber = BeforeValidator(_whole_number)  # a choice of numbers would take true for 1
OrReference = WrapValidator(_literal_or_reference)

Text = Annotated[str, Field(min_length=1), OrReference]
AnyText = Annotated[str, OrReference]
Secret = Annotated[str, WrapValidator(_only_reference)]
WebUrl = Annotated[str, AfterValidator(_is_web_url), OrReference]
RtmpUrl = Annotated[str, AfterValidator(_is_rtmp_url), OrReference]
Color = Annotated[str, AfterValidator(_is_color), OrReference]
JsonText = Annotated[str, AfterValidator(_is_json_object), OrReference]
UserUid = Annotated[str, AfterValidator(_is_user_uid)]
UidList = Annotated[
    list[UserUid],
    Field(min_length=1, max_length=MAX_LIST_UIDS),
    AfterValidator(_are_different),
]
UidListOrAll = Annotated[
    list[Annotated[str, AfterValidator(_is_user_uid_or_all)]],
    Field(min_length=1, max_length=MAX_LIST_UIDS),
    AfterValidator(_are_different),
    AfterValidator(_all_stands_alone),
]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]  # of the canvas
