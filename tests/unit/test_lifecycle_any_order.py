"""Whatever Agora answers, whoever dies and whatever is asked: the promises of a recording hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from lives import NINE, NOT_FOUND, RULES, order, refusal, seconds
from moves import RECORDING_MOVES, SESSION_MOVES, TROUBLE

from recording_tasks.errors import Remedy, WrongStateError
from recording_tasks.lifecycle import (
    Answer,
    Call,
    Change,
    Moment,
    called_off,
    extended,
    first_session,
    is_fresh,
    is_relief_due,
    lapsed,
    layout_asked,
    relieved,
    reopened,
    settle,
    sid_learned,
    step_at,
    update_asked,
)
from recording_tasks.limiter import Pace
from recording_tasks.models import (
    Acquired,
    Observed,
    OnEarlyExit,
    Recording,
    RecordingState,
    Session,
    SessionState,
    Started,
    Step,
    Stopped,
    Updated,
)
from recording_tasks.recorder.claims import claimed_session

S = SessionState
LEASE = seconds(15)


@dataclass(frozen=True)
class Flight:
    """A call on its way: what its worker read, and whether Agora carries it out."""

    taken: Session
    step: Step
    version: int


@dataclass
class Truth:
    """What Agora knows of one session; its number is ours."""

    number: int
    sid: str
    is_alive: bool = True


class AnyOrder(RuleBasedStateMachine):
    """One recording, Agora's truth, workers that die, callers that change their minds."""

    flights: Bundle[Flight] = Bundle("flights")

    def __init__(self) -> None:
        super().__init__()
        self.now = NINE - seconds(30)
        self.recording: Recording = order()
        self.sessions: dict[int, Session] = {}
        self.truth: dict[str, Truth] = {}
        self.stop_sent: set[int] = set()
        self.resources = 0
        self.token_lifetime: timedelta | None = None

    @initialize(
        minutes=st.sampled_from([None, 1, 60, 600]),
        on_early_exit=st.sampled_from([OnEarlyExit.RESTART] * 3 + [OnEarlyExit.FINISH]),
        token_minutes=st.sampled_from([None, None, 20]),
        rounds=st.integers(0, 4),
    )
    def accept(
        self,
        minutes: int | None,
        on_early_exit: OnEarlyExit,
        token_minutes: int | None,
        rounds: int,
    ) -> None:
        self.token_lifetime = None if token_minutes is None else timedelta(minutes=token_minutes)
        stop_at = None if minutes is None else NINE + timedelta(minutes=minutes)
        self.recording = order(stop_at=stop_at, on_early_exit=on_early_exit)
        self.sessions = {1: first_session(self.recording, "r-1", "1000", RULES)}
        self.all_is_well(rounds)

    # -- what moves the recording --------------------------------------------------------

    @rule(rounds=st.integers(1, 4))
    def all_is_well(self, rounds: int) -> None:
        """Sweeps and healthy answers, one after the other."""
        for _ in range(rounds):
            self._healthy_round()

    @rule(data=st.data())
    def trouble(self, data: st.DataObject) -> None:
        """The next call meets an answer that is not a success, and may have been carried out."""
        flight = self._next_call(data)
        if flight is not None:
            remedy = data.draw(st.sampled_from(TROUBLE[flight.step]), label="trouble")
            self._settle(flight, self._troubled(flight, remedy, data))

    @rule(wait=st.sampled_from([1.0, 6.0, 16.0, 95.0, 250.0, 4000.0]))
    def time_passes(self, wait: float) -> None:
        self.now += seconds(wait)

    @rule()
    def reconcile(self) -> None:
        """What was given up for a 404 is stopped once more."""
        for session in list(self.sessions.values()):
            if session.recheck_at is not None and session.recheck_at <= self.now:
                self._apply(reopened(self.recording, session, self._moment()))

    @rule(target=flights, data=st.data())
    def begin(self, data: st.DataObject) -> Any:
        """A worker begins the next call, and is slow."""
        flight = self._next_call(data)
        return multiple() if flight is None else flight

    @rule(flight=consumes(flights), knows_sid=st.booleans())
    def answer(self, flight: Flight, knows_sid: bool) -> None:
        """A slow worker gets its answer, in time or long after it was given up for lost."""
        self._settle(flight, self._carried_out(flight, knows_sid=knows_sid))

    @rule(data=st.data(), was_carried_out=st.booleans(), wait=st.sampled_from([16, 250, 4000]))
    def worker_dies(self, data: st.DataObject, was_carried_out: bool, wait: int) -> None:
        """A call is begun, carried out or not, and its answer is never heard."""
        flight = self._next_call(data)
        if flight is not None and was_carried_out:
            self._carried_out(flight, knows_sid=True)
        self.now += seconds(wait)

    @rule(data=st.data())
    def session_dies(self, data: st.DataObject) -> None:
        """An idle exit, a kick, a token's end."""
        alive = [truth for truth in self.truth.values() if truth.is_alive]
        if alive:
            data.draw(st.sampled_from(alive)).is_alive = False

    @rule(data=st.data())
    def notification_brings_a_sid(self, data: st.DataObject) -> None:
        """Late or early: a session without a sid gets it."""
        lacking = [
            (session, truth)
            for session in self.sessions.values()
            if session.sid is None
            and session.state in {S.STARTING, S.UNACCOUNTED, S.EXPIRED}
            and (truth := self.truth.get(session.resource_id or "")) is not None
        ]
        if lacking:
            session, truth = data.draw(st.sampled_from(lacking))
            self._apply(sid_learned(self.recording, session, truth.sid, self._moment()))

    @rule(wish=st.sampled_from(["update", "layout", *["extend"] * 4, "shorten", "stop"]))
    def caller_asks(self, wish: str) -> None:
        """The latest session hears it, or it is refused."""
        minutes = {"extend": 90, "shorten": 1}.get(wish, 0)
        to = self.now + timedelta(minutes=minutes)
        edits: dict[str, Any] = {
            "update": lambda now, latest: update_asked(self.recording, latest, {"a": 1}, now),
            "layout": lambda now, latest: layout_asked(self.recording, latest, {"a": 1}, now),
            "stop": self._called_off,
        }
        self._edit(edits.get(wish, lambda now, latest: extended(self.recording, latest, to, now)))

    # -- what must hold ------------------------------------------------------------------

    @invariant()
    def at_most_one_session_begins_or_records(self) -> None:
        for session in self.sessions.values():
            if session.number == max(self.sessions) or session.state.is_final:
                continue
            is_relieved = (
                session.state in {S.STARTED, S.RECORDING}
                and session.ends_at is not None
                and session.stop_at is not None
                and session.stop_at < session.ends_at
            )
            assert is_relieved or session.state in {S.UNACCOUNTED, S.STOPPING}

    @invariant()
    def what_runs_is_on_the_books(self) -> None:
        for resource_id, truth in self.truth.items():
            if not truth.is_alive:
                continue
            session = self.sessions[truth.number]
            is_being_started = session.is_sending and session.claimed is Step.START
            is_known = session.state.may_run or is_being_started
            waited = session.state is S.EXPIRED and session.gone_by is not None
            waited |= session.state.is_final and self._is_doubted(session)
            assert session.resource_id == resource_id
            assert is_known or waited, f"{session.state} forgets a running session"
            if session.sid is not None:
                assert session.sid == truth.sid

    @invariant()
    def a_final_recording_has_a_reason(self) -> None:
        if self.recording.state.is_final:
            assert self.recording.reason
            assert self.recording.finished_at is not None

    @precondition(lambda self: self.sessions)
    @invariant()
    def the_recording_goes_on_or_is_over(self) -> None:
        latest = self.sessions[max(self.sessions)]
        if not self.recording.state.is_final:
            assert not latest.state.is_final
            assert latest.number == self.recording.session_count

    def teardown(self) -> None:
        """Once all is healthy and its time is over, it ends soon, and nothing is left running."""
        if not self.sessions:
            return
        self._edit(self._called_off)
        begun = self.now
        for _ in range(200):
            if all(session.state.is_final for session in self.sessions.values()):
                break
            self._healthy_round()
        self.now += RULES.recheck_after
        self.reconcile()
        for _ in self.sessions:
            self._healthy_round()

        assert self.recording.state.is_final
        assert all(session.state.is_final for session in self.sessions.values())
        assert self.now - begun < timedelta(hours=12)
        for truth in self.truth.values():
            is_waited_for = self.sessions[truth.number].state is S.EXPIRED
            assert not truth.is_alive or is_waited_for
        super().teardown()

    # -- inside --------------------------------------------------------------------------

    def _moment(self) -> Moment:
        return Moment(now=self.now, rules=RULES, spare_uid=str(1000 + len(self.sessions)))

    def _called_off(self, _now: datetime, latest: Session) -> Change:
        return called_off(self.recording, latest, "asked", self._moment())

    def _next_call(self, data: st.DataObject) -> Flight | None:
        """Begin a call that is due, after what needs none was settled; wait for one if need be."""
        due = self._due()
        if not due:
            self._skip_to_the_next()
            due = self._due()
        if not due:
            return None
        session = self.sessions[data.draw(st.sampled_from(due), label="session")]
        step = step_at(session, self.now, RULES)
        if step is Step.REST:
            self._apply(lapsed(self.recording, session, self._moment()))
            return None
        return self._begin(session, step)

    def _due(self) -> list[int]:
        """Name what needs a call or a decision, after those were relieved that must be."""
        for session in list(self.sessions.values()):
            is_free = not session.is_sending or (session.lease_until or self.now) <= self.now
            if is_free and is_relief_due(session, self.now, RULES):
                self._apply(relieved(self.recording, session, self._moment()))
        return [number for number in self.sessions if self._is_due(number)]

    def _is_doubted(self, session: Session) -> bool:
        return session.recheck_at is not None or session.step is Step.STOP

    def _is_due(self, number: int) -> bool:
        session = self.sessions[number]
        if session.state.is_final and session.step is Step.STOP:
            return session.due_at <= self.now >= (session.lease_until or self.now)
        if session.state.is_final or (session.lease_until or self.now) > self.now:
            return False
        is_over = session.stop_at is not None and session.stop_at <= self.now
        waits = session.state in {S.STOPPING, S.UNACCOUNTED}
        return session.due_at <= self.now or (is_over and not waits)

    def _skip_to_the_next(self) -> None:
        instants = []
        for session in self.sessions.values():
            if session.state.is_final and session.step is Step.REST:
                continue
            waits = session.state in {S.STOPPING, S.UNACCOUNTED} or session.state.is_final
            due_at = session.due_at
            if session.stop_at is not None and not waits:
                due_at = min(due_at, session.stop_at)
            instants.append(max(due_at, session.lease_until or due_at))
        self.now = max(self.now, min(instants, default=self.now))

    def _begin(self, session: Session, step: Step) -> Flight:
        session = claimed_session(session, step, self.now, Pace())
        session = replace(session, is_sending=True, lease_until=self.now + LEASE)
        if step is Step.START:
            assert is_fresh(session, self.now, RULES)
            session = replace(session, start_sent_at=self.now)
        if session.number in self.stop_sent:
            assert step is Step.STOP, "nothing but a stop follows a stop"
        if step is Step.STOP:
            self.stop_sent.add(session.number)
        self.sessions[session.number] = session
        is_update = step is Step.UPDATE
        version = self.recording.update_version if is_update else self.recording.layout_version
        return Flight(session, step, version)

    def _carried_out(self, flight: Flight, knows_sid: bool) -> Answer:
        """Let Agora do what was asked, and answer."""
        resource_id = flight.taken.resource_id or ""
        truth = self.truth.get(resource_id)
        match flight.step:
            case Step.ACQUIRE:
                self.resources += 1
                return Acquired(resource_id=f"resource-{self.resources}")
            case Step.START if truth is None:
                number = flight.taken.number
                truth = Truth(number=number, sid=f"sid-{resource_id}")
                self.truth[resource_id] = truth
                return Started(sid=truth.sid)
            case Step.START:
                assert truth is not None
                return Started(sid=truth.sid if knows_sid else None, was_running=True)
            case Step.STOP:
                if truth is None or not truth.is_alive:
                    return NOT_FOUND
                truth.is_alive = False
                return Stopped()
            case _ if truth is None or not truth.is_alive:
                return NOT_FOUND
            case Step.QUERY:
                return Observed(status=5)
            case _:
                return Updated()

    def _troubled(self, flight: Flight, remedy: Remedy, data: st.DataObject) -> Answer:
        in_doubt = {Remedy.SAME_AGAIN, Remedy.SAME_RESOURCE}
        may_have_run = remedy is Remedy.SAME_RESOURCE or (
            remedy in in_doubt and data.draw(st.booleans(), label="no answer")
        )
        if may_have_run and data.draw(st.booleans(), label="carried out"):
            self._carried_out(flight, knows_sid=False)
        is_stop = flight.step is Step.STOP
        was_reached = is_stop and remedy is Remedy.SAME_AGAIN and not may_have_run
        if was_reached:  # the backend has it: it will be done
            self._carried_out(flight, knows_sid=False)
        return refusal(remedy, may_have_run=may_have_run, was_reached=was_reached)

    def _settle(self, flight: Flight, answer: Answer) -> None:
        session = self.sessions[flight.taken.number]
        if session.epoch != flight.taken.epoch:
            is_same = session.resource_id == flight.taken.resource_id and session.sid is None
            if isinstance(answer, Started) and answer.sid is not None and is_same:
                self._apply(sid_learned(self.recording, session, answer.sid, self._moment()))
            return
        call = Call(
            step=flight.step,
            answer=answer,
            version=flight.version,
            token_lifetime=self.token_lifetime,
        )
        after = self._apply(settle(self.recording, session, call, self._moment())).session
        truth = self.truth.get(after.resource_id or "")
        if truth is not None and after.state.is_final and not self._is_doubted(after):
            truth.is_alive = False  # no failover lasts as long as the further stop took to come

    def _edit(self, edit: Any) -> None:
        try:
            self._apply(edit(self.now, self.sessions[max(self.sessions)]))
        except WrongStateError:
            return

    def _apply(self, change: Change) -> Change:
        before = self.sessions[change.session.number]
        assert_move(SESSION_MOVES, before.state, change.session.state)
        assert_move(RECORDING_MOVES, self.recording.state, change.recording.state)
        if before.is_sending and not change.session.is_sending:  # the store's part
            change = replace(
                change, session=replace(change.session, epoch=max(before.epoch + 1, before.epoch))
            )
        self.sessions[change.session.number] = change.session
        self._bound_others(self.recording, change.recording)
        self.recording = change.recording
        if change.successor is not None:
            assert change.successor.number == max(self.sessions) + 1
            assert change.successor.uid not in {s.uid for s in self.sessions.values()}
            self.sessions[change.successor.number] = change.successor
        return change

    def _bound_others(self, before: Recording, after: Recording) -> None:
        """The recorder's part: no session outlives the recording."""
        end = after.finished_at if after.state.is_final else after.stop_at
        was = before.finished_at if before.state.is_final else before.stop_at
        for number, session in self.sessions.items():
            is_earlier = number < after.session_count and not session.state.is_final
            if end is not None and end != was and is_earlier:
                stop_at = end if session.stop_at is None else min(end, session.stop_at)
                self.sessions[number] = replace(session, stop_at=stop_at)

    def _healthy_round(self) -> None:
        due = self._due()
        if not due:
            self._skip_to_the_next()
            return
        session = self.sessions[due[0]]
        step = step_at(session, self.now, RULES)
        if step is Step.REST:
            self._apply(lapsed(self.recording, session, self._moment()))
            return
        flight = self._begin(session, step)
        self._settle(flight, self._carried_out(flight, knows_sid=False))


def assert_move(moves: dict[Any, set[Any]], before: Any, after: Any) -> None:
    assert before is after or after in moves[before], f"illegal move: {before} to {after}"


# Reproducible on every machine, and small enough for the unit tier; -m slow looks further.
_CALM = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def test_the_promises_hold_in_any_order() -> None:
    """A few hundred lives, each with its own accidents."""
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=_CALM,
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_promises_hold_in_very_many_orders() -> None:
    """The same, for as long as one is willing to wait."""
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=5000,
            stateful_step_count=80,
            deadline=None,
            suppress_health_check=_CALM,
        ),
    )


def test_the_table_of_moves_knows_every_state() -> None:
    """A state that is added must be thought of here."""
    assert set(SESSION_MOVES) == set(SessionState)
    assert set(RECORDING_MOVES) == set(RecordingState)
    assert [state for state, to in SESSION_MOVES.items() if not to] == [
        S.STOPPED,
        S.FAILED,
    ]


def test_the_clock_of_the_tests_is_aware() -> None:
    """Naive instants would compare with nothing."""
    assert isinstance(NINE, datetime)
    assert NINE.tzinfo is not None
