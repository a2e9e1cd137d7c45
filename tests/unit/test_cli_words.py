from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import recording_tasks
from recording_tasks.cli.bucket import object_key
from recording_tasks.cli.instants import duration_argument, instant_argument, iso, spoken_span
from recording_tasks.cli.words import SENTENCES, sentence
from recording_tasks.models import Entry, File, SessionState
from recording_tasks.wire import StorageConfig

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
ROOMS = Path(recording_tasks.__file__).parent
EVENT = re.compile(r"""["']((?:session|recording)\.[a-z_]+)["']""")


def written_events() -> set[str]:
    files = [*ROOMS.glob("lifecycle/*.py"), *ROOMS.glob("recorder/*.py")]
    return {event for file in files for event in EVENT.findall(file.read_text())}


@pytest.mark.parametrize("event", sorted(written_events() - {"recording.called_off"}))
def test_every_event_of_a_timeline_has_a_sentence(event: str) -> None:
    """`explain` never falls back to a name."""
    assert event in SENTENCES


@pytest.mark.parametrize("state", [*SessionState])
def test_every_state_a_session_can_be_told_in_has_a_sentence(state: SessionState) -> None:
    """Starting is never told: it is the time between two lines."""
    assert (f"session.{state.value}" in SENTENCES) is (state is not SessionState.STARTING)


def test_a_reason_is_told_once() -> None:
    """Also where the sentence says it already."""
    known = Entry(at=NOW, event="session.failed", facts={"reason": "no uid"})
    unknown = Entry(at=NOW, event="session.puzzled", facts={"reason": "who knows"})

    assert sentence(known) == "the session never ran: no uid"
    assert sentence(unknown) == "session.puzzled: who knows"


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90", 90), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172800)],
)
def test_durations_are_read_as_people_write_them(typed: str, seconds: float) -> None:
    """Plain numbers are seconds."""
    assert duration_argument(typed) == seconds


@pytest.mark.parametrize("typed", ["", "h", "5 m", "5x", "m5", "1h 30m", "\uff11"])
def test_what_is_no_duration_is_left_to_be_refused(typed: str) -> None:
    """The recorder says what is wrong with it."""
    assert duration_argument(typed) == typed


def test_instants_are_read_as_people_write_them() -> None:
    """Counted from now, in epoch seconds, or as they are."""
    assert instant_argument("+90s", NOW) == (NOW + timedelta(seconds=90)).isoformat()
    assert instant_argument("1790000000", NOW) == 1790000000
    assert instant_argument("2026-11-21T09:00:00Z", NOW) == "2026-11-21T09:00:00Z"
    assert instant_argument(None, NOW) is None


def test_instants_are_written_for_programs_in_utc() -> None:
    """Milliseconds and a Z."""
    assert iso(datetime.fromisoformat("2026-11-21T10:00:00.123456+01:00")) == (
        "2026-11-21T09:00:00.123Z"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.012, "12 ms"), (4.24, "4.2 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (86400, "1 d")],
)
def test_spans_are_written_for_people(seconds: float, said: str) -> None:
    """Two units are enough."""
    assert spoken_span(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize("name", ["a.m3u8", "y2026/demo/a.m3u8"])
def test_a_file_is_named_by_its_place_in_the_bucket(name: str) -> None:
    """Whether Agora's answer carried the folders or not."""
    storage = StorageConfig.model_validate(
        {
            "vendor": 1,
            "region": 0,
            "bucket": "b",
            "access_key": "k",
            "secret_key": "s",
            "file_name_prefix": ["y2026", "demo"],
        }
    )

    assert object_key(File(name=name), storage) == "y2026/demo/a.m3u8"
    assert object_key(File(name=name), None) == name
