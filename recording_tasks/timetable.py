"""When a beat entry fired: the nominal instant, the same for every beat that fires it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from celery.schedules import BaseSchedule, crontab, maybe_schedule, schedule

_BEAT_HEADER = "celery_beat_task"
_FIRED = "recording_fired_at"
_BEGINS = "recording_begins_at"
_ENTRY = "recording_entry"
_DAYS_BACK = 8  # a crontab fires at least once a week, or its exact past instant matters to nobody


def with_fire_time(
    entries: Mapping[str, Any], task: str, args: Any, kwargs: Any, options: dict[str, Any]
) -> dict[str, Any]:
    """Stamp what a beat sends with its entry's name and the instant it fired for."""
    headers = dict(options.get("headers") or {})
    if not headers.get(_BEAT_HEADER) or _FIRED in headers:
        return options
    now = datetime.now(UTC)
    name, rule = _entry(entries, task, args, kwargs, now)
    headers[_FIRED] = nominal(rule, now).isoformat()
    if isinstance(rule, schedule) and not isinstance(rule, crontab):
        headers[_BEGINS] = now.isoformat()  # an interval is counted from the beat's own beginning
    headers[_ENTRY] = name
    return {**options, "headers": headers}


def fired_at(request: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Complete the arguments of a recording that a beat asked for.

    It begins at the instant the entry fired for, however late the beat was, and its key is made
    of the entry and that instant: two beats make one recording.  An interval has no instant that
    two beats share: it begins when the first of them fires.  Other calls stay as they are.
    """
    if not request.get(_BEAT_HEADER):
        return arguments
    fired = request.get(_FIRED) or nominal(None, datetime.now(UTC)).isoformat()
    entry = request.get(_ENTRY) or _fingerprint((), arguments)
    completed = dict(arguments)
    if completed.get("start_at") is None:
        completed["start_at"] = request.get(_BEGINS) or fired
    if completed.get("key") is None:
        completed["key"] = f"beat:{entry}:{fired}"
    return completed


def nominal(rule: object, now: datetime) -> datetime:
    """Find the latest instant, not after now, for which a schedule fires."""
    minute = now.replace(second=0, microsecond=0)
    if isinstance(rule, crontab):
        for back in range(_DAYS_BACK * 24 * 60):
            at = minute - timedelta(minutes=back)
            if any(_matches(rule, shown) for shown in _shown(at, rule.tz)):
                return at
        return minute
    if isinstance(rule, schedule) and rule.run_every >= timedelta(seconds=1):
        every = rule.run_every.total_seconds()
        return datetime.fromtimestamp(now.timestamp() // every * every, UTC)
    return minute


def _shown(at: datetime, zone: tzinfo) -> list[datetime]:
    """Tell what clocks show at an instant.

    In the hour after they were put forward, also what they would have shown: it is then that
    Celery fires for the times that were left out.
    """
    here = at.astimezone(zone)
    before = (at - timedelta(hours=1)).astimezone(zone).utcoffset()
    is_forward = before is not None and before < (here.utcoffset() or before)
    return [here, at.astimezone(timezone(before))] if is_forward and before is not None else [here]


def _matches(rule: crontab, at: datetime) -> bool:
    return (
        at.minute in rule.minute
        and at.hour in rule.hour
        and at.isoweekday() % 7 in rule.day_of_week
        and at.day in rule.day_of_month
        and at.month in rule.month_of_year
    )


def _entry(
    entries: Mapping[str, Any], task: str, args: Any, kwargs: Any, now: datetime
) -> tuple[str, object]:
    """Find the entry that a beat is firing: of several that ask for the same, the latest due.

    One that is in no schedule is named by its content.
    """
    found = [
        (name, _rule(entry.get("schedule")))
        for name, entry in entries.items()
        if entry.get("task") == task
        and tuple(entry.get("args") or ()) == tuple(args or ())
        and dict(entry.get("kwargs") or {}) == dict(kwargs or {})
    ]
    if len(found) > 1:
        found.sort(key=lambda one: nominal(one[1], now))
    return found[-1] if found else (_fingerprint(args or (), kwargs or {}), None)


def _rule(given: object) -> object:
    """Read a schedule, for which seconds may stand; Celery's own way takes its app from it."""
    return given if isinstance(given, BaseSchedule) else maybe_schedule(given)


def _fingerprint(args: Any, kwargs: Mapping[str, Any]) -> str:
    content = json.dumps([list(args), dict(kwargs)], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
