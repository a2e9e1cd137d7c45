"""A recorder joins with a token that is made for its start, and for nothing else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from request_examples import web

from recording_tasks.models import Mode, RecordingState, SessionState
from recording_tasks.recorder.calls import Caller
from recording_tasks.simulator import Simulator
from recording_tasks.tokens import join_token

CERTIFICATE = "CA11ab1eCA11ab1eCA11ab1eCA11ab1e"
WRONG = "0123456789abcdef0123456789abcdef"
INDIVIDUAL = {"recordingConfig": {"channelType": 1, "subscribeUidGroup": 0}}
WEB = web()
OWN = {"token": {"$secret": "mine"}}
MakeDesk = Callable[..., Desk]

PROVIDER = """
from datetime import UTC, datetime
from recording_tasks.tokens import join_token

asked = []

def make(*, app_id, channel, uid, lifetime):
    asked.append((app_id, channel, uid, lifetime))
    {first}
    return join_token(
        app_id=app_id, certificate={certificate!r}, channel=channel, uid=uid, lifetime=lifetime,
        issued_at=datetime.now(UTC), salt=len(asked),
    )
"""


@pytest.fixture
def certified(agora: Simulator) -> Simulator:
    """Agora, for a project with its App Certificate enabled."""
    agora.configure(app_certificate=CERTIFICATE)
    return agora


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a provider into the working directory; gives its dotted path."""
    monkeypatch.chdir(tmp_path)

    def write(first: str = "pass", *, certificate: str = CERTIFICATE) -> str:
        name = f"provider_{tmp_path.name.replace('-', '_')}"
        text = PROVIDER.format(first=first, certificate=certificate)
        (tmp_path / f"{name}.py").write_text(text)
        return f"{name}:make"

    return write


def desk_of(make_desk: MakeDesk, **environ: str) -> Desk:
    """Set up a desk whose clock agrees with Agora's."""
    desk = make_desk(**environ)
    desk.keep_agoras_time()
    return desk


def events_of(desk: Desk, recording_id: str, event: str) -> list[str]:
    lines = desk.store.timeline_of(recording_id)
    return [str(line.facts.get("reason")) for line in lines if line.event == event]


@pytest.mark.parametrize(("mode", "request_"), [("mix", {}), ("individual", INDIVIDUAL)])
def test_the_certificate_lets_the_recorder_in(
    make_desk: MakeDesk, certified: Simulator, mode: str, request_: dict[str, Any]
) -> None:
    """Ten minutes are recorded, in the mode that was asked for."""
    desk = desk_of(make_desk, AGORA_APP_CERTIFICATE=CERTIFICATE)

    recording = desk.until_final(desk.record(mode=mode, request=request_))

    assert (recording.state, recording.reason) == (RecordingState.STOPPED, "stopped on time")
    assert certified.report()["ended_by_cause"] == {"stopped": 1}


def test_a_web_page_is_recorded_without_a_token(make_desk: MakeDesk, certified: Simulator) -> None:
    """Agora refuses one there; the certificate is not used."""
    desk = desk_of(make_desk, AGORA_APP_CERTIFICATE=WRONG)

    recording = desk.until_final(desk.record(mode="web", request=WEB))

    assert recording.state is RecordingState.STOPPED


@pytest.mark.parametrize("environ", [{}, {"AGORA_APP_CERTIFICATE": WRONG}], ids=["none", "wrong"])
def test_without_the_right_certificate_the_reason_names_the_token(
    make_desk: MakeDesk, certified: Simulator, environ: dict[str, str]
) -> None:
    """Agora takes every start and forgets it: someone is told what may be wrong."""
    desk = desk_of(make_desk, **environ)

    recording = desk.until_final(desk.record(duration=7200), within=7000)

    assert recording.state is RecordingState.FAILED
    assert "a wrong or expired token" in str(recording.reason)
    assert set(certified.report()["ended_by_cause"]) == {"token"}


def test_a_session_that_takes_over_has_a_token_of_its_own(
    make_desk: MakeDesk, certified: Simulator
) -> None:
    """Its uid is another one, and it records to the end."""
    desk = desk_of(make_desk, AGORA_APP_CERTIFICATE=CERTIFICATE)
    recording_id = desk.record()
    desk.until_recording(recording_id)

    certified.disturb("kick")
    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert certified.report()["ended_by_cause"] == {"kicked": 1, "stopped": 1}


def test_a_token_lives_as_long_as_the_settings_say(
    make_desk: MakeDesk, certified: Simulator
) -> None:
    """Before it ends, another session with a new one takes over."""
    desk = desk_of(make_desk, AGORA_APP_CERTIFICATE=CERTIFICATE, RECORDING_TOKEN_SECONDS="300")
    recording_id = desk.record()

    recording = desk.until_final(recording_id)

    first = certified.sessions()[0]
    assert first["end_cause"] == "stopped"
    assert 200 < first["ended_at"] - first["started_at"] < 300
    assert recording.state is RecordingState.STOPPED
    assert len(desk.sessions(recording_id)) >= 2


@pytest.mark.parametrize("fault", ["lose_answer", "reset"])
def test_a_start_without_an_answer_is_repeated_with_a_new_token(
    make_desk: MakeDesk, certified: Simulator, fault: str
) -> None:
    """Whether the first was carried out or not, one session runs, and it is let in."""
    certified.fault("start", fault, times=1)
    desk = desk_of(make_desk, AGORA_APP_CERTIFICATE=CERTIFICATE)
    certified.configure(already_started_body="full")

    recording_id = desk.record()
    recording = desk.until_final(recording_id)

    starts = desk.calls("start")
    assert len(starts) >= 2
    assert len({start["resource_id"] for start in starts}) == 1
    assert recording.state is RecordingState.STOPPED
    assert certified.report()["ended_by_cause"] == {"stopped": 1}


def test_a_provider_is_asked_at_the_start_and_never_before(
    make_desk: MakeDesk, certified: Simulator, provider: Callable[..., str]
) -> None:
    """For exactly this App ID, channel and uid, and before the certificate."""
    path = provider()
    desk = desk_of(
        make_desk,
        RECORDING_TOKEN_PROVIDER=path,
        AGORA_APP_CERTIFICATE=WRONG,
        RECORDING_TOKEN_SECONDS="7200",
    )
    start_at = desk.clock.now + timedelta(seconds=60)
    recording_id = desk.record(start_at=start_at.isoformat())
    desk.go_on(57)
    assert path.partition(":")[0] not in sys.modules

    recording = desk.until_final(recording_id)

    (session,) = desk.sessions(recording_id)
    asked = sys.modules[path.partition(":")[0]].asked
    assert asked == [(certified.app_id, "lesson", int(session.uid), timedelta(seconds=7200))]
    assert recording.state is RecordingState.STOPPED


def test_a_provider_that_fails_is_asked_again(
    make_desk: MakeDesk,
    certified: Simulator,
    provider: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is sent meanwhile, and the error's text is told nowhere."""
    caplog.set_level(logging.DEBUG)
    path = provider("if len(asked) < 3: raise ConnectionError('canary')")
    desk = desk_of(make_desk, RECORDING_TOKEN_PROVIDER=path)

    recording_id = desk.record()
    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    assert len(desk.calls("start")) == 1
    told = events_of(desk, recording_id, "session.start_unanswered")
    assert told == ["not sent: token provider failed: ConnectionError"] * 2
    assert "token.failed" in caplog.text
    assert "canary" not in caplog.text


def test_a_provider_that_never_works_is_a_reason(
    make_desk: MakeDesk, certified: Simulator, provider: Callable[..., str]
) -> None:
    """The recording's end says what kept it from starting; Agora heard of no start."""
    desk = desk_of(make_desk, RECORDING_TOKEN_PROVIDER=provider("return None"))

    recording = desk.until_final(desk.record())

    assert recording.state in {RecordingState.MISSED, RecordingState.FAILED}
    assert recording.reason == "not sent: token provider failed: it gave no text"
    assert desk.calls("start") == []


def test_a_provider_that_hangs_costs_one_try(
    make_desk: MakeDesk, certified: Simulator, provider: Callable[..., str]
) -> None:
    """The worker goes on, and the next try works."""
    path = provider("import time; time.sleep(20 if len(asked) == 1 else 0)")
    desk = desk_of(make_desk, RECORDING_TOKEN_PROVIDER=path, RECORDING_TOKEN_TIMEOUT_SECONDS="0.2")

    recording_id = desk.record()
    recording = desk.until_final(recording_id)

    assert recording.state is RecordingState.STOPPED
    told = events_of(desk, recording_id, "session.start_unanswered")
    assert told == ["not sent: token provider failed: TimeoutError"]


def test_a_worker_without_the_provider_says_so(make_desk: MakeDesk, certified: Simulator) -> None:
    """It was taken away after the worker began: another worker may have it."""
    desk = desk_of(make_desk, RECORDING_TOKEN_PROVIDER="no_such_package:make")

    recording_id = desk.record(duration=30)
    recording = desk.until_final(recording_id)

    assert "RECORDING_TOKEN_PROVIDER: cannot be imported" in str(recording.reason)
    assert desk.calls("start") == []


def test_a_callers_own_token_is_used(make_desk: MakeDesk, certified: Simulator) -> None:
    """By the name of a secret; neither the provider nor the certificate is asked."""
    mine = join_token(
        app_id=certified.app_id,
        certificate=CERTIFICATE,
        channel="lesson",
        uid=77,
        lifetime=timedelta(hours=1),
        issued_at=desk_of(make_desk).clock.now,
        salt=1,
    )
    desk = desk_of(make_desk, AGORA_APP_CERTIFICATE=WRONG, RECORDING_SECRET__MINE=mine)

    recording = desk.until_final(desk.record(uid="77", request=OWN))

    assert recording.state is RecordingState.STOPPED
    assert certified.report()["ended_by_cause"] == {"stopped": 1}


def test_no_token_and_no_certificate_is_anywhere_but_on_the_wire(
    make_desk: MakeDesk, certified: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when Agora repeats another start's token in an answer."""
    caplog.set_level(logging.DEBUG)
    desk = desk_of(make_desk, AGORA_APP_CERTIFICATE=CERTIFICATE)
    strayed = join_token(
        app_id=certified.app_id,
        certificate=CERTIFICATE,
        channel="lesson",
        uid=7,
        lifetime=timedelta(hours=1),
        issued_at=desk.clock.now,
        salt=1,
    )
    recording_id = desk.record()
    desk.until_recording(recording_id)
    said = f"bad token {strayed} of {CERTIFICATE}"
    certified.fault("query", "refuse", code=2, reason=said, times=1)
    desk.go_on(200)
    desk.until_final(recording_id)

    assert any(
        "[hidden]" in told for told in events_of(desk, recording_id, "session.query_refused")
    )
    seen = [str(record.__dict__) for record in caplog.records]
    seen += [repr(desk.sessions(recording_id)), repr(desk.find(recording_id))]
    seen += [repr(entry) for entry in desk.store.timeline_of(recording_id)]
    seen += [file.read_bytes().decode("latin-1") for file in tmp_path.glob("recordings.db*")]
    for secret in ("007eJ", CERTIFICATE):
        assert [text[:300] for text in seen if secret in text] == []


@pytest.mark.parametrize(
    ("environ", "mode", "request_", "expected"),
    [
        ({}, Mode.MIX, {}, None),
        ({}, Mode.MIX, OWN, timedelta(hours=24)),
        ({"AGORA_APP_CERTIFICATE": CERTIFICATE}, Mode.MIX, {}, timedelta(seconds=600)),
        ({"AGORA_APP_CERTIFICATE": CERTIFICATE}, Mode.INDIVIDUAL, {}, timedelta(seconds=600)),
        ({"AGORA_APP_CERTIFICATE": CERTIFICATE}, Mode.INDIVIDUAL, OWN, timedelta(hours=24)),
        ({"AGORA_APP_CERTIFICATE": CERTIFICATE}, Mode.WEB, {}, None),
        ({"RECORDING_TOKEN_PROVIDER": "no_such:make"}, Mode.MIX, {}, timedelta(seconds=600)),
    ],
)
def test_how_long_a_token_lives_can_be_asked(
    make_desk: MakeDesk,
    environ: dict[str, str],
    mode: Mode,
    request_: dict[str, Any],
    expected: timedelta | None,
) -> None:
    """Before its start, and without making one; an app that is not there has none."""
    desk = make_desk(RECORDING_TOKEN_SECONDS="600", **environ)
    caller = Caller(desk.settings, desk.store.now)

    assert caller.token_lifetime("default", mode, request_) == expected


def test_a_certificate_is_its_apps_alone(make_desk: MakeDesk, certified: Simulator) -> None:
    """An app profile without one sends no token, and is let in where none is needed."""
    other = "f" * 32
    pair = {"customer_id": certified.customer_id, "customer_secret": certified.customer_secret}
    certified.configure(
        app_certificate=None,
        accounts=[
            {"app_id": certified.app_id, "app_certificate": CERTIFICATE, **pair},
            {"app_id": other, **pair},
        ],
    )
    desk = desk_of(
        make_desk,
        AGORA_APP__SCHOOL__APP_ID=other,
        AGORA_APP__SCHOOL__CUSTOMER_ID=certified.customer_id,
        AGORA_APP__SCHOOL__CUSTOMER_SECRET=certified.customer_secret,
        AGORA_APP_CERTIFICATE=CERTIFICATE,
    )
    ids = [desk.record(), desk.record(app="school")]

    states = {desk.until_final(one).state for one in ids}

    assert states == {RecordingState.STOPPED}
    assert {desk.latest(one).state for one in ids} == {SessionState.STOPPED}
