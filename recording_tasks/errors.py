"""The error tree, by remedy: what a caller can do decides the branch, not where it arose.

RecordingError
├── InvalidInputError        the caller's arguments; lists every fault with its path
├── ConfigurationError       this deployment's settings; lists every fault
├── UnknownRecordingError    no recording of that id
├── WrongStateError          the recording is past the point where this is possible
├── StoreUnavailableError    the database is away, full or locked; nothing was written
├── TokenError               no RTC token could be made; nothing was sent
├── ServiceError             Agora answered, and not with a success; carries its remedy
└── TransportError           no answer that can be read
    ├── NotSentError         nothing reached Agora: safe to repeat
    └── OutcomeUnknownError  the request may have been carried out
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Remedy(StrEnum):
    """What to do about an answer that is not a plain success (facts §4.2, §4.3)."""

    SAME_AGAIN = "same_again"  # send the same request again, a little later
    SAME_RESOURCE = "same_resource"  # start may run: repeat it with the same resource ID, only that
    RUNS_ALREADY = "runs_already"  # start: this resource ID records already
    NEW_RESOURCE = "new_resource"  # the ticket is of no use: acquire again
    OTHER_UID = "other_uid"  # this channel and uid record already: acquire with another uid
    SETTLED = "settled"  # stop: it has stopped, or is stopping
    EMPTY = "empty"  # stop: it has stopped, and nothing was recorded
    EXITING = "exiting"  # query or update: the session is on its way out
    SUSPECT = "suspect"  # a 404 that means gone, or "in a moment" during a failover
    SLOW_DOWN = "slow_down"  # 429: everybody sends less
    OVERLOADED = "overloaded"  # 406: too many concurrent sessions; everybody waits
    CREDENTIALS = "credentials"  # 401: no call of this app can work until a person acts
    ACCOUNT = "account"  # the app or the account is not enabled; a person must act
    PARAMETERS = "parameters"  # refused for what was sent; repeating cannot help
    REFUSED = "refused"  # not in any table: loud, and not repeated blindly


class RecordingError(Exception):
    """The base of every error of this package."""


class FaultsError(RecordingError):
    """Something has faults, and all of them are listed, one line each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)  # Celery and pickle rebuild errors from args

    def __str__(self) -> str:
        return "; ".join(self.faults)


class InvalidInputError(FaultsError):
    """The arguments cannot be accepted; nothing was stored and nothing was sent.

    Attributes:
        faults: One ``path: what is wrong`` for each fault, in the caller's spelling.
    """


class ConfigurationError(FaultsError):
    """The settings cannot work; each fault names its variable and never its value."""


class UnknownRecordingError(RecordingError):
    """No recording has this id."""

    def __init__(self, recording_id: str) -> None:
        super().__init__(recording_id)
        self.recording_id = recording_id

    def __str__(self) -> str:
        return f"no recording {self.recording_id}"


class WrongStateError(RecordingError):
    """The recording is past the point where this is possible."""

    def __init__(self, recording_id: str, state: str, wanted: str) -> None:
        super().__init__(recording_id, state, wanted)
        self.recording_id, self.state, self.wanted = recording_id, state, wanted

    def __str__(self) -> str:
        return f"recording {self.recording_id} is {self.state}: cannot {self.wanted}"


class StoreUnavailableError(RecordingError):
    """The database is away, full or locked; nothing was written, trying again is safe."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the database cannot be used: {self.reason}"


class TokenError(RecordingError):
    """The token provider made no token, so nothing was sent; trying again is safe.

    Attributes:
        failure: The kind of what went wrong, never its text: that may hold a secret.
    """

    def __init__(self, failure: str) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return f"token provider failed: {self.failure}"


class ServiceError(RecordingError):
    """The service answered, and not with a success.

    Attributes:
        method: Agora's method, as it spells it.
        status: The HTTP status.
        code: The code in the body; None when a gateway answered.
        reason: The reason or message of the body, shortened; never a URL, never a secret.
        remedy: What to do about it.
    """

    def __init__(
        self, method: str, status: int, code: int | None, reason: str, remedy: Remedy
    ) -> None:
        super().__init__(method, status, code, reason, remedy)
        self.method, self.status, self.code = method, status, code
        self.reason, self.remedy = reason, remedy

    def __str__(self) -> str:
        return f"{self.method}: HTTP {self.status}, code {self.code}: {self.reason}"


class TransportError(RecordingError):
    """No answer arrived that could be read."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(method, reason)
        self.method, self.reason = method, reason

    def __str__(self) -> str:
        return f"{self.method}: {self.reason}"


class NotSentError(TransportError):
    """Nothing reached the service (DNS, connect, TLS): repeating is always safe."""


class OutcomeUnknownError(TransportError):
    """The request went out and no answer came back: it may have been carried out."""
