"""What Agora calls its methods, and which channel names and recorder uids it takes."""

from __future__ import annotations

import re
from enum import StrEnum

from recording_tasks.models import Mode

RTC_CHANNEL_BYTES = 63  # "less than 64 bytes"
WEB_CHANNEL_BYTES = 128  # the lower of the two limits that Agora prints
HIGHEST_UID = 4_294_967_295

_CHANNEL_SIGNS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$%&()+-:;<=.>?@[]^_{}|~,"
)
_DECIMAL = re.compile(r"[0-9]{1,20}", re.ASCII)


class Method(StrEnum):
    """Agora's six methods, as it spells them in paths."""

    ACQUIRE = "acquire"
    START = "start"
    QUERY = "query"
    UPDATE = "update"
    UPDATE_LAYOUT = "updateLayout"
    STOP = "stop"


def check_channel(channel: object, mode: Mode) -> list[str]:
    """List what Agora would refuse in a channel name.

    In web mode the name is only a label of the session, so any sign may stand in it.
    """
    if not isinstance(channel, str):
        return ["channel: must be a string"]
    if not channel:
        return ["channel: is empty"]
    try:
        size = len(channel.encode())
    except UnicodeEncodeError:
        return ["channel: is not valid Unicode"]
    faults = []
    limit = WEB_CHANNEL_BYTES if mode is Mode.WEB else RTC_CHANNEL_BYTES
    if size > limit:
        faults.append(f"channel: has {size} bytes, at most {limit} are allowed")
    foreign = sorted(set(channel) - _CHANNEL_SIGNS)
    if foreign and mode is not Mode.WEB:
        shown = " ".join(ascii(sign) for sign in foreign[:5])
        faults.append(f"channel: these characters are not allowed: {shown}")
    return faults


def check_uid(uid: object) -> list[str]:
    """List what Agora would refuse in a recorder's uid, given as a number or a decimal string."""
    if isinstance(uid, bool) or not isinstance(uid, int | str):
        return ["uid: must be a whole number, or a string of decimal digits"]
    if isinstance(uid, str) and not _DECIMAL.fullmatch(uid):
        return ["uid: must be a string of decimal digits"]
    if isinstance(uid, str) and uid != "0" and uid.startswith("0"):
        return ["uid: has a leading zero"]
    number = int(uid)
    if number == 0:
        return ["uid: 0 means 'choose one for me' in Agora's SDKs; a recorder needs one of its own"]
    if not 0 < number <= HIGHEST_UID:
        return [f"uid: must be from 1 to {HIGHEST_UID}"]
    return []


def uid_text(uid: int | str) -> str:
    """Spell a checked uid as the wire wants it."""
    return str(int(uid))
