"""The use cases behind one door: accept, change one's mind, find what is due, make a call."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from recording_tasks.models import Recording, Step
from recording_tasks.recorder.acceptance import Accepted, Accepter
from recording_tasks.recorder.changing import Changer, found
from recording_tasks.recorder.claims import Dispatch
from recording_tasks.recorder.context import Context
from recording_tasks.recorder.purging import Purger
from recording_tasks.recorder.reconciling import Reconciled, Reconciler
from recording_tasks.recorder.running import Calls
from recording_tasks.recorder.sweeping import Sweeper
from recording_tasks.settings import Settings
from recording_tasks.store import Store

_NOTICES_AT_ONCE = 50
_FOR_A_PROVIDER = timedelta(seconds=1)


class Recorder:
    """Everything the product does, behind verbs; safe to use from many threads.

    Args:
        rng: Chooses the recorder uids.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._settings = store, settings
        context = Context(store, settings, rng or random.SystemRandom(), sleep)
        self._calls = Calls(context)
        self._accepter = Accepter(context)
        self._changer = Changer(context, self._calls)
        self._sweeper = Sweeper(context)
        self._reconciler = Reconciler(context)
        self._purger = Purger(context)

    @property
    def preparation(self) -> timedelta:
        """Tell how long before its slot a start begins: somebody else's token takes its time."""
        return _FOR_A_PROVIDER if self._settings.token_provider else timedelta(0)

    # -- what callers ask for ------------------------------------------------------------

    def record(self, arguments: Mapping[str, Any], *, at_once: bool = True) -> Accepted:
        """Accept a recording; the same key again gives the recording that it gave before.

        Args:
            at_once: Claim a call that is due now, to be sent by the caller; who cannot send it
                leaves it to the next sweep.

        Raises:
            InvalidInputError: Lists every fault; nothing was stored.
            StoreUnavailableError: Nothing was stored; trying again is safe.
        """
        return self._accepter.accept(arguments, at_once=at_once)

    def find(self, recording_id: str) -> Recording:
        """Read a recording.

        Raises:
            UnknownRecordingError: There is none of this id.
        """
        return found(self._store, recording_id)

    def stop(
        self, recording_id: str, *, at_once: bool = True, asked_by: str | None = None
    ) -> tuple[Dispatch, ...]:
        """End a recording now; safe to repeat, also when it is over.

        Args:
            at_once: Claim the stop of what runs, to be made by the caller; who cannot make it
                leaves it to the next sweep.
            asked_by: The id of the message that brought the wish.
        """
        return self._changer.stop(recording_id, at_once=at_once, asked_by=asked_by)

    def stop_now(
        self, recording_id: str, *, asked_by: str | None = None, is_again: bool = False
    ) -> None:
        """End a recording now, and make the call that it takes; safe to repeat.

        Where nothing limits the app, the wish and the intent of the call are one write.

        Args:
            is_again: Whether the message may have been handed over before.
        """
        self._changer.stop_now(recording_id, asked_by=asked_by, is_again=is_again)

    def cancel(self, recording_id: str, *, asked_by: str | None = None) -> None:
        """Call a recording off; what runs is stopped, and what it recorded remains."""
        self._changer.cancel(recording_id, asked_by=asked_by)

    def extend(
        self, recording_id: str, arguments: Mapping[str, Any], *, asked_by: str | None = None
    ) -> None:
        """Move a recording's stop time, later or earlier; `duration` counts from its start.

        Raises:
            InvalidInputError: No or a bad stop time.
            WrongStateError: It is over, or its stop is under way.
        """
        self._changer.extend(recording_id, arguments, asked_by=asked_by)

    def update(self, recording_id: str, request: Any, *, asked_by: str | None = None) -> None:
        """Change what a recording subscribes to, pauses or pushes; the last word wins.

        Raises:
            InvalidInputError: Lists every fault of the request.
            WrongStateError: It is over, or is being stopped.
        """
        self._changer.update(recording_id, request, asked_by=asked_by)

    def update_layout(
        self, recording_id: str, request: Any, *, asked_by: str | None = None
    ) -> None:
        """Replace a mixed recording's layout as a whole; errors as for `update`."""
        self._changer.update_layout(recording_id, request, asked_by=asked_by)

    def hasten(self, recording_id: str, step: Step) -> None:
        """Bring a step that is not due yet forward to now, as far as it makes sense."""
        found(self._store, recording_id)
        with self._store.writing() as writing:
            writing.make_due(recording_id, step, self._store.now())

    # -- what the beat and the workers do ------------------------------------------------

    def sweep(self) -> list[Dispatch]:
        """Claim what is due, of every app; safe to run anywhere, any number of times."""
        return [one for dispatches in self.sweep_apps() for one in dispatches]

    def sweep_apps(self) -> Iterator[Sequence[Dispatch]]:
        """Claim what is due, one app after the other: send what one has before asking for more.

        What needs a decision and no call comes last, of each app in turn: it has no instant.
        """
        return self._sweeper.run()

    def reconcile(self) -> Reconciled:
        """Compare what we believe with what Agora says, and mend it; safe to repeat."""
        return self._reconciler.run()

    def purge(self) -> int:
        """Remove some of what is over for longer than it is kept; safe to repeat.

        Returns:
            How many recordings were removed.

        Raises:
            OSError: They could not be archived, and stay.
        """
        return self._purger.run()

    def count_purgeable(self) -> int:
        """Count what purges would remove now."""
        return self._purger.count()

    def notices(self) -> list[Recording]:
        """Find recordings that are over and whose asker is still to be told."""
        return self._store.notices_due(_NOTICES_AT_ONCE)

    def notified(self, recording: Recording) -> None:
        """Remember that the asker was told."""
        with self._store.writing() as writing:
            before = writing.lock(recording.id)
            if before is not None:
                writing.save(before, replace(before, notified_at=self._store.now()))

    def run(self, recording_id: str, step: Step, claim: str) -> bool:
        """Make one claimed call and write down what came of it; safe to deliver twice.

        Returns:
            Whether the step that follows at once was claimed with it.
        """
        return self._calls.run_claim(recording_id, step, claim)

    def close(self) -> None:
        """Close connections to Agora and to the database."""
        self._calls.close()
        self._store.database.close()
