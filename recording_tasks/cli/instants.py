"""How people write instants and durations: ISO 8601, epoch seconds, +10s, 1h30m."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d)"
_SPAN = re.compile(rf"(?:{_PART})+", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def instant_argument(text: str | None, now: datetime) -> str | float | None:
    """Turn what was typed into what a recording accepts; the rest is left for it to refuse.

    `+10s` or `+1h30m` is counted from now.
    """
    if text is None:
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.startswith("+") and (seconds := _span(text[1:])) is not None:
        try:
            return (now + timedelta(seconds=seconds)).isoformat()
        except OverflowError:
            return text
    return text


def duration_argument(text: str | None) -> str | float | None:
    """Turn 90, 90s or 1h30m into seconds; anything else is left to be refused."""
    if text is None:
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    seconds = _span(text)
    return text if seconds is None else seconds


def iso(instant: datetime | None) -> str | None:
    """Write an instant for programs: ISO 8601, UTC, milliseconds."""
    if instant is None:
        return None
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spoken(instant: datetime | None) -> str:
    """Write an instant for people: UTC, to the second."""
    if instant is None:
        return "-"
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def spoken_span(span: timedelta) -> str:
    """Write a duration for people: 12 ms, 4.2 s, 3 min 20 s, 2 h 5 min."""
    seconds = abs(span.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, hours, days = whole // 60 % 60, whole // 3600 % 24, whole // 86400
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (whole % 60, "s")]
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2])


def _span(text: str) -> float | None:
    if not _SPAN.fullmatch(text):
        return None
    return sum(float(count) * _SECONDS[unit] for count, unit in re.findall(_PART, text))
