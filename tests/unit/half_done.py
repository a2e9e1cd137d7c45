"""Calls in a test that were begun, and whose end is yet to come."""

from __future__ import annotations

from datetime import timedelta

from desk import Desk

from recording_tasks.models import Session, Step
from recording_tasks.recorder import Dispatch
from recording_tasks.recorder.calls import Caller
from recording_tasks.simulator import Simulator


def leaves_at_ten_past(agora: Simulator, name: str = "lesson") -> None:
    """Put a host into the channel who leaves when the recording is over."""
    agora.channel(name, users=[{"uid": "123", "role": "host", "joins": 0, "leaves": 600}])


def claim_start(desk: Desk) -> tuple[str, Dispatch]:
    """Accept a recording and make its acquire; give the claim of its start."""
    accepted = desk.recorder.record({"channel": "lesson", "duration": 600})
    (one,) = accepted.dispatches
    desk.clock.sleep_until(one.slot_at)
    assert desk.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)
    return one.recording_id, one


def take(desk: Desk, recording_id: str, step: Step) -> Session:
    """Begin a claimed call, as a worker does before it sends."""
    session = desk.latest(recording_id)
    taken = desk.store.take(
        session.id,
        session.epoch,
        step,
        latest_slot=desk.clock.now + timedelta(seconds=9),
        lease_until=desk.clock.now + timedelta(seconds=15),
        start_sent_at=desk.clock.now if step is Step.START else session.start_sent_at,
    )
    assert taken is not None
    return taken.session


def carry_out(desk: Desk, taken: Session, step: Step) -> None:
    """Let Agora do what a worker asked that did not live to hear the answer."""
    recording = desk.find(taken.recording_id)
    Caller(desk.settings, desk.store.now).call(recording, taken, step, lambda: None)
