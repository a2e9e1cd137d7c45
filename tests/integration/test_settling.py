"""An answer meets what was changed during its call, over SQLite and over PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shelf import only

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.lifecycle import Answer
from recording_tasks.limiter import Quota
from recording_tasks.models import Entry, Recording, RecordingState, Session, SessionState, Step
from recording_tasks.recorder import Dispatch, Recorder
from recording_tasks.recorder.calls import Caller
from recording_tasks.settings import Settings, read_settings
from recording_tasks.simulator import Simulator, running
from recording_tasks.store import Database, Seen, Store, Writing

pytest_plugins = ("stores",)

BASE = {"RECORDING_API_RATE": "0", "RECORDING_QUERY_GAP_SECONDS": "0"}


class DisturbedStore(Store):
    """A store where something happens between a call's intent and its answer.

    Attributes:
        meanwhile: Done once, right after the next call was begun.
        is_forgetful: The next answer is written, and the connection is lost before we hear so.
        is_deadly: The next write is the worker's last.
        away: How many of the next transactions fail.
        later: How far its time is ahead.
    """

    meanwhile: Callable[[], Any] | None = None
    is_forgetful = False
    is_deadly = False
    away = 0
    later = timedelta()

    def now(self) -> datetime:
        """Tell the time, as much later as the test wants it."""
        return super().now() + self.later

    def take(self, *args: Any, **values: Any) -> Seen | None:
        """Begin a call, and let something happen."""
        taken = super().take(*args, **values)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return taken

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Open a transaction, or find the database away."""
        if self.away > 0:
            self.away -= 1
            raise StoreUnavailableError("it is away")
        with super().writing() as writing:
            yield writing

    def save_unless_changed(
        self, seen: Seen, recording: Recording, session: Session, entries: Sequence[Entry]
    ) -> Seen | None:
        """Write, and perhaps not hear of it."""
        saved = super().save_unless_changed(seen, recording, session, entries)
        if self.is_deadly:
            raise SystemExit
        if self.is_forgetful:
            self.is_forgetful = False
            raise StoreUnavailableError("the connection was lost")
        return saved


class Bench:
    """A recorder whose app has no limit, and what it talks to."""

    def __init__(self, database: Database, agora: Simulator, settings: Settings) -> None:
        self.store, self.agora = DisturbedStore(database), agora
        self.recorder = Recorder(self.store, settings, sleep=lambda _: None)

    def record(self) -> Dispatch:
        """Accept a recording; give its first call."""
        (one,) = self.recorder.record({"channel": "room", "duration": 3600}).dispatches
        return one

    def acquired(self) -> Dispatch:
        """Go on to where its start is claimed."""
        one = self.record()
        assert self.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)
        return one

    def started(self) -> Dispatch:
        """Go on to where it has a sid."""
        one = self.acquired()
        self.recorder.run(one.recording_id, Step.START, one.start_claim)
        return one

    def sweep(self, seconds: float = 0) -> None:
        """Let time pass here, and do what is due then."""
        self.store.later += timedelta(seconds=seconds)
        self.agora.advance(seconds)
        for one in self.recorder.sweep():
            self.recorder.run(one.recording_id, one.step, one.claim)

    def session(self, one: Dispatch) -> Session:
        return only(self.store, one.recording_id)

    def find(self, one: Dispatch) -> Recording:
        return self.recorder.find(one.recording_id)

    def events(self, one: Dispatch) -> list[str]:
        return [entry.event for entry in self.store.timeline_of(one.recording_id)]

    def count(self, method: str) -> int:
        return len(self.agora.calls(method))


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """An Agora that answers at once, and whose time is ours."""
    with running(speed=0, requests_per_second=10_000, method_latency_ms={}) as simulator:
        yield simulator


@pytest.fixture
def make_bench(store: Store, simulator: Simulator) -> Iterator[Callable[..., Bench]]:
    """Set up benches with settings of their own."""
    simulator.reset()
    made: list[Bench] = []

    def make(**environ: str) -> Bench:
        settings = read_settings(
            {
                "AGORA_BASE_URLS": simulator.url,
                "AGORA_APP_ID": simulator.app_id,
                "AGORA_CUSTOMER_ID": simulator.customer_id,
                "AGORA_CUSTOMER_SECRET": simulator.customer_secret,
                "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
                "RECORDING_STORAGE__DEFAULT__REGION": "0",
                "RECORDING_STORAGE__DEFAULT__BUCKET": "lessons",
                "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "access",
                "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "secret",
                **BASE,
                **environ,
            }
        )
        made.append(Bench(store.database, simulator, settings))
        return made[-1]

    yield make
    for bench in made:
        bench.recorder.close()


@pytest.fixture(params=["0", "10"], ids=["no limit", "10 per second"])
def bench(request: pytest.FixtureRequest, make_bench: Callable[..., Bench]) -> Bench:
    """A bench of each kind: without a quota most is one statement, with one more is under locks."""
    return make_bench(RECORDING_API_RATE=request.param)


@pytest.fixture
def free(make_bench: Callable[..., Bench]) -> Bench:
    """A bench whose app has no limit."""
    return make_bench()


# -- edits during a call -----------------------------------------------------------------


def test_a_stop_time_that_is_moved_during_the_start_stands_beside_its_sid(bench: Bench) -> None:
    """Neither the edit nor the answer is lost, and the claim's epoch finds its session."""
    one = bench.acquired()
    stop_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    bench.store.meanwhile = lambda: bench.recorder.extend(
        one.recording_id, {"stop_at": stop_at.isoformat()}
    )

    bench.recorder.run(one.recording_id, Step.START, one.start_claim)

    session = bench.session(one)
    assert (session.state, session.stop_at) == (SessionState.STARTED, stop_at)
    assert session.sid is not None
    assert not session.is_sending
    assert bench.events(one)[-2:] == ["recording.extended", "session.started"]


@pytest.mark.parametrize("word", ["stop", "cancel"])
def test_a_recording_that_is_called_off_during_its_start_is_stopped(
    bench: Bench, word: str
) -> None:
    """The sid came with the answer, so nothing is left running."""
    one = bench.acquired()
    verb = {"stop": bench.recorder.stop_now, "cancel": bench.recorder.cancel}[word]
    bench.store.meanwhile = lambda: verb(one.recording_id)

    bench.recorder.run(one.recording_id, Step.START, one.start_claim)
    bench.sweep()

    assert bench.count("stop") == 1
    assert bench.agora.report()["sessions_running"] == 0
    assert bench.find(one).state is RecordingState.STOPPED


def test_a_recording_that_is_cancelled_during_its_acquire_is_never_started(bench: Bench) -> None:
    """The resource is left to grow old."""
    one = bench.record()
    bench.store.meanwhile = lambda: bench.recorder.cancel(one.recording_id)

    follows = bench.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)
    bench.sweep()

    assert not follows
    assert bench.agora.report()["sessions_started"] == 0
    assert bench.find(one).state is RecordingState.CANCELLED


def test_one_that_may_not_begin_late_does_not_after_a_slow_acquire(bench: Bench) -> None:
    """The answer of acquire takes so long that its start would come too late."""
    wish = {"channel": "room", "duration": 3600, "start_within": 5}
    (one,) = bench.recorder.record(wish).dispatches

    def take_long() -> None:
        bench.store.later += timedelta(seconds=8)

    bench.store.meanwhile = take_long
    is_followed = bench.recorder.run(one.recording_id, Step.ACQUIRE, one.claim)
    bench.sweep()

    assert not is_followed
    assert bench.count("start") == 0
    assert bench.find(one).state is RecordingState.MISSED


def test_an_update_that_is_asked_for_during_a_query_is_sent_next(bench: Bench) -> None:
    """The answer plans what the session has not heard yet."""
    one = bench.started()
    wish = {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["#allstream#"]}}}
    bench.store.meanwhile = lambda: bench.recorder.update(one.recording_id, wish)

    bench.sweep(6)

    assert bench.session(one).step is Step.UPDATE
    bench.sweep(1)
    assert bench.session(one).update_version == 1
    assert (bench.count("query"), bench.count("update")) == (1, 1)


def test_an_answer_under_a_stale_epoch_brings_only_its_sid(
    free: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease was over and another has the session: the sid is kept, for nobody else has it."""
    one = free.acquired()
    call = Caller.call

    def claimed_anew_before_the_answer(*args: Any) -> Answer:
        answer = call(*args)
        free.store.later += timedelta(seconds=120)
        (again,) = free.recorder.sweep()
        assert (again.step, again.recording_id) == (Step.START, one.recording_id)
        return answer

    monkeypatch.setattr(Caller, "call", claimed_anew_before_the_answer)

    free.recorder.run(one.recording_id, Step.START, one.start_claim)

    session = free.session(one)
    assert session.state is SessionState.STARTED
    assert session.sid is not None
    assert session.claimed is None
    assert free.events(one).count("session.started") == 1


def test_a_stop_under_a_stale_epoch_is_believed(
    free: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer was kept for longer than its lease: nobody need ask what it has told."""
    one = free.started()
    call, claimed = Caller.call, []

    def claimed_anew_before_the_answer(*args: Any) -> Answer:
        answer = call(*args)
        free.store.later += timedelta(seconds=120)
        claimed.extend(free.recorder.sweep())
        return answer

    monkeypatch.setattr(Caller, "call", claimed_anew_before_the_answer)
    free.recorder.stop_now(one.recording_id)
    (again,) = claimed
    free.recorder.run(one.recording_id, again.step, again.claim)

    assert again.step is Step.STOP
    assert free.count("stop") == 1
    assert free.session(one).state is SessionState.STOPPED
    assert free.find(one).state is RecordingState.STOPPED
    assert free.events(one).count("session.stopped") == 1


# -- a database that fails ---------------------------------------------------------------


def test_an_answer_that_was_written_unheard_is_not_written_twice(free: Bench) -> None:
    """The connection was lost after the commit: what we saw has changed, by ourselves."""
    one = free.acquired()
    free.store.is_forgetful = True

    free.recorder.run(one.recording_id, Step.START, one.start_claim)

    assert free.session(one).state is SessionState.STARTED
    assert free.events(one).count("session.started") == 1
    assert free.count("start") == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 429}, lambda quota: quota.factor < 1.0),
        ({"status": 401}, lambda quota: quota.probe_at is not None),
    ],
    ids=["429", "401"],
)
def test_what_an_answer_tells_all_calls_is_written_with_it(
    bench: Bench,
    fault: dict[str, Any],
    told: Callable[[Quota], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database fails at that moment: neither the answer is lost nor what all must know."""
    one = bench.started()
    bench.agora.fault("query", "refuse", **fault)
    bench.store.later += timedelta(seconds=6)
    (query,) = bench.recorder.sweep()
    call = Caller.call

    def away_by_the_answer(*args: Any) -> Answer:
        answer = call(*args)
        bench.store.away = 3
        return answer

    monkeypatch.setattr(Caller, "call", away_by_the_answer)

    bench.recorder.run(one.recording_id, query.step, query.claim)

    with bench.store.writing() as writing:
        quota = Quota.from_json(writing.lock_quota("default") or {})
    session = bench.session(one)
    assert bench.store.away == 0
    assert told(quota)
    assert (session.claimed, session.sid is not None) == (None, True)
    assert bench.count("query") == 1


# -- stopping now ------------------------------------------------------------------------


def test_a_stop_is_made_by_who_was_asked_for_it(bench: Bench) -> None:
    """At once and only once, and again is safe."""
    one = bench.started()

    bench.recorder.stop_now(one.recording_id)
    bench.recorder.stop_now(one.recording_id)

    assert bench.count("stop") == 1
    assert bench.agora.report()["sessions_running"] == 0
    events = bench.events(one)
    assert events[-3:] == ["recording.stop_asked", "session.stopped", "recording.stopped"]


def test_a_stop_does_not_meet_a_query_that_is_under_way(bench: Bench) -> None:
    """It waits for the query's answer, and the sweep makes it."""
    one = bench.started()
    bench.store.meanwhile = lambda: bench.recorder.stop_now(one.recording_id)

    bench.sweep(6)
    met = bench.count("stop")
    bench.sweep(1)

    assert (met, bench.count("stop")) == (0, 1)
    assert bench.agora.report()["queries_beside_stop"] == 0
    assert bench.find(one).state is RecordingState.STOPPED


def test_a_worker_that_dies_before_its_stop_was_sent_leaves_the_intent(free: Bench) -> None:
    """The wish is stored with it: when the lease is over, another makes the stop."""
    one = free.started()
    free.store.is_deadly = True
    with pytest.raises(SystemExit):
        free.recorder.stop_now(one.recording_id)
    left = free.session(one)
    free.store.is_deadly = False

    free.sweep()
    too_early = free.count("stop")
    free.sweep(120)

    assert (left.claimed, left.is_sending) == (Step.STOP, True)
    assert (too_early, free.count("stop")) == (0, 1)
    assert free.find(one).state is RecordingState.STOPPED
    assert free.agora.report()["sessions_running"] == 0


# -- accepting ---------------------------------------------------------------------------


def test_a_wish_that_comes_again_when_it_is_over_is_known(bench: Bench) -> None:
    """A message may be handed over much later: its stop time has passed, its key has not."""
    now = datetime.now(UTC)
    wish = {"channel": "room", "key": "k", "stop_at": (now + timedelta(hours=1)).isoformat()}
    first = bench.recorder.record(wish)
    bench.store.later = timedelta(hours=2)

    again = bench.recorder.record(wish)

    assert (again.recording_id, again.is_new) == (first.recording_id, False)
    assert again.dispatches == ()
