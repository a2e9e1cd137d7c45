"""What each line of a timeline means, in words for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from recording_tasks.cli.instants import spoken_span
from recording_tasks.models import Entry, Recording, RecordingState, Session

_ON_TIME = timedelta(seconds=0.25)

SENTENCES = {
    "recording.accepted": "somebody asked for it",
    "recording.extended": "somebody moved its end to {stop_at}",
    "recording.stop_asked": "somebody asked to end it now",
    "recording.cancel_asked": "somebody called it off",
    "recording.update_asked": "somebody asked for an update of what is recorded",
    "recording.layout_asked": "somebody asked for another layout",
    "recording.resumed": "nothing attended to it any more (reconcile); it goes on, or ends",
    "recording.stopped": "it is over, and something was recorded",
    "recording.missed": "it is over: nothing could start it inside its window",
    "recording.failed": "it is over, and nothing was recorded",
    "recording.cancelled": "it is over before it began",
    "session.planned": "another session was planned, with uid {uid}",
    "session.acquired": "Agora gave the resource for a start (acquire)",
    "session.acquire_refused": "Agora gave no resource (acquire); it is asked again",
    "session.waiting": "it has to wait, with its resource not yet asked for",
    "session.resource_dropped": "the resource was of no use; another one is acquired",
    "session.start_unanswered": "start got no clear answer; it is repeated with the same resource",
    "session.started": "Agora took the start, and named the session {sid}",
    "session.recording": "Agora was seen to record (query)",
    "session.query_refused": "a query was refused; the session goes on, and is asked again",
    "session.suspected": "Agora did not know the session: gone, or in a failover; asked again",
    "session.updated": "Agora took update {version}",
    "session.layout_updated": "Agora took layout {version}",
    "session.update_refused": "Agora refused the update; it is recorded as before",
    "session.update_layout_refused": "Agora refused the layout; the one before remains",
    "session.relieved": "the session cannot last until {ends_at} and beyond; another takes over",
    "session.found_running": "the session had run on after all (reconcile); it is stopped now",
    "session.stray_found": "the session ran on though its recording was over; it is stopped",
    "session.stopping": "the session is being stopped; it is wanted no more, or replaced",
    "session.stop_unsettled": "stop was not settled; it is repeated until it is",
    "session.stopped": "Agora settled the stop; files: {files}",
    "session.ended": "the session ended without us",
    "session.failed": "the session never ran",
    "session.unaccounted": "the session may run without us: on the books until it is surely over",
    "session.expired": "the session that may have run is surely over",
}


def sentence(entry: Entry) -> str:
    """Say what one line of a timeline means, and why where that is known."""
    template = SENTENCES.get(entry.event, entry.event)
    facts: Mapping[str, Any] = defaultdict(lambda: "?", entry.facts)
    said = template.format_map(facts)
    reason = entry.facts.get("reason")
    return f"{said}: {reason}" if reason and reason not in said else said


def summary(recording: Recording) -> str:
    """Say in one sentence what became of a recording."""
    asked = "until somebody stops it"
    if recording.stop_at is not None:
        asked = f"for {spoken_span(recording.stop_at - recording.start_at)}"
    if not recording.state.is_final:
        return f"{recording.channel} was to be recorded {asked}; it is {recording.state.value}."
    outcome = {
        RecordingState.STOPPED: "was recorded",
        RecordingState.MISSED: "was missed",
        RecordingState.CANCELLED: "was called off",
    }.get(recording.state, "could not be recorded")
    return f"{recording.channel} {outcome}: {recording.reason}."


def lateness(
    recording: Recording, sessions: Sequence[Session], timeline: Sequence[Entry]
) -> str | None:
    """Say how late the first start was, and why as far as the books tell; None before it."""
    started = [session.started_at for session in sessions if session.started_at is not None]
    if not started:
        return None
    late = min(started) - recording.start_at
    if late <= _ON_TIME:
        return f"Agora had taken the start {spoken_span(late)} after its instant: on time."
    return f"Agora had taken the start {spoken_span(late)} late: {_why(recording, timeline)}."


def _why(recording: Recording, timeline: Sequence[Entry]) -> str:
    began = next((entry.at for entry in timeline if entry.event == "session.started"), None)
    held_up = {"session.acquire_refused", "session.start_unanswered", "session.resource_dropped"}
    before = [entry for entry in timeline if began is None or entry.at < began]
    if any(entry.event in held_up | {"session.failed"} for entry in before):
        return "calls before it were refused or unanswered, see above"
    if any(entry.event == "session.waiting" for entry in before):
        return "as many sessions ran as may run at once, and it waited for one to end"
    if recording.created_at > recording.start_at - timedelta(seconds=2):
        asked = recording.created_at - recording.start_at
        if asked > timedelta(seconds=1):
            return f"it was asked for {spoken_span(asked)} after its instant"
        return "it was asked for at its instant, and acquire comes first"
    return "it waited for its turn in the quota, or nobody was there to work"
