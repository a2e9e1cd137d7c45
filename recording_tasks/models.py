"""Our nouns: what a recording and its sessions are, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

RESOURCE_LIFETIME = timedelta(minutes=5)  # Agora's limit from acquire to start


class Mode(StrEnum):
    """How Agora records: one file per user, one mixed file, or a web page."""

    INDIVIDUAL = "individual"
    MIX = "mix"
    WEB = "web"


class RecordingState(StrEnum):
    """Where a recording stands; the last four are final."""

    SCHEDULED = "scheduled"
    STARTING = "starting"
    RECORDING = "recording"
    STOPPING = "stopping"
    STOPPED = "stopped"
    MISSED = "missed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in _FINAL_RECORDINGS


class SessionState(StrEnum):
    """Where one session stands; the last four are final."""

    PLANNED = "planned"  # no resource yet
    ACQUIRED = "acquired"  # has a resource; start was never sent
    STARTING = "starting"  # start was sent, its outcome is not known
    STARTED = "started"  # has a sid; not yet seen to record
    RECORDING = "recording"  # seen with status 4 or 5
    STOPPING = "stopping"  # stop was sent, and is repeated until it is settled
    UNACCOUNTED = "unaccounted"  # may run without a known sid until its idle time is over
    STOPPED = "stopped"  # we stopped it
    ENDED = "ended"  # it ended without us
    FAILED = "failed"  # it never ran
    EXPIRED = "expired"  # was unaccounted; its idle time is over

    @property
    def is_final(self) -> bool:
        """Whether this session needs nothing more."""
        return self in _FINAL_SESSIONS

    @property
    def has_resource(self) -> bool:
        """Whether its start is the next that is sent."""
        return self is SessionState.ACQUIRED

    @property
    def may_run(self) -> bool:
        """Whether Agora may be recording it at this moment, as far as we know."""
        return self in _RUNNING_SESSIONS


class Step(StrEnum):
    """What a session needs at one instant."""

    ACQUIRE = "acquire"
    START = "start"
    QUERY = "query"
    UPDATE = "update"
    UPDATE_LAYOUT = "update_layout"
    STOP = "stop"
    REST = "rest"

    @property
    def lane(self) -> int:
        """How urgent it is; the lower, the more."""
        return _LANES[self]


class OnEarlyExit(StrEnum):
    """What to do when a session ends before the recording's stop time."""

    RESTART = "restart"
    FINISH = "finish"


class UploadStatus(StrEnum):
    """Where the files are, as far as Agora said."""

    UPLOADED = "uploaded"  # all in the customer's bucket
    BACKUPED = "backuped"  # some still in Agora's backup, forwarded by itself
    UNKNOWN = "unknown"


_LANES = {
    Step.STOP: 0,
    Step.START: 1,
    Step.ACQUIRE: 2,
    Step.UPDATE: 3,
    Step.UPDATE_LAYOUT: 3,
    Step.QUERY: 4,
    Step.REST: 5,
}
AWAITED_LANE = _LANES[Step.UPDATE]  # of a query that something is decided by
_FINAL_RECORDINGS = frozenset(
    {
        RecordingState.STOPPED,
        RecordingState.MISSED,
        RecordingState.FAILED,
        RecordingState.CANCELLED,
    }
)
_FINAL_SESSIONS = frozenset(
    {SessionState.STOPPED, SessionState.ENDED, SessionState.FAILED, SessionState.EXPIRED}
)
_RUNNING_SESSIONS = frozenset(
    {
        SessionState.STARTING,
        SessionState.STARTED,
        SessionState.RECORDING,
        SessionState.STOPPING,
        SessionState.UNACCOUNTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One recorded file, as Agora named it.

    Attributes:
        name: The file's name; may or may not carry the bucket prefix.
        track_type: ``audio``, ``video``, ``audio_and_video``; None where Agora does not say.
        uid: Whose stream; ``"0"`` in mix mode.
        is_playable: Whether it can be played online.
        slice_start_ms: When it begins, Unix milliseconds.
    """

    name: str
    track_type: str | None = None
    uid: str | None = None
    is_playable: bool | None = None
    slice_start_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquired:
    """The answer of acquire: a ticket for one session.

    Attributes:
        resource_id: Opaque, hundreds of characters; never parsed, never cut.
    """

    resource_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The answer of start.

    Attributes:
        sid: Agora's id of the session; None when it said "already started" and no more.
        was_running: Whether an earlier start had already begun it (201, code 7).
    """

    sid: str | None
    was_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The answer of query.

    Attributes:
        status: Agora's number: 4 and 5 record, 6 to 8 go, 20 died; None for odd answers.
        files: What is recorded so far; may be empty before the first slice.
        services: State of each extension service by name (``init``, ``inProgress``, ``exit``).
    """

    status: int | None
    files: tuple[File, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """The answer of update or updateLayout: taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The answer of stop, when it is settled.

    Attributes:
        upload_status: None when the answer said nothing of it.
        is_empty: Whether Agora said that nothing was recorded (435).
    """

    files: tuple[File, ...] = ()
    upload_status: UploadStatus | None = None
    is_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a caller asked for and what became of it.

    Attributes:
        id: Ours, unique.
        key: The caller's idempotency key, unique where given.
        app: Name of the app profile, never the App ID.
        uid: The recorder's uid the caller asked for; None lets us choose.
        start_at: Aware UTC.
        stop_at: Aware UTC; None runs until ``stop`` is called or Agora ends it.
        storage: Name of the storage profile, never a key.
        request: The clientRequest parts of acquire and start, in Agora's spelling.
        update: The merged clientRequest of all accepted updates; None before the first.
        update_version: How many updates were accepted.
        session_count: How many sessions were begun for it.
        has_recorded: Whether any of its sessions was seen to record.
        failed_in_a_row: How many sessions in a row never recorded; bounds the restarts.
        is_called_off: Whether someone asked for its end, by stop or cancel.
        notified_at: When the task that `notify` names was told of its end.
        start_within: So many seconds after `start_at` it may still begin; None until its stop time.
        reason: Why it is in its final state, for people.
    """

    id: str
    key: str | None
    app: str
    channel: str
    mode: Mode
    uid: str | None
    start_at: datetime
    stop_at: datetime | None
    storage: str
    request: Mapping[str, Any]
    on_early_exit: OnEarlyExit
    notify: Mapping[str, Any]
    labels: Mapping[str, str]
    state: RecordingState
    reason: str | None
    created_at: datetime
    finished_at: datetime | None = None
    update: Mapping[str, Any] | None = None
    update_version: int = 0
    layout: Mapping[str, Any] | None = None
    layout_version: int = 0
    session_count: int = 0
    has_recorded: bool = False
    failed_in_a_row: int = 0
    is_called_off: bool = False
    notified_at: datetime | None = None
    start_within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One Agora recording session: one resource ID, one sid, one uid.

    Attributes:
        number: 1 for the recording's first session.
        step: What it needs next.
        due_at: When it needs that, not before.
        epoch: Grows with every claim and every edit; an answer of an older epoch is stale.
        claimed: The step that a worker was given; None when unclaimed.
        slot_at: The instant in the quota that the claimed call may use.
        lease_until: Until when the claim holds; afterwards anyone may claim it anew.
        is_sending: Whether the call may be under way (the intent was written).
        is_probe: Whether the claimed call is to find out if the credentials work by now, or if
            Agora takes another session again.
        attempts: How often the present step was tried in a row without success.
        start_sent_at: When start was first sent, so that its outcome may be unknown since.
        suspected_at: Since when Agora answers 404 without a break.
        stop_reached: Whether an earlier stop reached Agora's backend, so that a 404 means done.
        is_given_up: Whether we stop it to replace it, not because the recording is over.
        controllable_until: After it, Agora refuses query, update and stop.
        gone_by: An unaccounted session is surely over by then; so is what a start began that Agora
            refused, should it have worked.
        start_by: One that was never started by then is not started any more.
        ends_at: When its token or our control of it ends; another session takes over before.
        recheck_at: When Agora is asked once more about one that was given up for a 404.
    """

    id: str
    recording_id: str
    number: int
    app: str
    channel: str
    mode: Mode
    uid: str
    state: SessionState
    step: Step
    due_at: datetime
    start_at: datetime
    stop_at: datetime | None
    epoch: int = 0
    claimed: Step | None = None
    slot_at: datetime | None = None
    lease_until: datetime | None = None
    is_sending: bool = False
    is_probe: bool = False
    attempts: int = 0
    resource_id: str | None = None
    acquired_at: datetime | None = None
    start_sent_at: datetime | None = None
    sid: str | None = None
    started_at: datetime | None = None
    confirmed_at: datetime | None = None
    queried_at: datetime | None = None
    suspected_at: datetime | None = None
    stop_reached: bool = False
    is_given_up: bool = False
    ended_at: datetime | None = None
    controllable_until: datetime | None = None
    gone_by: datetime | None = None
    update_version: int = 0
    layout_version: int = 0
    status: int | None = None
    files: tuple[File, ...] = ()
    upload_status: UploadStatus | None = None
    reason: str | None = None
    start_by: datetime | None = None
    ends_at: datetime | None = None
    recheck_at: datetime | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether its next query decides something: if it began, or if it is still there."""
        is_open_question = self.confirmed_at is None or self.suspected_at is not None
        return self.step is Step.QUERY and is_open_question

    @property
    def lane(self) -> int:
        """How urgent its next step is; the lower, the more."""
        return AWAITED_LANE if self.is_awaited else self.step.lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a recording's timeline.

    Attributes:
        event: A stable name, noun.past-participle.
        facts: JSON values; never a secret.
    """

    at: datetime
    event: str
    session_number: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
