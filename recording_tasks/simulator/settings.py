"""What can be switched: accounts, limits, durations, every answer the documents leave open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_APP_ID = "0123456789abcdef0123456789abcdef"
DEFAULT_CUSTOMER_ID = "simulator-customer"
DEFAULT_CUSTOMER_SECRET = "simulator-secret"  # noqa: S105  # it opens a simulator only

Method = Literal["acquire", "start", "query", "update", "updateLayout", "stop"]
METHODS: tuple[Method, ...] = ("acquire", "start", "query", "update", "updateLayout", "stop")

Seconds = float
Certificate = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")]


class _Switches(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(_Switches):
    """One App ID and the credentials of the account it belongs to.

    ``state`` is what is wrong with it: ``disabled`` answers 400 ``appid is invalid`` from the
    gateway, ``invalid`` 400/400, ``overdue`` 400/405, ``not_enabled`` 400/62 at acquire.
    """

    app_id: str
    customer_id: str = DEFAULT_CUSTOMER_ID
    customer_secret: str = Field(default=DEFAULT_CUSTOMER_SECRET, repr=False)
    state: Literal["active", "disabled", "invalid", "overdue", "not_enabled"] = "active"
    # On, a session without a token never joins; with the certificate itself its token is checked.
    app_certificate: bool | Certificate = Field(default=False, repr=False)


class Settings(_Switches):
    """Everything that can be set over the control door; durations in simulated seconds."""

    # Who may call. Without accounts: any App ID of 32 hex characters, with this one pair.
    accounts: tuple[Account, ...] = ()
    customer_id: str = DEFAULT_CUSTOMER_ID
    customer_secret: str = Field(default=DEFAULT_CUSTOMER_SECRET, repr=False)
    app_certificate: Certificate | None = Field(default=None, repr=False)  # of any App ID

    # Limits for each App ID. The rate is over real time, whatever the clock's speed.
    requests_per_second: int = Field(default=10, ge=0)
    pcw: int = Field(default=50, ge=0)  # concurrent channel recordings
    pcw_web: int = Field(default=200, ge=0)  # concurrent web page recordings

    # Time.
    speed: float = Field(default=1.0, ge=0)
    latency_ms: float = Field(default=0, ge=0)  # real; the answer's, after carrying out
    method_latency_ms: Mapping[Method, float] = Field(default_factory=dict)  # real; instead
    resource_seconds: Seconds = 300
    join_seconds: Seconds = 2
    async_check_seconds: Seconds = 2  # until wrong keys, tokens or layouts end a session
    first_file_seconds: Seconds = 0  # from joining to the first file in query
    upload_seconds: Seconds = 0
    sync_stop_limit_seconds: Seconds = 20
    exiting_seconds: Seconds = 5  # between "stop gives 49" and "stop gives 404"
    kicked_exiting_seconds: Seconds = 300
    abnormal_seconds: Seconds = 5  # status 20 until 404
    token_seconds: Seconds | None = 86_400  # of a token that is not checked, from start
    max_failovers: int = 3

    # Ids.
    seed: int | None = None
    resource_id_length: int = Field(default=256, ge=32)

    # Bodies where real answers differ.
    with_channel: bool = True  # cname and uid in success bodies
    wide_error_bodies: bool = False  # cname, uid, resourceId, sid beside code and reason
    status_as_string: bool = False
    file_name_with_prefix: bool = False
    unknown_spelling: Literal["unknown", "unknow"] = "unknown"
    payload_spelling: Literal["payload", "playload"] = "payload"

    # Points that no document settles.
    undocumented_status: int = 400  # of codes 8, 432, 433, 1001, 1003, 1013, 1028
    channel_name_code: Literal[401, 1013] = 401  # of acquire; later methods answer 1013
    layout_code: Literal[2, 1028] = 1028
    transcoding_check: Literal["late", "at_start"] = "late"
    unknown_fields: Literal["refuse", "ignore"] = "refuse"
    already_started_body: Literal["plain", "full"] = "plain"
    query_before_join: Literal["status", "404"] = "status"
    query_while_exiting: Literal["501", "404", "status"] = "501"
    exiting_status: int = 404  # of code 501
    slow_stop_status: int = 206  # of code 50
    slow_stop_body: Literal["code", "unknown"] = "code"
    backuped_stop_status: Literal[200, 206] = 200  # of a stop with files still on their way
    unpublished_stop: Literal["435", "empty"] = "435"
    async_stop_response: Literal["unknown", "absent"] = "unknown"
    conflict_while_exiting: bool = False  # whether 53 lasts until the session has exited

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """These settings with some replaced; raises pydantic's error for unknown or wrong ones."""
        return self.model_validate({**self.model_dump(), **changes})

    def certificate_of(self, account: Account | None) -> bool | str:
        """What the project of an account demands of tokens; True believes any."""
        return (account.app_certificate if account else False) or self.app_certificate or False

    def latency_seconds(self, method: Method) -> float:
        """How long an answer to this method is held back, in real seconds."""
        return self.method_latency_ms.get(method, self.latency_ms) / 1000
