"""The settings as values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import SecretStr

from recording_tasks.errors import ConfigurationError
from recording_tasks.lifecycle import Rules
from recording_tasks.wire import StorageConfig

LONGEST_TOKEN = timedelta(hours=24)  # Agora honours no longer one


@dataclass(frozen=True, slots=True, kw_only=True)
class AppProfile:
    """One Agora project that we may record for.

    Attributes:
        rate: Requests in any second that Agora grants it; 0 knows no limit.
        max_sessions: How many of its sessions may run at once; 0 knows no limit.
        certificate: The App Certificate, where the project has one enabled.
    """

    name: str
    app_id: str
    customer_id: str
    customer_secret: SecretStr
    rate: int = 10
    max_sessions: int = 0
    certificate: SecretStr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the environment decides.

    Attributes:
        apps: By profile name; empty where only the store is used.
        account_rate: Requests in any second that all apps of one customer ID may make together;
            0 knows no such limit.
        storages: By profile name.
        secrets: What `{"$secret": name}` in a request stands for, by lower-case name.
        async_stop: Whether stop answers before the files are uploaded.
        horizon: How far ahead of its slot a call is claimed.
        margin: Added to Agora's second for lateness and jitter.
        tolerance: How late after its slot a call may leave; less than the margin.
        query_share: The part of the rate that polls may use.
        lease: For how long a worker owns a call once it began, a stop excepted.
        stop_lease: The same for a stop, which waits for the upload unless `async_stop`.
        token_provider: The dotted path of what makes RTC tokens; empty: the App Certificate does.
        token_lifetime: How long a token lives from the moment it is made.
        token_timeout: How many seconds a provider may take.
        uid_low: The range in which we choose recorder uids, ends included.
        keep: How long a recording is kept after its end; None keeps it for ever.
        archive_folder: Where it is written before it is removed; empty: nowhere.
    """

    base_urls: tuple[str, ...]
    apps: Mapping[str, AppProfile] = field(default_factory=dict)
    account_rate: int = 0
    storages: Mapping[str, StorageConfig] = field(default_factory=dict)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    database_url: str = field(default="sqlite:///recordings.db", repr=False)
    rules: Rules = field(default_factory=Rules)
    async_stop: bool = False
    horizon: timedelta = timedelta(seconds=1.5)
    margin: timedelta = timedelta(seconds=0.06)
    tolerance: timedelta = timedelta(seconds=0.03)
    query_share: float = 0.5
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    stop_read_timeout: float = 30.0
    lease: timedelta = timedelta(seconds=15)
    stop_lease: timedelta = timedelta(seconds=38)
    token_provider: str = ""
    token_lifetime: timedelta = LONGEST_TOKEN
    token_timeout: float = 5.0
    uid_low: int = 4_000_000_000
    uid_high: int = 4_294_967_295
    keep: timedelta | None = None
    archive_folder: str = ""

    def account_row(self, app: str) -> str | None:
        """Name what the calls of an app's account are counted under; None where nothing is."""
        if not self.account_rate:
            return None
        customer = self.app(app).customer_id.encode()
        return f"account-{hashlib.sha256(customer).hexdigest()[:16]}"

    def sharers(self, app: str) -> tuple[str, ...]:
        """Name the apps that share their account's quota with this one, itself among them."""
        if not self.account_rate:
            return (app,)
        customer = self.app(app).customer_id
        return tuple(name for name, other in self.apps.items() if other.customer_id == customer)

    def app(self, name: str) -> AppProfile:
        """Find an app profile.

        Raises:
            ConfigurationError: No such profile is set, or nothing was set to call Agora at all.
        """
        if name in self.apps:
            return self.apps[name]
        if name == "default":
            raise ConfigurationError(
                ["AGORA_APP_ID, AGORA_CUSTOMER_ID, AGORA_CUSTOMER_SECRET: not set"]
            )
        raise ConfigurationError([f"AGORA_APP__{name.upper()}__APP_ID: no such app profile"])
