"""What happened to one channel, told in order from every side: for whoever looks for a cause."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .run import Evidence

Line = tuple[float, str]


def write_stories(evidence: Evidence, file: Path) -> None:
    """Write the story of every channel to a file."""
    channels = sorted(one.wish.channel for one in evidence.asked)
    file.write_text("\n\n".join(_story(evidence, channel) for channel in channels))


def _story(evidence: Evidence, channel: str) -> str:
    lines = sorted([*_outages(evidence), *_asked(evidence, channel), *_calls(evidence, channel)])
    told = [f"{at - evidence.began:8.2f}  {words}" for at, words in lines]
    return "\n".join([f"== {channel}", *told])


def _outages(evidence: Evidence) -> Iterator[Line]:
    for one in evidence.incidents:
        yield one.at, f"-- {one.kind.value}"
        if one.back_at is not None:
            yield one.back_at, f"-- back: {one.kind.value}, {one.overdue} overdue {one.note}"


def _asked(evidence: Evidence, channel: str) -> Iterator[Line]:
    for asked in evidence.asked:
        if asked.wish.channel != channel:
            continue
        if asked.accepted_at is not None:
            yield asked.accepted_at, f"caller: accepted after {asked.tries} tries"
        if asked.edited_at is not None and asked.wish.edit is not None:
            yield asked.edited_at, f"caller: {asked.wish.edit.verb} was heard"
    for recording in evidence.recordings:
        if recording.channel != channel:
            continue
        yield recording.start_at.timestamp(), f"its start, {recording.id}"
        if recording.stop_at is not None:
            yield recording.stop_at.timestamp(), "its stop"
        for entry in evidence.timelines[recording.id]:
            facts = " ".join(f"{name}={str(value)[:60]}" for name, value in entry.facts.items())
            yield entry.at.timestamp(), f"books: {entry.event} {entry.session_number} {facts}"


def _calls(evidence: Evidence, channel: str) -> Iterator[Line]:
    sids = {one["sid"] for one in evidence.sessions if one["cname"] == channel}
    for one in evidence.sessions:
        if one["cname"] == channel:
            ended = one["ended_unix"] or evidence.ended
            yield ended, f"remote: session {one['sid'][:6]} ended: {one['end_cause']}"
    for call in evidence.calls:
        if call["cname"] == channel:
            said = f"{call['outcome']} {call['fault'] or ''} uid {call['uid']} {call['sid'][:6]}"
            yield call["at_unix"], f"remote: {call['method']}: {said}"
    for carried in evidence.carried:
        if carried.cname == channel or sids & set(carried.path.split("/")):
            gone = " ABANDONED" if carried.was_abandoned else ""
            took = (carried.ended_at or evidence.ended) - carried.at
            said = f"{carried.status} {carried.effect or ''}{gone} after {took:.2f} s"
            yield carried.at, f"network: {carried.method} {said}"
