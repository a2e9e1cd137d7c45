"""What every use case has at hand: the store, the settings, chance, and a way to wait."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from recording_tasks.lifecycle import Change, Moment
from recording_tasks.limiter import Pace
from recording_tasks.models import Recording, Session, Step
from recording_tasks.recorder.load import Load, load_of, pace_of
from recording_tasks.settings import Settings
from recording_tasks.store import Store, Work, Writing
from recording_tasks.wire import HIGHEST_UID

_COUNTED_EVERY = timedelta(seconds=10)
_TRIES = 200  # for a uid of the range that we were given


class Context:
    """The surroundings of the use cases, shared by all threads.

    Attributes:
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        rng: random.Random,
        sleep: Callable[[float], None],
    ) -> None:
        self.store, self.settings, self.sleep = store, settings, sleep
        self._rng = rng
        self._loads: dict[str, tuple[datetime, Load]] = {}

    def pace(self, app: str) -> Pace:
        """Tell how fast an app may be called."""
        return pace_of(self.settings, app)

    def lease(self, step: Step) -> timedelta:
        """Tell for how long a worker owns a call of this step."""
        return self.settings.stop_lease if step is Step.STOP else self.settings.lease

    def moment(self, now: datetime) -> Moment:
        """Give the rules their instant, and a uid they may need."""
        return Moment(now=now, rules=self.settings.rules, spare_uid=self._any_uid())

    def moment_of(self, app: str, now: datetime) -> Moment:
        """Give the rules their instant, and the spacing of queries that the app's load allows.

        It may read the database, so it is not for the inside of a transaction.
        """
        moment = self.moment(now)
        if not self.pace(app).rate:
            return moment
        every = self._load(app, now).every
        if every == moment.rules.query_every:
            return moment
        return replace(moment, rules=replace(moment.rules, query_every=every))

    def _load(self, app: str, now: datetime) -> Load:
        """Count what runs now and then: a little more or less makes no difference."""
        known = self._loads.get(app)
        if known is not None and abs(now - known[0]) < _COUNTED_EVERY:
            return known[1]
        load = load_of(self.store, self.settings, app)
        self._loads[app] = now, load
        return load

    def in_order(self, apps: Sequence[Work]) -> Sequence[tuple[Work, int]]:
        """Order the apps of a sweep, each with the last of the lanes that it is claimed for.

        Where apps share the quota of an account, any order, so that none is always the first at
        it, and the stops of all before the starts of any, and these before all else.  Elsewhere
        the same in every sweep: so each is looked at every second, however long the sweeps take.
        """
        if not self.settings.account_rate or len(apps) == 1:
            return [(work, Step.REST.lane) for work in apps]
        drawn = self._rng.sample(apps, len(apps))
        return [
            *((work, Step.STOP.lane) for work in drawn if work.has_stops),
            *((work, Step.START.lane) for work in drawn if work.has_starts),
            *((work, Step.REST.lane) for work in drawn),
        ]

    def free_uid(self, known: Store | Writing, app: str, channel: str) -> str:
        """Choose a recorder uid that no open session of the channel uses.

        Where the range that we were given is too small for them, one beside it is better than none.
        """
        taken = known.uids_of(app, channel)
        for _ in range(_TRIES):
            if (uid := self._any_uid()) not in taken:
                return uid
        while (uid := str(self._rng.randint(1, HIGHEST_UID))) in taken:
            pass
        return uid

    def save(
        self, writing: Writing, recording: Recording, session: Session, change: Change
    ) -> None:
        """Write what a rule made of a recording and its session, both as they were read."""
        writing.save(recording, change.recording)
        self._bound_others(writing, recording, change.recording)
        writing.save_session(session, change.session)
        if change.successor is not None:
            successor = change.successor
            if successor.uid in writing.uids_of(recording.app, recording.channel):
                uid = self.free_uid(writing, recording.app, recording.channel)
                successor = replace(successor, uid=uid)
            writing.add_session(successor)
        writing.write(recording.id, change.entries)

    def _bound_others(self, writing: Writing, before: Recording, after: Recording) -> None:
        """Let no earlier session outlive the recording: one that was relieved may still run."""
        end = after.finished_at if after.state.is_final else after.stop_at
        was = before.finished_at if before.state.is_final else before.stop_at
        if after.session_count > 1 and end is not None and end != was:
            writing.bound_stops(after.id, after.session_count, end)

    def _any_uid(self) -> str:
        return str(self._rng.randint(self.settings.uid_low, self.settings.uid_high))
