"""A recording's life in a test: its sessions, its clock, and what Agora answers to each call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from recording_tasks.errors import Remedy
from recording_tasks.lifecycle import (
    Answer,
    Call,
    Change,
    Moment,
    Refused,
    Rules,
    first_session,
    lapsed,
    settle,
    step_at,
)
from recording_tasks.models import (
    Acquired,
    Entry,
    Mode,
    Observed,
    OnEarlyExit,
    Recording,
    RecordingState,
    Session,
    SessionState,
    Started,
    Step,
)

NINE = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
RULES = Rules()
RECORDS = Observed(status=5)


def seconds(count: float) -> timedelta:
    """Name a duration."""
    return timedelta(seconds=count)


def order(**changes: Any) -> Recording:
    """Give a recording from nine to ten, as it was accepted a minute before."""
    values: dict[str, Any] = {
        "id": "r",
        "key": None,
        "app": "default",
        "channel": "lesson",
        "mode": Mode.MIX,
        "uid": None,
        "start_at": NINE,
        "stop_at": NINE + timedelta(hours=1),
        "storage": "default",
        "request": {},
        "on_early_exit": OnEarlyExit.RESTART,
        "notify": {},
        "labels": {},
        "state": RecordingState.SCHEDULED,
        "reason": None,
        "created_at": NINE - seconds(60),
        "session_count": 1,
    }
    return Recording(**(values | changes))


def refusal(remedy: Remedy, *, may_have_run: bool = False, was_reached: bool = False) -> Refused:
    """Give an answer that is not a success."""
    return Refused(
        remedy=remedy,
        reason=f"refused: {remedy}",
        may_have_run=may_have_run,
        was_reached=was_reached,
    )


NOT_FOUND = refusal(Remedy.SUSPECT)
NO_ANSWER = refusal(Remedy.SAME_AGAIN, may_have_run=True)


@dataclass
class Life:
    """One recording with all its sessions, moved on by answers."""

    recording: Recording = field(default_factory=order)
    rules: Rules = RULES
    now: datetime = NINE - seconds(2)
    sessions: dict[int, Session] = field(default_factory=dict)
    timeline: list[Entry] = field(default_factory=list)
    last: Change | None = None

    def __post_init__(self) -> None:
        self.sessions = {1: first_session(self.recording, "r-1", "1000", self.rules)}

    @property
    def session(self) -> Session:
        """The latest session."""
        return self.sessions[max(self.sessions)]

    @property
    def events(self) -> list[str]:
        """The names of the timeline's lines."""
        return [entry.event for entry in self.timeline]

    def moment(self) -> Moment:
        """Give the rules this instant, with a uid that nobody has."""
        uid = str(1000 + len(self.sessions))
        return Moment(now=self.now, rules=self.rules, spare_uid=uid)

    def apply(self, change: Change) -> Change:
        """Take in what a rule made."""
        self.recording, self.last = change.recording, change
        self.sessions[change.session.number] = change.session
        if change.successor is not None:
            self.sessions[change.successor.number] = change.successor
        self.timeline += change.entries
        return change

    def put(self, **changes: Any) -> None:
        """Change the latest session by hand."""
        self.sessions[self.session.number] = replace(self.session, **changes)

    def wait(self, count: float) -> Life:
        """Let time pass."""
        self.now += seconds(count)
        return self

    def until_due(self) -> Life:
        """Let time pass until the latest session needs something."""
        session = self.session
        runs = {SessionState.STARTED, SessionState.RECORDING}
        due_at = session.due_at
        if session.state in runs and session.stop_at is not None:
            due_at = min(due_at, session.stop_at)
        self.now = max(self.now, due_at)
        return self

    def step(self) -> Step:
        """What the latest session needs now."""
        return step_at(self.session, self.now, self.rules)

    def sending(self, step: Step) -> Session:
        """Put the latest session's call on its way, as a worker does before it sends."""
        session = replace(
            self.session,
            epoch=self.session.epoch + 1,
            claimed=step,
            slot_at=self.now,
            lease_until=self.now + seconds(15),
            is_sending=True,
            start_sent_at=self.now if step is Step.START else self.session.start_sent_at,
        )
        self.sessions[session.number] = session
        return session

    def call(self, answer: Answer, *, expect: Step | None = None, version: int = 0) -> Change:
        """Make the call that is needed now, and take in its answer."""
        step = self.step()
        assert expect is None or step is expect, f"needs {step}, not {expect}"
        session = self.sending(step)
        call = Call(step=step, answer=answer, version=version)
        return self.apply(settle(self.recording, session, call, self.moment()))

    def lapse(self) -> Change:
        """Settle the latest session without a call."""
        return self.apply(lapsed(self.recording, self.session, self.moment()))

    def acquire(self) -> Life:
        """Get a resource at its time."""
        self.until_due()
        resource_id = f"resource-{self.session.number}-{self.session.epoch}"
        self.call(Acquired(resource_id=resource_id), expect=Step.ACQUIRE)
        return self

    def start(self) -> Life:
        """Get a sid at its time."""
        self.until_due()
        self.call(Started(sid=f"sid-{self.session.number}"), expect=Step.START)
        return self

    def confirm(self) -> Life:
        """See it record at the first query."""
        self.until_due()
        self.call(RECORDS, expect=Step.QUERY)
        return self

    def run(self) -> Life:
        """Go on until it records."""
        return self.acquire().start().confirm()
