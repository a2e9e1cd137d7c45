"""A recorder at work in a test: real SQLite, the real simulator, and one clock set by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any

import sqlalchemy as sa

from recording_tasks.models import Recording, RecordingState, Session, SessionState, Step
from recording_tasks.recorder import Dispatch, Recorder
from recording_tasks.settings import Settings, read_settings
from recording_tasks.simulator import Simulator
from recording_tasks.store import Database, Store, schema

NINE = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
CANARIES = {
    "AGORA_CUSTOMER_SECRET": "",  # the simulator's own
    "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "canary-access-key",
    "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "canary-secret-key",
    "RECORDING_SECRET__AES": "canary-aes-secret",
}
BEAT = timedelta(seconds=1)


class HandClock:
    """A clock that stands still but for those who wait on it; Agora's goes along."""

    def __init__(self, simulator: Simulator) -> None:
        self.now = NINE
        self._simulator = simulator

    def sleep(self, seconds: float) -> None:
        """Let time pass, here and at Agora."""
        if seconds > 0:
            self.now += timedelta(seconds=seconds)
            self._simulator.advance(seconds)

    def sleep_until(self, instant: datetime) -> None:
        """Let time pass until an instant; not at all when it is over."""
        self.sleep((instant - self.now).total_seconds())


class ClockedStore(Store):
    """A store whose time is the test's."""

    def __init__(self, database: Database, clock: HandClock) -> None:
        super().__init__(database)
        self._hand_clock = clock

    def now(self) -> datetime:
        """Tell the test's time."""
        return self._hand_clock.now


def settings_for(simulator: Simulator, **environ: str) -> Settings:
    """Read the settings of a deployment that talks to the simulator."""
    return read_settings(
        {
            "AGORA_BASE_URLS": simulator.url,
            "AGORA_APP_ID": simulator.app_id,
            "AGORA_CUSTOMER_ID": simulator.customer_id,
            "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
            "RECORDING_STORAGE__DEFAULT__REGION": "0",
            "RECORDING_STORAGE__DEFAULT__BUCKET": "lessons",
            "RECORDING_READ_TIMEOUT_SECONDS": "3",  # real ones, also on a busy machine
            "RECORDING_STOP_TIMEOUT_SECONDS": "3",
            **CANARIES,
            "AGORA_CUSTOMER_SECRET": simulator.customer_secret,
            **environ,
        }
    )


class Desk:
    """One worker and one beat, and what they see."""

    def __init__(self, database: Database, simulator: Simulator, settings: Settings) -> None:
        self.simulator, self.settings = simulator, settings
        self.clock = HandClock(simulator)
        self.store = ClockedStore(database, self.clock)
        self.recorder = self.another()
        self.before: Callable[[Dispatch], None] = lambda _one: None
        self.after: Callable[[], None] = lambda: None
        self._waiting: list[tuple[datetime, int, Step, Dispatch]] = []
        self._count = 0

    def another(self, **changes: Any) -> Recorder:
        """Make another process's recorder over the same database."""
        return Recorder(
            self.store,
            replace(self.settings, **changes),
            rng=random.Random(7),
            sleep=self.clock.sleep,
        )

    def keep_agoras_time(self) -> None:
        """Set the clock by Agora's, which reads a token's instants by its own."""
        self.clock.now = datetime.fromtimestamp(self.simulator.now(), UTC)

    # -- asking --------------------------------------------------------------------------

    def record(self, **arguments: Any) -> str:
        """Ask for a recording, from nine for ten minutes unless said otherwise; run what is due."""
        arguments = {"channel": "lesson", "duration": 600} | arguments
        accepted = self.recorder.record(arguments)
        self.deliver(accepted.dispatches)
        return accepted.recording_id

    def stop(self, recording_id: str) -> None:
        """Stop a recording as the task does."""
        self.deliver(self.recorder.stop(recording_id))

    # -- working -------------------------------------------------------------------------

    def deliver(self, dispatches: Any) -> None:
        """Do what was claimed, as tasks do: each at its slot, and the start after its acquire."""
        self._queue(dispatches)
        self._work(until=None)

    def beat(self) -> bool:
        """Sweep once, and do what comes until the next beat; False when there was nothing."""
        self._queue(self.recorder.sweep())
        if not self._waiting:
            return False
        next_beat = self.clock.now + BEAT
        self._work(until=next_beat)
        self.clock.sleep_until(next_beat)
        return True

    def _queue(self, dispatches: Any) -> None:
        for one in dispatches:
            self._count += 1
            heappush(self._waiting, (one.slot_at, self._count, one.step, one))

    def _work(self, until: datetime | None) -> None:
        while self._waiting and (until is None or self._waiting[0][0] <= until):
            slot_at, number, step, one = heappop(self._waiting)
            self.clock.sleep_until(slot_at)
            claim = one.start_claim if step is Step.START is not one.step else one.claim
            self.before(one)
            follows = self.recorder.run(one.recording_id, step, claim)
            self.after()
            if follows and one.start_at is not None:
                slot_at = self.latest(one.recording_id).slot_at or self.clock.now
                heappush(self._waiting, (slot_at, number, Step.START, one))

    def until(self, is_so: Callable[[], bool], *, within: float = 4000) -> None:
        """Beat until something is so."""
        end = self.clock.now + timedelta(seconds=within)
        while not is_so():
            assert self.clock.now < end, f"not so within {within} s"
            if not self.beat():
                self.skip()

    def until_final(self, recording_id: str, *, within: float = 4000) -> Recording:
        """Beat until a recording is over."""
        self.until(lambda: self.find(recording_id).state.is_final, within=within)
        return self.find(recording_id)

    def until_state(
        self, recording_id: str, state: SessionState, *, within: float = 600
    ) -> Session:
        """Beat until the latest session has come to a state."""
        self.until(lambda: self.latest(recording_id).state is state, within=within)
        return self.latest(recording_id)

    def until_recording(self, recording_id: str) -> Session:
        """Beat until it was seen to record."""
        self.until(lambda: self.find(recording_id).state is RecordingState.RECORDING, within=600)
        return self.latest(recording_id)

    def go_on(self, seconds: float) -> None:
        """Beat for so long."""
        end = self.clock.now + timedelta(seconds=seconds)
        while self.clock.now < end:
            if not self.beat():
                self.skip(end)

    def skip(self, end: datetime | None = None) -> None:
        """Let time pass until just before the next thing that is due."""
        now = self.clock.now
        ahead = [end] if end is not None else []
        due = self._due()
        if all(at > now for at in due):
            # A herd is acquired the earlier, the larger it is; the sweep must be there in time.
            early = timedelta(seconds=1 + len(due) / 8)
            ahead += [at - early for at in due]
            self.clock.sleep_until(min(ahead, default=now))
        if self.clock.now == now:
            self.clock.sleep(BEAT.total_seconds())

    def _due(self) -> list[datetime]:
        """Tell when each open session will need something, or was to have needed it."""
        columns = schema.sessions.c
        query = sa.select(columns.due_at, columns.stop_at, columns.lease_until, columns.state)
        with self.store.database.read() as connection:
            rows = connection.execute(query.where(columns.is_open)).all()
        waits = {SessionState.STOPPING, SessionState.UNACCOUNTED}
        due: list[datetime] = []
        for row in rows:
            stop_at = row.due_at if row.stop_at is None or row.state in waits else row.stop_at
            wanted_at = min(row.due_at, stop_at)
            due.append(max(wanted_at, row.lease_until or wanted_at))
        return due

    # -- seeing --------------------------------------------------------------------------

    def find(self, recording_id: str) -> Recording:
        """Read a recording."""
        return self.recorder.find(recording_id)

    def sessions(self, recording_id: str) -> list[Session]:
        """Read its sessions."""
        return self.store.sessions_of(recording_id)

    def latest(self, recording_id: str) -> Session:
        """Read its latest session."""
        return self.sessions(recording_id)[-1]

    def events(self, recording_id: str) -> list[str]:
        """Read the names in its timeline."""
        return [entry.event for entry in self.store.timeline_of(recording_id)]

    def calls(self, method: str | None = None) -> list[dict[str, Any]]:
        """What Agora was asked, in its order."""
        return self.simulator.calls(method)

    def running(self) -> int:
        """How many sessions Agora has running."""
        count: int = self.simulator.report()["sessions_running"]
        return count

    def seconds(self) -> float:
        """How long after nine it is."""
        return (self.clock.now - NINE).total_seconds()
