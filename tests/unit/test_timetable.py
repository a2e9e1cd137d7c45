"""When a beat entry fired: one instant and one key, whichever beat sent it and however late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.schedules import crontab, schedule

from recording_tasks.timetable import fired_at, nominal, with_fire_time

BERLIN = ZoneInfo("Europe/Berlin")
HEADERS = {"headers": {"celery_beat_task": True}}
RECORD = "recording_tasks.record"
LESSON = {"channel": "lesson", "duration": 3600}


@pytest.fixture
def celery() -> Celery:
    """An application whose crontabs are in the time of Berlin."""
    app = Celery("timetable", set_as_current=False)
    app.conf.timezone = "Europe/Berlin"
    return app


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def entry(rule: object, **kwargs: Any) -> dict[str, Any]:
    return {"task": RECORD, "schedule": rule, "kwargs": kwargs or LESSON}


def stamped(entries: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    headers: dict[str, Any] = with_fire_time(entries, RECORD, None, kwargs or LESSON, HEADERS)[
        "headers"
    ]
    return headers


def test_a_crontab_fires_for_its_minute(celery: Celery) -> None:
    """Seconds of delay do not change what it fired for."""
    rule = crontab(hour=9, minute=0, app=celery)

    fired = [nominal(rule, at(f"2026-11-21T09:00:{second}+01:00")) for second in ("00", "03", "59")]

    assert set(fired) == {at("2026-11-21T09:00:00+01:00")}


def test_a_beat_that_was_away_fires_for_the_instant_it_missed(celery: Celery) -> None:
    """Up again at 9:20, the lesson of 9:00 is recorded from its nominal start on."""
    rule = crontab(hour=9, minute=0, app=celery)

    fired = nominal(rule, at("2026-11-21T09:20:17+01:00"))

    assert fired == at("2026-11-21T09:00:00+01:00")


@pytest.mark.parametrize(
    ("rule", "fired"),
    [
        (crontab(hour=9, minute=0, day_of_week="fri"), "2026-11-20T09:00:00+01:00"),
        (crontab(hour=9, minute=0, day_of_week="sun"), "2026-11-15T09:00:00+01:00"),
        (crontab(hour="*/6", minute=30), "2026-11-21T06:30:00+01:00"),
        (crontab(hour=9, minute=0, day_of_month=18, month_of_year=11), "2026-11-18T09:00:00+01:00"),
    ],
)
def test_every_field_of_a_crontab_counts(celery: Celery, rule: crontab, fired: str) -> None:
    """It is the latest instant before Saturday noon that all of them name."""
    rule.app = celery

    assert nominal(rule, at("2026-11-21T12:00:00+01:00")) == at(fired)


def test_a_crontab_follows_its_zone_over_the_year(celery: Celery) -> None:
    """Nine o'clock in Berlin is 7 UTC in summer and 8 UTC in winter."""
    rule = crontab(hour=9, minute=0, app=celery)

    fired = [nominal(rule, at(f"{day}T12:00:00+00:00")) for day in ("2026-07-01", "2026-12-01")]

    assert [instant.hour for instant in fired] == [7, 8]


def test_a_time_that_clocks_leave_out_in_spring_fires_for_its_day(celery: Celery) -> None:
    """2:30 does not exist on 29 March; Celery fires at 3:30, and that is no repeat of Saturday."""
    rule = crontab(hour=2, minute=30, app=celery)

    fired = nominal(rule, at("2026-03-29T03:30:05+02:00"))

    assert fired == at("2026-03-29T03:30:00+02:00")


def test_hours_that_clocks_show_twice_in_autumn_are_two_hours(celery: Celery) -> None:
    """Every hour has its own instant and its own key on 25 October."""
    rule = crontab(minute=0, app=celery)

    fired = [nominal(rule, at(f"2026-10-25T0{hour}:00:02+00:00")) for hour in range(4)]

    assert fired == [at(f"2026-10-25T0{hour}:00:00+00:00") for hour in range(4)]


def test_celery_and_we_agree_when_a_crontab_fires(celery: Celery) -> None:
    """Through both changes of the clocks: what fires now, fired for a time not long ago."""
    for day in ("2026-03-28T20:00:00+00:00", "2026-10-24T20:00:00+00:00"):
        for rule in (crontab(hour=2, minute=30), crontab(minute=0), crontab(hour=3, minute=0)):
            assert_agreement(celery, rule, at(day))


def assert_agreement(celery: Celery, rule: crontab, begin: datetime) -> None:
    clock = {"now": begin}
    rule.app = celery
    rule.nowfun = lambda: clock["now"].astimezone(BERLIN)
    last, keys = begin - timedelta(minutes=1), []
    while clock["now"] < begin + timedelta(hours=12):
        is_due, _ = rule.is_due(last)
        if is_due:
            last = clock["now"]
            fired = nominal(rule, clock["now"])
            keys.append(fired)
            assert clock["now"] - fired < timedelta(minutes=1), f"{rule} at {clock['now']}"
        clock["now"] += timedelta(seconds=30)
    assert len(set(keys)) == len(keys)


def test_an_interval_fires_for_a_multiple_of_itself() -> None:
    """Two beats that began at different times share its instants."""
    rule = schedule(timedelta(minutes=15))

    fired = [nominal(rule, at(f"2026-11-21T09:{minute}:00+00:00")) for minute in (15, 22, 29)]

    assert set(fired) == {at("2026-11-21T09:15:00+00:00")}


def test_what_an_interval_asks_for_begins_when_it_fires(celery: Celery) -> None:
    """Not at the multiple that makes its key: that may be over, where it is short."""
    headers = stamped({"lesson": entry(schedule(timedelta(days=1), app=celery))})

    completed = fired_at({"celery_beat_task": True, **headers}, LESSON)

    begins = datetime.fromisoformat(completed["start_at"])
    assert abs(datetime.now(UTC) - begins) < timedelta(minutes=1)
    assert completed["key"] == f"beat:lesson:{headers['recording_fired_at']}"
    assert headers["recording_fired_at"].endswith("T00:00:00+00:00")


def test_the_entry_that_fires_is_meant_where_several_ask_for_the_same(celery: Celery) -> None:
    """The same lesson at nine and at six: the second is not taken for the first one's."""
    now = datetime.now(UTC).astimezone(BERLIN)
    before = now - timedelta(minutes=30)
    entries = {
        "this": entry(crontab(hour=now.hour, minute=now.minute, app=celery)),
        "before": entry(crontab(hour=before.hour, minute=before.minute, app=celery)),
    }

    for order in (entries, dict(reversed(entries.items()))):
        headers = stamped(order)
        fired = datetime.fromisoformat(headers["recording_fired_at"])
        assert headers["recording_entry"] == "this"
        assert fired == now.replace(second=0, microsecond=0)


def test_two_beats_send_the_same_stamp(celery: Celery) -> None:
    """So the same key, and one recording."""
    entries = {"lesson": entry(crontab(minute="*", app=celery))}

    first, second = stamped(entries), stamped(dict(entries))

    assert first["recording_entry"] == "lesson"
    assert first["recording_entry"] == second["recording_entry"]
    fired = [datetime.fromisoformat(h["recording_fired_at"]) for h in (first, second)]
    assert fired[1] - fired[0] in {timedelta(0), timedelta(minutes=1)}  # a minute may just turn


def test_the_stamp_becomes_start_and_key() -> None:
    """The recording begins at the nominal instant; entry and instant make its key."""
    request = {
        "celery_beat_task": True,
        "recording_fired_at": "2026-11-21T08:00:00+00:00",
        "recording_entry": "lesson",
    }

    completed = fired_at(request, LESSON)

    assert completed == {
        **LESSON,
        "start_at": "2026-11-21T08:00:00+00:00",
        "key": "beat:lesson:2026-11-21T08:00:00+00:00",
    }


def test_what_an_entry_says_itself_stays() -> None:
    """A start or a key of its own is not overwritten."""
    request = {"celery_beat_task": True, "recording_fired_at": "x", "recording_entry": "e"}
    own = {**LESSON, "start_at": 7, "key": "mine"}

    assert fired_at(request, own) == own


def test_a_call_that_no_beat_sent_stays_as_it_is(celery: Celery) -> None:
    """A plain send_task keeps its meaning, at both ends."""
    options: dict[str, Any] = {"headers": {"mine": 1}}

    assert with_fire_time({}, RECORD, None, LESSON, options) is options
    assert fired_at({}, LESSON) is LESSON


def test_a_stamp_is_given_once() -> None:
    """A message that is sent again keeps the instant that it was made for."""
    options = {"headers": {"celery_beat_task": True, "recording_fired_at": "then"}}

    assert with_fire_time({}, RECORD, None, LESSON, options) is options


def test_entries_of_equal_content_under_other_names_are_told_apart_by_content(
    celery: Celery,
) -> None:
    """An entry that is not in the schedule is named by what it asks for."""
    one, other = stamped({}), stamped({}, channel="another", duration=60)

    assert one["recording_entry"] != other["recording_entry"]
    assert one["recording_entry"] == stamped({})["recording_entry"]
