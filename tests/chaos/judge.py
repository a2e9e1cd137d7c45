"""What a run proves: judged from the remote side, with our own books only to explain it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from .network import Carried
from .parts import Incident
from .plan import LEASE_SECONDS, Kind
from .run import Evidence
from .spans import Span, joined, length, without

_DEATHS = frozenset(
    {Kind.WORKER_KILLED, Kind.WORKERS_KILLED, Kind.WORKER_FROZEN, Kind.WORKER_ENDED}
)
_KILLS = frozenset({Kind.WORKER_KILLED, Kind.WORKERS_KILLED})
# What an outage may cost everybody after it is over, in seconds.  A message that is lost is sent
# again by the sweep 1.5 s after its slot; who comes back has to connect, and to catch up.
_COSTS = {
    Kind.WORKER_KILLED: 2.5,
    Kind.WORKERS_KILLED: 3.5,
    Kind.WORKER_FROZEN: 2.5,
    Kind.WORKER_ENDED: 2.5,
    Kind.BEATS_KILLED: 2.5,
    Kind.BROKER_KILLED: 5.0,
    Kind.BROKER_FROZEN: 5.0,
    Kind.BROKER_FLUSHED: 2.5,
    Kind.DATABASE_KILLED: 3.5,
    Kind.DATABASE_STOPPED: 3.5,
}
# With one of two workers, nobody but those whose calls it had is worse off for longer than this.
_SPARE = 2.5
_OF_ONE = frozenset({Kind.WORKER_KILLED, Kind.WORKER_FROZEN, Kind.WORKER_ENDED})
_AFTER_ANSWER = 5.0  # the caller's patience, a repeat, another session
_AFTER_REFUSAL = 8.0  # 429 makes everybody pause, and slower where many calls wait
_AFTER_CLOSED = 12.0  # one call in 5 s tries whether the credentials work by now
_CALLS_OVERDUE = 2  # for each recording that had to wait: acquire and start
_SECONDS_OF_A_CALL = 0.13  # of the quota, with the margin of these runs
_AFTER_FULL = 12.0  # nothing is acquired after 406, and then one at a time in 5 s
_FULL_CALLS, _FULL_SECONDS = 12, 2.0  # of the 15 that these runs' slots let, in so long
_HEALTHY_GAP = 3.0  # seconds that may be missing, or too many, in healthy times
_HEALTHY_ASKING = 5.0  # seconds of asking in healthy times after which a caller must be heard
_QUOTA_JITTER = 0.25  # a busy machine brings calls so much closer together
_MOST_JITTER = 0.6
_WRITES_WITHIN = 0.5  # seconds from an answer to its row, where the database is there
_HAS_HUNG_UP = 2.0  # who did not wait for an answer has closed its connection by then
_OF_DATABASE = frozenset({Kind.DATABASE_KILLED, Kind.DATABASE_STOPPED})


@dataclass(slots=True, kw_only=True)
class Verdict:
    """The figures of a run.

    Attributes:
        lost: Accepted, and without a final state, a reason, or an accepted edit.
        left_running: Sessions that nobody ever stopped, though their start had been heard.
        doubles: Sessions beside one that was on the books, and recordings of one key.
        uncovered: Seconds of healthy windows without a session, by channel, where too many.
        overrun: Seconds that a session went on in healthy times after its stop, where too many.
        slowness: How much longer work took than on an idle machine; the margins grow with it.
        unaccounted: Sessions whose start's answer was lost for good, and that ended by idle time.
        recoveries: Seconds to the first step after each return, by kind.
        repeats: Seconds from a SIGKILL in mid-call to that channel's next call.
    """

    recordings: int
    asked_in_vain: list[str]
    states: Counter[str]
    lost: list[str]
    left_running: list[str]
    doubles: list[str]
    uncovered: dict[str, float]
    overrun: dict[str, float]
    unaccounted: int
    unknown: list[str]
    covered_share: float
    healthy_share: float
    healthy_covered_share: float
    stop_lags: list[float]
    struck: Counter[str]
    answered: Counter[str]
    recoveries: dict[str, list[float]]
    repeats: list[float]
    peak_own: int
    peak_own_lenient: int
    slowness: float
    refused_by_quota: int
    queries_beside_stop: int
    told: list[str]
    rested_after: float | None
    notes: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Why the run proves the opposite; empty when all that was promised held."""
        found = [f"asked in vain: {one}" for one in self.asked_in_vain]
        found += [f"lost: {one}" for one in self.lost]
        found += [f"left running: {one}" for one in self.left_running]
        found += [f"unasked double: {one}" for one in self.doubles]
        found += [f"not on our books: {one}" for one in self.unknown]
        found += [f"uncovered: {name}, {s:.1f} s" for name, s in self.uncovered.items()]
        found += [f"overrun: {name}, {s:.1f} s" for name, s in self.overrun.items()]
        found += [f"a secret was told: {one}" for one in self.told]
        if self.peak_own_lenient > QUOTA:
            found.append(
                f"quota: {self.peak_own_lenient} own calls in {1 - _jitter(self.slowness):.2f} s"
            )
        found += [
            f"too late: {max(seconds):.1f} s after: {kind}"
            for kind, seconds in self.recoveries.items()
            if max(seconds) > RETURN_SECONDS * self.slowness
        ]
        if self.repeats and max(self.repeats) > AFTER_KILL * self.slowness:
            found.append(f"too late: {max(self.repeats):.1f} s after a SIGKILL in mid-call")
        if self.rested_after is None:
            found.append("it did not come to rest")
        return found


QUOTA = 10
RETURN_SECONDS = 5.0  # from the return of a part to the first overdue step
AFTER_KILL = LEASE_SECONDS + 2  # for the channels whose calls a killed worker had


def judge(evidence: Evidence) -> Verdict:
    """Weigh what a run left behind."""
    return _Judge(evidence).verdict()


class _Judge:
    """Knows one run's evidence in the shapes that the questions need."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence, self._slowness = evidence, evidence.slowness
        self._sessions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for session in evidence.sessions:
            self._sessions[session["cname"]].append(session)
        self._recordings = {one.channel: one for one in evidence.recordings}
        self._cname_of = {one["sid"]: one["cname"] for one in evidence.sessions}
        everybodys = joined([*self._everybodys(), *self._used_up()])
        self._excuses = {
            channel: joined([*everybodys, *self._own(channel)]) for channel in self._recordings
        }

    def verdict(self) -> Verdict:
        evidence, report = self._evidence, self._evidence.report
        windows = {channel: self._window(channel) for channel in self._recordings}
        recorded = {
            channel: joined([self._span(one) for one in self._sessions[channel]])
            for channel in windows
        }
        healthy = {channel: without([w], self._excuses[channel]) for channel, w in windows.items()}
        wanted = [channel for channel in windows if not channel.startswith("bad-")]
        asked = sum(length([windows[one]]) for one in wanted)
        well = sum(length(healthy[one]) for one in wanted)
        gaps = {one: length(without(healthy[one], recorded[one])) for one in wanted}
        missing = sum(length(without([windows[one]], recorded[one])) for one in wanted)
        left, unaccounted = self._left_running()
        return Verdict(
            recordings=len(evidence.asked),
            asked_in_vain=list(self._asked_in_vain()),
            states=Counter(one.state.value for one in evidence.recordings),
            lost=list(self._lost()),
            left_running=left,
            doubles=list(self._doubles()),
            uncovered={one: gap for one, gap in gaps.items() if gap > self._gap},
            overrun=self._overrun(windows),
            unaccounted=unaccounted,
            unknown=list(self._unknown()),
            covered_share=1 - missing / asked if asked else 1.0,
            healthy_share=well / asked if asked else 1.0,
            healthy_covered_share=1 - sum(gaps.values()) / well if well else 1.0,
            stop_lags=self._stop_lags(windows),
            struck=Counter(one.kind.value for one in evidence.incidents),
            answered=self._answered(),
            recoveries=dict(self._recoveries()),
            repeats=self._repeats(),
            peak_own=_peak([one.at for one in evidence.carried], 1.0),
            peak_own_lenient=_peak(
                [one.at for one in evidence.carried], 1 - _jitter(self._slowness)
            ),
            slowness=self._slowness,
            refused_by_quota=report["refused_by_quota"],
            queries_beside_stop=report["queries_beside_stop"],
            told=evidence.told,
            rested_after=evidence.rested_after,
            notes=list(self._notes(healthy)),
        )

    @property
    def _gap(self) -> float:
        return _HEALTHY_GAP * self._slowness

    # -- lost, left, doubled -------------------------------------------------------------

    def _asked_in_vain(self) -> Iterable[str]:
        """Find the callers who were not heard though there was time; others were told nothing."""
        bad = joined(self._everybodys())
        for asked in self._evidence.asked:
            wish, began = asked.wish, self._evidence.began
            span = (began + wish.asked_at, began + wish.stop_at)
            healthy = length(without([span], bad))
            if asked.accepted_at is None and healthy > _HEALTHY_ASKING * self._slowness:
                yield wish.channel

    def _lost(self) -> Iterable[str]:
        for asked in self._evidence.asked:
            if asked.accepted_at is None:
                continue
            channel, recording = asked.wish.channel, self._recordings.get(asked.wish.channel)
            if recording is None or recording.id != asked.recording_id:
                yield f"{channel}: accepted, and not to be found"
            elif not recording.state.is_final or not recording.reason:
                yield f"{channel}: {recording.state.value}, reason {recording.reason!r}"
            elif not self._kept_word(asked.edited_at, asked.wish.edit, recording.stop_at):
                yield f"{channel}: its stop time was moved, and then forgotten"
            elif recording.state.value in {"missed", "failed"} and not asked.wish.is_refused:
                healthy = without([self._window(channel)], self._excuses[channel])
                if length(healthy) > self._gap and not self._sessions[channel]:
                    yield f"{channel}: {recording.state.value}: {recording.reason}"

    def _kept_word(self, edited_at: float | None, edit: Any, stop_at: Any) -> bool:
        if edited_at is None or edit is None or edit.stop_at is None:
            return True
        return (
            stop_at is not None
            and abs(stop_at.timestamp() - self._evidence.began - edit.stop_at) < 0.001
        )

    def _left_running(self) -> tuple[list[str], int]:
        """Find the sessions that nobody ever tried to stop; what could not be is explained."""
        left, explained = [], 0
        for session in self._evidence.sessions:
            name = f"{session['cname']} uid {session['uid']} sid {session['sid'][:8]}"
            if session["end_cause"] is None:
                left.append(f"{name}: runs still")
            elif session["end_cause"] == "idle" and not self._was_attended_to(session):
                heard = self._heard(session)
                if heard is not None:
                    left.append(f"{name}: never stopped, and its start was heard at {heard:.1f} s")
                elif session["uid"] not in self._unaccounted(session["cname"]):
                    left.append(f"{name}: never stopped, and not on our books as unaccounted")
                else:
                    explained += 1
        return left, explained

    def _was_attended_to(self, session: dict[str, Any]) -> bool:
        """Whether a stop was sent for it, be it late: how late is judged by its overrun."""
        sid = session["sid"]
        return any(one.method == "stop" and sid in one.path for one in self._evidence.carried)

    def _heard(self, session: dict[str, Any]) -> float | None:
        """Tell when a session's sid reached a worker that lived on to write it down."""
        for one in self._evidence.carried:
            if one.sid != session["sid"] or not one.was_delivered or one.ended_at is None:
                continue
            stayed = _HAS_HUNG_UP * self._slowness
            if not one.is_followed and one.left_at and one.left_at < one.ended_at + stayed:
                continue  # the answer was on its way, and its caller had just given it up
            if not self._died_before_writing(one):
                return one.ended_at - self._evidence.began
        return None

    def _died_before_writing(self, one: Carried) -> bool:
        """Whether a worker died while it may have had this call's answer, and nobody else had."""
        if one.ended_at is None:
            return False
        until = self._written(one.ended_at)
        deaths = (i for i in self._evidence.incidents if i.kind in _DEATHS)
        return any(one.at <= death.at <= until for death in deaths)

    def _written(self, heard_at: float) -> float:
        """Tell until when an answer may have been kept before it was written."""
        at = heard_at + _WRITES_WITHIN * self._slowness
        for one in self._evidence.incidents:
            back_at = one.back_at or self._evidence.ended
            if one.kind in _OF_DATABASE and one.at <= at and back_at >= heard_at:
                at = max(at, back_at + _COSTS[one.kind] * self._slowness)
        return at

    def _unaccounted(self, channel: str) -> set[str]:
        """Name the uids of a channel that our books call unaccounted."""
        recording = self._recordings.get(channel)
        if recording is None:
            return set()
        numbers = {
            entry.session_number
            for entry in self._evidence.timelines[recording.id]
            if entry.event == "session.unaccounted"
        }
        own = self._evidence.own_sessions[recording.id]
        return {one.uid for one in own if one.number in numbers}

    def _unknown(self) -> Iterable[str]:
        """Find sessions of the remote side whose uid our books do not know."""
        for channel, sessions in self._sessions.items():
            recording = self._recordings.get(channel)
            own = self._evidence.own_sessions[recording.id] if recording else []
            known = {one.uid for one in own}
            for session in sessions:
                if session["uid"] not in known:
                    yield f"{channel} uid {session['uid']}"

    def _doubles(self) -> Iterable[str]:
        counts = Counter(one.channel for one in self._evidence.recordings)
        for channel, count in counts.items():
            if count > 1:
                yield f"{channel}: {count} recordings"
        for overlap in self._evidence.report["overlapping_channels"]:
            channel = overlap["cname"]
            excused = self._unaccounted(channel)
            for one, other in combinations(overlap["intervals"], 2):
                shared = min(one["end"], other["end"]) - max(one["begin"], other["begin"])
                if shared > 0 and not excused & {one["uid"], other["uid"]}:
                    yield f"{channel}: uids {one['uid']} and {other['uid']} for {shared:.1f} s"

    # -- windows -------------------------------------------------------------------------

    def _window(self, channel: str) -> Span:
        """When a recording was to record: from its start, once accepted, to its stop."""
        recording = self._recordings[channel]
        asked = next(one for one in self._evidence.asked if one.wish.channel == channel)
        begin = max(recording.start_at.timestamp(), asked.accepted_at or 0.0)
        end = recording.stop_at.timestamp() if recording.stop_at else begin
        return begin, max(begin, end)

    def _span(self, session: dict[str, Any]) -> Span:
        ended = session["ended_unix"]
        return session["started_unix"], self._evidence.ended if ended is None else ended

    def _everybodys(self) -> Iterable[Span]:
        """List the times that were bad for every recording."""
        slowness = self._slowness
        for one in self._evidence.incidents:
            caught_up = (one.overdue or 0) * _CALLS_OVERDUE * _SECONDS_OF_A_CALL
            back_at = one.back_at or self._evidence.ended
            if one.kind in _OF_ONE:
                yield one.at, one.at + _SPARE * slowness
            elif one.kind in _COSTS:
                yield one.at, back_at + _COSTS[one.kind] * slowness + caught_up
            else:
                yield back_at, back_at + caught_up
        for call in self._evidence.calls:
            if call["status"] == 429:
                yield call["at_unix"], call["at_unix"] + _AFTER_REFUSAL * slowness
            elif call["fault"] is not None and call["status"] == 401:
                yield call["at_unix"], call["at_unix"] + _AFTER_CLOSED * slowness
            elif call["fault"] is not None and call["code"] in {405, 406}:
                seconds = _AFTER_CLOSED if call["code"] == 405 else _AFTER_FULL
                yield call["at_unix"], call["at_unix"] + seconds * slowness

    def _used_up(self) -> Iterable[Span]:
        """List the times at which the quota was used to the full: who waits then waits for it."""
        arrivals = sorted(one.at for one in self._evidence.carried)
        for first, last in zip(arrivals, arrivals[_FULL_CALLS - 1 :], strict=False):
            if last - first <= _FULL_SECONDS:
                yield first, last

    def _own(self, channel: str) -> Iterable[Span]:
        """List the times that were bad for one recording: its own calls went wrong."""
        after_answer, after_kill = _AFTER_ANSWER * self._slowness, AFTER_KILL * self._slowness
        for call in self._evidence.calls:
            went_wrong = call["fault"] is not None or call["status"] == 429
            if went_wrong and call["cname"] == channel:
                yield call["at_unix"], call["at_unix"] + after_answer
        for one in self._evidence.carried:
            if self._channel(one) != channel:
                continue
            if one.effect is not None or one.was_abandoned or self._died_before_writing(one):
                yield one.at, (one.ended_at or one.at) + after_kill
        for session in self._sessions[channel]:
            for event in session["events"]:
                if event["name"] in {"failover", "ended:abnormal_exit"}:
                    at = event["at"] + session["started_unix"] - session["started_at"]
                    yield at, at + after_answer

    def _overrun(self, windows: dict[str, Span]) -> dict[str, float]:
        found = {}
        for session in self._evidence.sessions:
            window = windows.get(session["cname"])
            is_late = session["end_cause"] == "idle" and self._was_attended_to(session)
            if window is None or not (is_late or session["end_cause"] == "stopped"):
                continue
            late = (window[1], session["ended_unix"])
            seconds = length(without([late], self._excuses[session["cname"]]))
            if late[1] > late[0] and seconds > self._gap:
                found[session["cname"]] = seconds
        return found

    def _stop_lags(self, windows: dict[str, Span]) -> list[float]:
        return [
            session["ended_unix"] - windows[session["cname"]][1]
            for session in self._evidence.sessions
            if session["end_cause"] == "stopped"
            and session["ended_unix"] > windows.get(session["cname"], (0, 1e18))[1]
        ]

    def _notes(self, healthy: dict[str, list[Span]]) -> Iterable[str]:
        """Tell what is worth knowing beside the figures."""
        began = self._evidence.began
        for one in self._evidence.incidents:
            if one.note:
                yield f"{one.kind.value} at {one.at - began:.1f} s: {one.note}"
        for channel, recording in sorted(self._recordings.items()):
            if recording.state.value in {"failed", "missed"}:
                begin, end = self._window(channel)
                yield (
                    f"{channel}, {begin - began:.1f} to {end - began:.1f} s,"
                    f" {length(healthy[channel]):.1f} s healthy: "
                    f"{recording.state.value}: {recording.reason}"
                )

    # -- figures -------------------------------------------------------------------------

    def _answered(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for call in self._evidence.calls:
            if call["fault"] is not None:
                said = call["fault"]
                if said == "refuse":
                    said = f"{call['status']}" + (f"/{call['code']}" if call["code"] else "")
                counted[f"{call['method']} {said}"] += 1
        return counted

    def _recoveries(self) -> dict[str, list[float]]:
        """Measure from each return to the first call, where something was overdue."""
        arrivals = sorted(one.at for one in self._evidence.carried)
        found: dict[str, list[float]] = defaultdict(list)
        for one in self._evidence.incidents:
            if one.back_at is None or not one.overdue or one.kind.value.startswith("network"):
                continue
            first = _first(arrivals, lambda at, since=one.back_at: at > since)  # type: ignore[misc]
            if first is not None and self._is_alone(one, first):
                found[one.kind.value].append(first - one.back_at)
        return found

    def _is_alone(self, incident: Incident, until: float) -> bool:
        """Whether no other part was away between a return and what followed."""
        since = incident.back_at or 0.0
        return not any(
            other is not incident and other.at < until and (other.back_at or until) > since
            for other in self._evidence.incidents
        )

    def _repeats(self) -> list[float]:
        found = []
        carried = self._evidence.carried
        kills = [one for one in self._evidence.incidents if one.kind in _KILLS]
        for kill in kills:
            struck = [
                one
                for one in carried
                if one.was_abandoned and one.at <= kill.at <= (one.ended_at or 0.0)
            ]
            for one in struck:
                name = self._channel(one)
                later = [
                    other.at
                    for other in carried
                    if self._channel(other) == name and other.at > kill.at
                ]
                if later and self._is_calm(kill, min(later)):
                    found.append(min(later) - kill.at)
        return found

    def _is_calm(self, kill: Incident, until: float) -> bool:
        """Whether nothing else was struck between a kill and what followed."""
        return not any(
            other is not kill and other.at < until and (other.back_at or until) > kill.at
            for other in self._evidence.incidents
        )

    def _channel(self, carried: Carried) -> str:
        if carried.cname:
            return carried.cname
        return next((self._cname_of[s] for s in carried.path.split("/") if s in self._cname_of), "")


def _jitter(slowness: float) -> float:
    return min(_MOST_JITTER, _QUOTA_JITTER * slowness)


def _first(values: Sequence[float], holds: Callable[[float], bool]) -> float | None:
    return next((value for value in values if holds(value)), None)


def _peak(instants: Iterable[float], seconds: float) -> int:
    """Count the most of them that fall into a sliding window."""
    ordered = sorted(instants)
    most = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
