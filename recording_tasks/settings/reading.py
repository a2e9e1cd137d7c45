"""How the environment's variables become settings, and which faults they can have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import SecretStr

from recording_tasks.errors import ConfigurationError
from recording_tasks.lifecycle import Rules
from recording_tasks.models import RESOURCE_LIFETIME
from recording_tasks.settings.model import LONGEST_TOKEN, AppProfile, Settings
from recording_tasks.wire import StorageConfig, check_base_url, check_storage

T = TypeVar("T")

BASE_URLS = "https://api.agora.io,https://api.sd-rtn.com"
LARGEST_UID = 4_294_967_295
LONGEST_SECONDS = 1e8
MOST_DAYS = 36_500
UID_RANGE = "4000000000-4294967295"
DATABASE_URL = "sqlite:///recordings.db"

# Each waiting time of the rules, by the variable that sets it.
RULE_VARIABLES = {
    "RECORDING_ACQUIRE_LEAD_SECONDS": "acquire_lead",
    "RECORDING_RESOURCE_SECONDS": "resource_use",
    "RECORDING_FIRST_QUERY_SECONDS": "first_query",
    "RECORDING_QUERY_SECONDS": "query_every",
    "RECORDING_QUERY_GAP_SECONDS": "query_gap",
    "RECORDING_CONFIRM_SECONDS": "confirm_within",
    "RECORDING_CONFIRM_RETRY_SECONDS": "confirm_delays",
    "RECORDING_FAILOVER_SECONDS": "failover",
    "RECORDING_FAILOVER_RETRY_SECONDS": "failover_delays",
    "RECORDING_START_RETRY_SECONDS": "start_delays",
    "RECORDING_CALL_RETRY_SECONDS": "call_delays",
    "RECORDING_STOP_RETRY_SECONDS": "stop_delays",
    "RECORDING_OVERLOAD_SECONDS": "overload_wait",
    "RECORDING_RESTART_SECONDS": "restart_delays",
    "RECORDING_IDLE_SECONDS": "idle_time",
    "RECORDING_ROLL_OVER_SECONDS": "roll_over",
    "RECORDING_RECHECK_SECONDS": "recheck_after",
    "RECORDING_LEAVING_SECONDS": "leaving",
}
_DATABASE = re.compile(r"(sqlite(\+pysqlite)?:///?|postgres(ql(\+psycopg)?)?://)", re.IGNORECASE)
_STORAGE = re.compile(r"RECORDING_STORAGE__([A-Za-z0-9_-]+?)__([A-Z_]+)")
_APP = re.compile(r"AGORA_APP__([A-Za-z0-9_-]+?)__([A-Z_]+)")
_SECRET = re.compile(r"RECORDING_SECRET__([A-Za-z0-9_]+)")
_APP_KEYS = ("APP_ID", "CUSTOMER_ID", "CUSTOMER_SECRET")
_CERTIFICATE = "CERTIFICATE"
_OTHER_APP_KEYS = (_CERTIFICATE, "API_RATE", "MAX_SESSIONS")
_PLAIN = {key: f"AGORA_{key}" for key in _APP_KEYS} | {_CERTIFICATE: "AGORA_APP_CERTIFICATE"}
_HEX = re.compile(r"[0-9a-fA-F]{32}")
_NOT_HEX = "not 32 hexadecimal characters"
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*[.:][^\W\d]\w*")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: Lists every fault, each with its variable and without its value.
    """
    reader = _Reader(environ)
    uid_low, uid_high = reader.uid_range()
    settings = Settings(
        base_urls=reader.base_urls(),
        apps=reader.apps(),
        account_rate=reader.whole("RECORDING_ACCOUNT_RATE", 0, least=0),
        storages=reader.storages(),
        secrets=reader.secrets(),
        database_url=reader.database_url(),
        rules=reader.rules(),
        token_provider=reader.token_provider(),
        token_lifetime=reader.token_lifetime(),
        uid_low=uid_low,
        uid_high=uid_high,
        keep=reader.keep(),
        archive_folder=reader.text("RECORDING_ARCHIVE_FOLDER", ""),
        async_stop=reader.flag("RECORDING_ASYNC_STOP", default=False),
        horizon=reader.seconds("RECORDING_HORIZON_SECONDS", 1.5, least=0.5),
        query_share=reader.share("RECORDING_QUERY_SHARE", 0.5),
        **reader.lateness(),
        **reader.times(),
    )
    if reader.faults:
        raise ConfigurationError(reader.faults)
    return settings


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def base_urls(self) -> tuple[str, ...]:
        urls = tuple(
            url.strip().rstrip("/")
            for url in self.text("AGORA_BASE_URLS", BASE_URLS).split(",")
            if url.strip()
        )
        if not urls:
            self.faults.append("AGORA_BASE_URLS: names no URL")
        for url in urls:
            self.faults += [f"AGORA_BASE_URLS: {fault}" for fault in check_base_url(url)]
        return urls

    def database_url(self) -> str:
        url = self.text("RECORDING_DATABASE_URL", DATABASE_URL)
        if not _DATABASE.match(url):
            self.faults.append("RECORDING_DATABASE_URL: must be sqlite:///… or postgresql://…")
        return url

    def apps(self) -> dict[str, AppProfile]:
        found = self._grouped(_APP)
        plain = {
            key: (name, value)
            for key, name in _PLAIN.items()
            if (value := self._environ.get(name, "").strip())
        }
        if plain:
            missing = {key: (_PLAIN[key], "") for key in _APP_KEYS}
            found["default"] = missing | found.get("default", {}) | plain
        rate = self.whole("RECORDING_API_RATE", 10, least=0)
        most = self.whole("RECORDING_MAX_SESSIONS", 0, least=0)
        apps = {name: self._app(name, keys, rate, most) for name, keys in found.items()}
        owners: dict[str, str] = {}
        for name, app in apps.items():
            if app.app_id and app.app_id in owners:
                self.faults.append(
                    f"{_variable(found[name], 'APP_ID', name)}: the profiles {owners[app.app_id]} "
                    f"and {name} have the same App ID; its quota is one, so give it one profile"
                )
            owners[app.app_id] = name
        return apps

    def _app(self, name: str, keys: dict[str, tuple[str, str]], rate: int, most: int) -> AppProfile:
        for key in _APP_KEYS:
            if not keys.get(key, ("", ""))[1]:
                self.faults.append(f"{_variable(keys, key, name)}: not set")
        app_id = keys.get("APP_ID", ("", ""))[1]
        if app_id and not _HEX.fullmatch(app_id):
            self.faults.append(f"{_variable(keys, 'APP_ID', name)}: {_NOT_HEX}")
        certificate = keys.get(_CERTIFICATE, ("", ""))[1]
        if certificate and not _HEX.fullmatch(certificate):
            self.faults.append(f"{_variable(keys, _CERTIFICATE, name)}: {_NOT_HEX}")
        known = [*_APP_KEYS, *_OTHER_APP_KEYS]
        for key in keys.keys() - set(known):
            self._unknown(keys[key][0], key, known)
        if "API_RATE" in keys:
            rate = self.whole(keys["API_RATE"][0], rate, least=0)
        if "MAX_SESSIONS" in keys:
            most = self.whole(keys["MAX_SESSIONS"][0], most, least=0)
        return AppProfile(
            name=name,
            app_id=app_id,
            customer_id=keys.get("CUSTOMER_ID", ("", ""))[1],
            customer_secret=SecretStr(keys.get("CUSTOMER_SECRET", ("", ""))[1]),
            rate=rate,
            max_sessions=most,
            certificate=SecretStr(certificate) if certificate else None,
        )

    def storages(self) -> dict[str, StorageConfig]:
        storages = {}
        for name, keys in self._grouped(_STORAGE).items():
            raw: dict[str, Any] = {}
            for key, (variable, value) in keys.items():
                field = "file_name_prefix" if key == "PREFIX" else key.lower()
                if field not in StorageConfig.model_fields:
                    known = [field.upper() for field in StorageConfig.model_fields]
                    self._unknown(variable, key, [*known, "PREFIX"])
                    continue
                raw[field] = _storage_value(field, value)
            prefix = f"RECORDING_STORAGE__{name.upper()}__"
            faults = check_storage(raw)
            self.faults += [prefix + _as_variable(fault) for fault in faults]
            if not faults:
                storages[name] = StorageConfig(**raw)
        return storages

    def secrets(self) -> dict[str, SecretStr]:
        given = {
            match.group(1).lower(): (name, value)
            for name, value in self._environ.items()
            if (match := _SECRET.fullmatch(name))
        }
        self.faults += [f"{name}: is empty" for name, value in given.values() if not value]
        return {name: SecretStr(value) for name, (_, value) in given.items()}

    def token_provider(self) -> str:
        path = self.text("RECORDING_TOKEN_PROVIDER", "")
        if path and not _PATH.fullmatch(path):
            self.faults.append("RECORDING_TOKEN_PROVIDER: must be package.module:callable")
        return path

    def token_lifetime(self) -> timedelta:
        longest = round(LONGEST_TOKEN.total_seconds())
        seconds = self.whole("RECORDING_TOKEN_SECONDS", longest, least=1)
        if seconds > longest:
            self.faults.append(f"RECORDING_TOKEN_SECONDS: must be {longest} or less")
            return LONGEST_TOKEN
        return timedelta(seconds=seconds)

    def rules(self) -> Rules:
        values: dict[str, Any] = {}
        defaults = Rules()
        types = {field.name: getattr(defaults, field.name) for field in fields(Rules)}
        for variable, name in RULE_VARIABLES.items():
            if not self.text(variable, ""):
                continue
            if isinstance(types[name], tuple):
                values[name] = self._series(variable)
            else:
                values[name] = self.seconds(variable, types[name].total_seconds(), least=0.0)
        values["restarts_in_a_row"] = self.whole(
            "RECORDING_RESTARTS", defaults.restarts_in_a_row, least=0
        )
        if values.get("resource_use", timedelta(0)) > RESOURCE_LIFETIME:
            self.faults.append("RECORDING_RESOURCE_SECONDS: Agora takes no resource after 300")
        if values.get("query_every") == timedelta(0):
            self.faults.append("RECORDING_QUERY_SECONDS: must be above 0")
        return Rules(**{name: value for name, value in values.items() if value != ()})

    def times(self) -> dict[str, Any]:
        """Read the timeouts, and derive the leases that must outlive them."""
        connect = self.seconds("RECORDING_CONNECT_TIMEOUT_SECONDS", 3.0, least=0.1)
        read = self.seconds("RECORDING_READ_TIMEOUT_SECONDS", 10.0, least=0.1)
        stop_read = self.seconds("RECORDING_STOP_TIMEOUT_SECONDS", 30.0, least=0.1)
        token = self.seconds("RECORDING_TOKEN_TIMEOUT_SECONDS", 5.0, least=0.1)
        spare = timedelta(seconds=2)
        ahead = token if self.text("RECORDING_TOKEN_PROVIDER", "") else timedelta(0)
        return {
            "connect_timeout": connect.total_seconds(),
            "read_timeout": read.total_seconds(),
            "stop_read_timeout": stop_read.total_seconds(),
            "token_timeout": token.total_seconds(),
            "lease": ahead + connect + read + spare,
            "stop_lease": connect + stop_read + spare,
        }

    def lateness(self) -> dict[str, Any]:
        """Read what is added to Agora's second, and the part of it that a call may be late."""
        margin = self.seconds("RECORDING_API_MARGIN_SECONDS", 0.06, least=0.002)
        tolerance = self.seconds("RECORDING_API_TOLERANCE_SECONDS", 0.03, least=0.001)
        if tolerance >= margin:
            self.faults.append(
                "RECORDING_API_TOLERANCE_SECONDS: must be less than "
                f"RECORDING_API_MARGIN_SECONDS, {margin.total_seconds():g}"
            )
        return {"margin": margin, "tolerance": tolerance}

    def uid_range(self) -> tuple[int, int]:
        low, _, high = self.text("RECORDING_UID_RANGE", UID_RANGE).partition("-")
        if low.strip().isdecimal() and high.strip().isdecimal():
            ends = int(low), int(high)
            if 1 <= ends[0] < ends[1] <= LARGEST_UID:
                return ends
        self.faults.append(f"RECORDING_UID_RANGE: must be low-high, 1 to {LARGEST_UID}")
        return 1, LARGEST_UID

    def whole(self, name: str, default: int, *, least: int) -> int:
        return self._parsed(name, default, int, lambda value: value >= least, f"{least} or more")

    def seconds(self, name: str, default: float, *, least: float) -> timedelta:
        value = self._parsed(
            name,
            default,
            float,
            lambda value: least <= value < LONGEST_SECONDS,
            f"{least:g} or more",
        )
        return timedelta(seconds=value)

    def keep(self) -> timedelta | None:
        """Read how long what is over is kept; unset or 0 is for ever."""
        days = self._parsed(
            "RECORDING_KEEP_DAYS",
            0.0,
            float,
            lambda value: 0 <= value <= MOST_DAYS,
            f"0 to {MOST_DAYS}",
        )
        return timedelta(days=days) if days else None

    def share(self, name: str, default: float) -> float:
        allowed = "above 0, and 1 or less"
        return self._parsed(name, default, float, lambda value: 0 < value <= 1, allowed)

    def flag(self, name: str, *, default: bool) -> bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        raw = self.text(name, "").lower()
        if raw and raw not in words:
            self.faults.append(f"{name}: must be true or false")
        return words.get(raw, default)

    def _series(self, name: str) -> tuple[timedelta, ...]:
        try:
            values = [float(part) for part in self.text(name, "").split(",")]
        except ValueError:
            values = [-1.0]
        if any(not 0 <= value < LONGEST_SECONDS for value in values):
            self.faults.append(f"{name}: must be seconds separated by commas, like 3,6")
            return ()
        return tuple(timedelta(seconds=value) for value in values)

    def _parsed(
        self,
        name: str,
        default: T,
        parse: Callable[[str], T],
        is_allowed: Callable[[T], bool],
        allowed: str,
    ) -> T:
        raw = self.text(name, "")
        if not raw:
            return default
        try:
            value = parse(raw)
        except ValueError:
            self.faults.append(f"{name}: not a number")
            return default
        if not is_allowed(value):
            self.faults.append(f"{name}: must be {allowed}")
            return default
        return value

    def _grouped(self, pattern: re.Pattern[str]) -> dict[str, dict[str, tuple[str, str]]]:
        """Collect PREFIX__<PROFILE>__<KEY> variables as profile → key → (variable, value)."""
        found: dict[str, dict[str, tuple[str, str]]] = {}
        prefix = pattern.pattern.partition("(")[0]
        for variable, value in self._environ.items():
            if match := pattern.fullmatch(variable):
                profile, key = match.groups()
                found.setdefault(profile.lower(), {})[key] = (variable, value.strip())
            elif variable.startswith(prefix):
                self.faults.append(f"{variable}: unknown; write {prefix}<PROFILE>__<KEY>")
        return found

    def _unknown(self, variable: str, key: str, known: list[str]) -> None:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.faults.append(f"{variable}: unknown{hint}")


def _variable(keys: dict[str, tuple[str, str]], key: str, profile: str) -> str:
    if key in keys:
        return keys[key][0]
    return f"AGORA_APP__{profile.upper()}__{key}"


def _storage_value(field: str, value: str) -> Any:
    if field in {"vendor", "region", "sts_expiration"} and value.lstrip("-").isdecimal():
        return int(value)
    if field == "file_name_prefix":
        return tuple(part for part in re.split(r"[/,]", value) if part)
    return value


def _as_variable(fault: str) -> str:
    path, _, rest = fault.partition(":")
    key = path.removeprefix("storage.").split(".")[0].split("[")[0]
    return f"{'PREFIX' if key == 'file_name_prefix' else key.upper()}:{rest}"
