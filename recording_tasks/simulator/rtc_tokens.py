"""Whom a 007 token lets into which channel, until when: read and checked with the certificate."""

from __future__ import annotations

import binascii
import hmac
import zlib
from base64 import b64decode
from dataclasses import dataclass
from struct import error as StructError  # noqa: N812
from struct import unpack_from

DAY = 86_400  # longer lives are cut to it

_VERSION = "007"
_RTC, _JOIN = 1, 1
_TEXTS_OF_SERVICE = {_RTC: 2, 2: 1, 3: 2, 4: 0, 5: 1}
_LARGEST = 10_000  # bytes, unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What stands in a token; ``join_seconds`` is None where it lets nobody join.

    Attributes:
        content: What was signed.
    """

    signature: bytes
    content: bytes
    app: str
    issued_at: int
    seconds: int
    salt: int
    cname: str
    uid: str
    join_seconds: int | None


def expiry(token: str, *, certificate: str, app: str, cname: str, uid: str) -> float | None:
    """The Unix time at which a token lets this user in no more; None when it never does."""
    found = read(token)
    if found is None or found.join_seconds is None or not _is_genuine(found, certificate):
        return None
    if (found.app, found.cname) != (app, cname) or found.uid not in ("", uid):
        return None
    lives = min(found.seconds, found.join_seconds or found.seconds, DAY)  # 0: as the token
    return float(found.issued_at + lives)


def read(token: str) -> Token | None:
    """Take a token apart; None when it is not one of this version, or not one at all."""
    if not token.startswith(_VERSION):
        return None
    try:
        packed = b64decode(token[len(_VERSION) :], validate=True)
        return _taken_apart(zlib.decompressobj().decompress(packed, _LARGEST))
    except (binascii.Error, ValueError, zlib.error, StructError, KeyError):
        return None


def _is_genuine(token: Token, certificate: str) -> bool:
    by_time = hmac.digest(_four_bytes(token.issued_at), certificate.encode(), "sha256")
    by_salt = hmac.digest(_four_bytes(token.salt), by_time, "sha256")
    signature = hmac.digest(by_salt, token.content, "sha256")
    return hmac.compare_digest(signature, token.signature)


def _four_bytes(number: int) -> bytes:
    return number.to_bytes(4, "little")


def _taken_apart(raw: bytes) -> Token:
    reader = _Reader(raw)
    signature = reader.text()
    content = raw[reader.at :]
    app, issued_at, seconds, salt = reader.text(), reader.long(), reader.long(), reader.long()
    cname, uid, join_seconds = b"", b"", None
    for _ in range(reader.short()):
        service = reader.short()
        privileges = {reader.short(): reader.long() for _ in range(reader.short())}
        texts = [reader.text() for _ in range(_TEXTS_OF_SERVICE[service])]
        if service == _RTC:
            (cname, uid), join_seconds = texts, privileges.get(_JOIN)
    return Token(
        signature=signature,
        content=content,
        app=app.decode(),
        issued_at=issued_at,
        seconds=seconds,
        salt=salt,
        cname=cname.decode(),
        uid=uid.decode(),
        join_seconds=join_seconds,
    )


class _Reader:
    """Reads one value after the other; raises struct's error at the end."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self.at = raw, 0

    def short(self) -> int:
        (number,) = unpack_from("<H", self._raw, self.at)
        self.at += 2
        return int(number)

    def long(self) -> int:
        (number,) = unpack_from("<I", self._raw, self.at)
        self.at += 4
        return int(number)

    def text(self) -> bytes:
        (found,) = unpack_from(f"{self.short()}s", self._raw, self.at)
        self.at += len(found)
        return bytes(found)
