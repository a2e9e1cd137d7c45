"""The tasks, by the names other services know: thin shells over the recorder's use cases."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from celery import Task, chain
from celery.exceptions import Ignore
from kombu.exceptions import OperationalError

from recording_tasks.app import app, recorder
from recording_tasks.errors import StoreUnavailableError
from recording_tasks.models import Recording, Step
from recording_tasks.recorder import Dispatch
from recording_tasks.timetable import fired_at, with_fire_time

log = logging.getLogger(__name__)

_AHEAD = timedelta(milliseconds=150)  # a task wakes so long before its slot, and waits the rest
_EXPIRES = timedelta(seconds=12)  # added to what a dispatch says: clocks may be apart


class _Door(Task):
    """A task that other services send: it is tried again while the database is away."""

    abstract = True
    autoretry_for = (StoreUnavailableError,)
    max_retries = None
    retry_backoff = 1
    retry_backoff_max = 5  # a long wait is a row, never a message
    throws = app.Task.throws
    on_failure = app.Task.on_failure


class _RecordDoor(_Door):
    """Stamps what a beat sends with the time it fired for, so that two beats send the same."""

    abstract = True

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send; only what a beat sends is changed."""
        options = with_fire_time(app.conf.beat_schedule, self.name, args, kwargs, options)
        return super().apply_async(args, kwargs, **options)


@app.task(name="recording_tasks.record", bind=True, base=_RecordDoor, ignore_result=False)
def record(self: Task, channel: object = None, **arguments: Any) -> str:
    """Accept a recording and give its id; the same key twice gives the same one."""
    arguments = _once(self.request, fired_at(self.request, {"channel": channel, **arguments}))
    accepted = recorder().record(arguments)
    dispatch(accepted.dispatches)
    return accepted.recording_id


def _once(request: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Let a message that is handed over twice make one recording: a task's id survives that."""
    if arguments.get("key") is None and request.id:
        return {**arguments, "key": f"task:{request.id}"}
    return arguments


@app.task(name="recording_tasks.extend", bind=True, base=_Door, ignore_result=False)
def extend(self: Task, recording_id: str, stop_at: object = None, duration: object = None) -> str:
    """Move a recording's stop time."""
    wish = {"stop_at": stop_at, "duration": duration}
    recorder().extend(recording_id, wish, asked_by=self.request.id)
    return recording_id


@app.task(name="recording_tasks.cancel", bind=True, base=_Door, ignore_result=False)
def cancel(self: Task, recording_id: str) -> str:
    """Call a recording off."""
    recorder().cancel(recording_id, asked_by=self.request.id)
    return recording_id


@app.task(name="recording_tasks.sweep")
def sweep() -> None:
    """Claim what is due and send it to the workers; safe to run at any time, anywhere."""
    is_sent = True
    try:
        for dispatches in recorder().sweep_apps():
            # Where one could not be sent, a try for each app would take seconds.
            is_sent = is_sent and dispatch(dispatches)
        _tell_askers()
    except StoreUnavailableError as error:
        log.warning("sweep.skipped why=%s", error)


@app.task(name="recording_tasks.reconcile")
def reconcile() -> dict[str, Any] | None:
    """Compare what we believe with what Agora says; safe to run at any time, anywhere.

    Returns:
        What was found, for who watches the results of tasks (Flower, Celery's events): counts by
        kind, and under ``stretched`` for each app that has more sessions running than can be
        asked about in time how many run, and how many seconds lie between two queries of each.
    """
    try:
        return recorder().reconcile().figures()
    except StoreUnavailableError as error:
        log.warning("reconcile.skipped why=%s", error)
        return None


@app.task(name="recording_tasks.purge")
def purge() -> None:
    """Remove recordings that are over for longer than they are kept; safe to run at any time."""
    try:
        recorder().purge()
    except StoreUnavailableError as error:
        log.warning("purge.skipped why=%s", error)
    except OSError as error:  # a person must act; until then nothing is removed
        log.error("purge.stopped, the archive cannot be written: %s", error)  # noqa: TRY400


@app.task(name="recording_tasks.acquire", ignore_result=False)
def acquire(recording_id: str, claim: str | None = None) -> str:
    """Acquire a resource; the start that is chained to it runs only if it was claimed with it."""
    is_followed = _run(recording_id, Step.ACQUIRE, claim)
    if claim is not None and not is_followed:
        raise Ignore
    return recording_id


@app.task(name="recording_tasks.start", ignore_result=False)
def start(recording_id: str, claim: str | None = None) -> str:
    """Start the recording with its acquired resource."""
    _run(recording_id, Step.START, claim)
    return recording_id


@app.task(name="recording_tasks.query", ignore_result=False)
def query(recording_id: str, claim: str | None = None) -> str:
    """Ask Agora how the recording goes."""
    _run(recording_id, Step.QUERY, claim)
    return recording_id


@app.task(name="recording_tasks.update", bind=True, base=_Door, ignore_result=False)
def update(self: Task, recording_id: str, request: Any = None, claim: str | None = None) -> str:
    """Change what the recording subscribes to, pauses or pushes."""
    if claim is None:
        recorder().update(recording_id, request, asked_by=self.request.id)
    else:
        _run(recording_id, Step.UPDATE, claim)
    return recording_id


@app.task(name="recording_tasks.update_layout", bind=True, base=_Door, ignore_result=False)
def update_layout(
    self: Task, recording_id: str, request: Any = None, claim: str | None = None
) -> str:
    """Replace the layout of a mixed recording."""
    if claim is None:
        recorder().update_layout(recording_id, request, asked_by=self.request.id)
    else:
        _run(recording_id, Step.UPDATE_LAYOUT, claim)
    return recording_id


@app.task(name="recording_tasks.stop", bind=True, base=_Door, ignore_result=False)
def stop(self: Task, recording_id: str, claim: str | None = None) -> str:
    """Stop the recording; safe to repeat."""
    if claim is None:
        is_again = _is_again(self.request)
        recorder().stop_now(recording_id, asked_by=self.request.id, is_again=is_again)
    else:
        _run(recording_id, Step.STOP, claim)
    return recording_id


def _is_again(request: Any) -> bool:
    """Tell whether a message may have been handed over before, to a worker that died of it."""
    return bool((request.delivery_info or {}).get("redelivered")) or request.retries > 0


_TASKS = {
    Step.ACQUIRE: acquire,
    Step.START: start,
    Step.QUERY: query,
    Step.UPDATE: update,
    Step.UPDATE_LAYOUT: update_layout,
    Step.STOP: stop,
}


def dispatch(dispatches: Iterable[Dispatch]) -> bool:
    """Send claimed calls to the workers; one that cannot be sent is claimed anew by a sweep.

    Returns:
        Whether all could be sent.
    """
    dispatches = list(dispatches)
    if not dispatches:
        return True
    try:
        with app.producer_or_acquire() as producer:
            for one in dispatches:
                _send(one, producer)
    except (OperationalError, OSError) as error:
        log.warning("dispatch.failed count=%d why=%s", len(dispatches), error)
        return False
    return True


def _tell_askers() -> None:
    """Send the tasks that callers named in `notify`; one that cannot be sent is tried again."""
    for recording in recorder().notices():
        try:
            _tell_asker(recording)
        except (OperationalError, OSError) as error:
            log.warning("notice.failed recording=%s why=%s", recording.id, error)
            return
        except app.connection_for_write().channel_errors as error:  # a broker that is full, say
            log.warning("notice.failed recording=%s why=%s", recording.id, type(error).__name__)
            continue
        except Exception as error:  # noqa: BLE001 - one that nobody can send must not block others
            kind = type(error).__name__
            log.error("notice.given_up recording=%s why=%s", recording.id, kind)  # noqa: TRY400
        recorder().notified(recording)


def _tell_asker(recording: Recording) -> None:
    options = {"queue": recording.notify["queue"]} if "queue" in recording.notify else {}
    facts = {"state": recording.state.value, "reason": recording.reason}
    options["task_id"] = f"{recording.id}-over"  # two sweeps may tell it: the id is the same
    send = partial(app.send_task, recording.notify["task"], (recording.id,), facts, **options)
    try:
        send()
    except app.connection_for_write().channel_errors:
        send(declare=[])  # the queue is there already, with arguments of its owner's choice


def _send(one: Dispatch, producer: Any) -> None:
    signature = _TASKS[one.step].si(one.recording_id, claim=one.claim)
    signature.set(task_id=f"{one.recording_id}-{one.claim}-{one.step.value}")
    # Nobody waits for what a sweep sends; a caller's own message gets its result.
    signature.set(ignore_result=True)
    options: dict[str, Any] = {"expires": one.expires_at + _EXPIRES, "producer": producer}
    options |= _eta(one.slot_at, one.step)
    if one.start_at is None:
        signature.apply_async(**options)
        return
    follows = start.si(one.recording_id, claim=one.start_claim)
    follows.set(
        task_id=f"{one.recording_id}-{one.start_claim}-start",
        ignore_result=True,
        **_eta(one.start_at, Step.START),
    )
    chain(signature, follows).apply_async(**options)


def _eta(slot_at: datetime, step: Step) -> dict[str, datetime]:
    wake_at = slot_at - _AHEAD
    if step is Step.START:
        wake_at -= recorder().preparation
    return {"eta": wake_at} if wake_at > datetime.now(UTC) + _AHEAD else {}


def _run(recording_id: str, step: Step, claim: str | None) -> bool:
    """Make a claimed call; without a claim, ask the sweep to claim it as soon as it may."""
    if claim is None:
        recorder().hasten(recording_id, step)
        return False
    return recorder().run(recording_id, step, claim)
