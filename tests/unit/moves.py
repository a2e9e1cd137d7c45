"""The legal moves of a recording and its sessions, and what may come instead of a success."""

from __future__ import annotations

from recording_tasks.errors import Remedy
from recording_tasks.models import RecordingState, SessionState, Step

S, R = SessionState, RecordingState

# The legal moves, written down from the vocabulary and not from the code.
SESSION_MOVES: dict[SessionState, set[SessionState]] = {
    S.PLANNED: {S.ACQUIRED, S.FAILED},
    S.ACQUIRED: {S.PLANNED, S.STARTING, S.STARTED, S.UNACCOUNTED, S.FAILED},
    S.STARTING: {S.STARTED, S.UNACCOUNTED},  # never forgotten: it may run
    S.STARTED: {S.RECORDING, S.STOPPING, S.STOPPED, S.ENDED},
    S.RECORDING: {S.STOPPING, S.STOPPED, S.ENDED},
    S.STOPPING: {S.STOPPED, S.ENDED},
    S.UNACCOUNTED: {S.STOPPING, S.EXPIRED},
    S.STOPPED: set(),
    S.ENDED: {S.STOPPED},  # it had come back, and was stopped after all
    S.FAILED: set(),
    S.EXPIRED: {S.STOPPING},  # its sid came after all
}
RECORDING_MOVES: dict[RecordingState, set[RecordingState]] = {
    R.SCHEDULED: {R.STARTING, R.MISSED, R.FAILED, R.CANCELLED},
    R.STARTING: {R.RECORDING, R.STOPPING, R.STOPPED, R.MISSED, R.FAILED, R.CANCELLED},
    R.RECORDING: {R.STARTING, R.STOPPING, R.STOPPED},
    R.STOPPING: {R.STOPPED, R.FAILED},
    R.STOPPED: set(),
    R.MISSED: set(),
    R.FAILED: set(),
    R.CANCELLED: set(),
}

# What may come instead of a success, by step; a 404 and its like follow from what Agora knows.
TROUBLE: dict[Step, list[Remedy]] = {
    Step.ACQUIRE: [
        Remedy.SAME_AGAIN,
        Remedy.OVERLOADED,
        Remedy.SLOW_DOWN,
        Remedy.CREDENTIALS,
        Remedy.ACCOUNT,
        Remedy.PARAMETERS,
        Remedy.REFUSED,
    ],
    Step.START: [
        *[Remedy.SAME_AGAIN, Remedy.SAME_RESOURCE] * 4,
        Remedy.NEW_RESOURCE,
        Remedy.OTHER_UID,
        Remedy.SLOW_DOWN,
        Remedy.CREDENTIALS,
        Remedy.PARAMETERS,
        Remedy.REFUSED,
    ],
    Step.QUERY: [
        Remedy.SAME_AGAIN,
        Remedy.NEW_RESOURCE,
        Remedy.SLOW_DOWN,
        Remedy.CREDENTIALS,
        Remedy.PARAMETERS,
        Remedy.REFUSED,
        *[Remedy.SUSPECT] * 3,
    ],
    Step.STOP: [
        Remedy.SAME_AGAIN,
        Remedy.NEW_RESOURCE,
        Remedy.SLOW_DOWN,
        Remedy.CREDENTIALS,
        Remedy.PARAMETERS,
        Remedy.REFUSED,
        *[Remedy.SUSPECT] * 3,
    ],
}
TROUBLE[Step.UPDATE] = TROUBLE[Step.UPDATE_LAYOUT] = TROUBLE[Step.QUERY]
