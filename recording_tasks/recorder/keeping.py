"""How an answer of Agora is kept while it cannot be written down."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from recording_tasks.errors import StoreUnavailableError
from recording_tasks.lifecycle import Call
from recording_tasks.models import Started
from recording_tasks.store import Seen

log = logging.getLogger(__name__)

_KEPT_FOR_SECONDS = 600.0
_LONGEST_WAIT = 1.0  # seconds: mostly it is written before a sweep claims the call anew


def written(
    write: Callable[[], bool], taken: Seen, call: Call, sleep: Callable[[float], None]
) -> bool:
    """Write an answer down, however long the database is away; give what writing it gave.

    A worker that is asked to end meanwhile goes on trying until it is killed.  What is given up
    is no worse than what a killed worker had heard: the call counts as one without an answer.
    """
    try:
        return write()
    except StoreUnavailableError as error:
        log.warning("answer.kept %s why=%s", _names(taken, call), error)
    retrying = Retrying(
        retry=retry_if_exception_type(StoreUnavailableError),
        wait=wait_exponential(multiplier=0.1, max=_LONGEST_WAIT),
        stop=_is_given_up,
        sleep=sleep,
        reraise=True,
    )
    try:
        gave = retrying(write)
    except StoreUnavailableError as error:
        log.error("answer.lost %s why=%s: %s", _names(taken, call), error, _remedy(call))  # noqa: TRY400 - its traceback tells nothing
        return False
    log.info("answer.written %s", _names(taken, call))
    return gave


def _is_given_up(state: RetryCallState) -> bool:
    return max(state.idle_for, state.seconds_since_start or 0.0) >= _KEPT_FOR_SECONDS


def _names(taken: Seen, call: Call) -> str:
    """Name an answer for people: where it is lost, this is all that is left of a sid."""
    named = f"recording={taken.recording.id} session={taken.session.id} step={call.step.value}"
    return named if (sid := _sid_of(call)) is None else f"{named} sid={sid}"


def _sid_of(call: Call) -> str | None:
    return call.answer.sid if isinstance(call.answer, Started) else None


def _remedy(call: Call) -> str:
    if _sid_of(call) is None:
        return "it is made again when the database is back; nothing is to be done"
    return (
        "the session of this sid runs, and the recording goes on with another one;"
        " Agora's stop with this sid ends it before its channel is empty"
    )
