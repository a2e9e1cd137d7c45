"""The layout of Agora's 007 token (AccessToken2) that lets one user join one channel.

The layout and its names are those of AgoraIO/Tools, DynamicKey/AgoraDynamicKey, AccessToken2 with
RtcTokenBuilder2's subscriber role; the tests hold it against the tokens that are published there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import zlib
from datetime import datetime, timedelta

_VERSION = "007"
_RTC_SERVICE = 1
_JOIN_CHANNEL = 1


def join_token(
    *,
    app_id: str,
    certificate: str,
    channel: str,
    uid: int,
    lifetime: timedelta,
    issued_at: datetime,
    salt: int,
) -> str:
    """Make the token with which a subscriber joins.

    Args:
        uid: 0 makes a token for any user of the channel.
        lifetime: Counted from `issued_at`, in whole seconds; Agora honours a day at most.
        salt: Any number of 32 bits; another one for every token.
    """
    issued, seconds = int(issued_at.timestamp()), int(lifetime.total_seconds())
    privileges = _short(1) + _short(_JOIN_CHANNEL) + _long(seconds)
    user = str(uid) if uid else ""
    service = _short(_RTC_SERVICE) + privileges + _text(channel.encode()) + _text(user.encode())
    head = _text(app_id.encode()) + _long(issued) + _long(seconds) + _long(salt)
    content = head + _short(1) + service
    key = _digest(_long(salt), _digest(_long(issued), certificate.encode()))
    signed = _text(_digest(key, content)) + content
    return _VERSION + base64.b64encode(zlib.compress(signed)).decode()


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)


def _short(number: int) -> bytes:
    return struct.pack("<H", number)


def _long(number: int) -> bytes:
    return struct.pack("<I", number)


def _text(content: bytes) -> bytes:
    return _short(len(content)) + content
