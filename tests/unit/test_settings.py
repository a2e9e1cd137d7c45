"""What the environment may say: read once, all faults told together, no secret in any of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from recording_tasks.errors import ConfigurationError
from recording_tasks.settings import Settings, read_settings
from recording_tasks.settings.reading import RULE_VARIABLES

APP = {
    "AGORA_APP_ID": "0123456789abcdef0123456789abcdef",
    "AGORA_CUSTOMER_ID": "customer",
    "AGORA_CUSTOMER_SECRET": "canary-customer-secret",
}
BUCKET = {
    "RECORDING_STORAGE__DEFAULT__VENDOR": "1",
    "RECORDING_STORAGE__DEFAULT__REGION": "0",
    "RECORDING_STORAGE__DEFAULT__BUCKET": "lessons",
    "RECORDING_STORAGE__DEFAULT__ACCESS_KEY": "canary-access-key",
    "RECORDING_STORAGE__DEFAULT__SECRET_KEY": "canary-secret-key",
}


def faults(**environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(environ)
    return list(caught.value.faults)


def test_nothing_set_is_enough_to_read_the_database() -> None:
    """The command line looks into a database without credentials."""
    settings = read_settings({})

    assert settings.apps == {}
    assert settings.database_url == "sqlite:///recordings.db"
    assert settings.base_urls == ("https://api.agora.io", "https://api.sd-rtn.com")


def test_an_app_that_is_missing_says_what_to_set() -> None:
    """Whoever needs an app is told the variables, the default one and a named one."""
    settings = read_settings({})

    with pytest.raises(ConfigurationError, match="AGORA_APP_ID, AGORA_CUSTOMER_ID"):
        settings.app("default")
    with pytest.raises(ConfigurationError, match="AGORA_APP__SCHOOL__APP_ID"):
        settings.app("school")


def test_every_documented_default_is_the_documents() -> None:
    """Waiting times that Agora's documents name are theirs unless somebody says otherwise."""
    rules = read_settings({}).rules

    def in_seconds(value: timedelta | tuple[timedelta, ...]) -> object:
        if isinstance(value, tuple):
            return [part.total_seconds() for part in value]
        return value.total_seconds()

    told = {
        "acquire_lead": 2,
        "first_query": 5,
        "query_every": 120,
        "confirm_within": 90,
        "confirm_delays": [5, 10, 15],
        "failover": 90,
        "failover_delays": [5, 10, 15],
        "start_delays": [3, 6],
        "idle_time": 300,
    }
    assert {name: in_seconds(getattr(rules, name)) for name in told} == told


@pytest.mark.parametrize(("variable", "name"), sorted(RULE_VARIABLES.items()))
def test_every_waiting_time_can_be_set(variable: str, name: str) -> None:
    """A test can run an hour in a minute."""
    value = getattr(read_settings({variable: "0.25"}).rules, name)

    quarter = timedelta(seconds=0.25)
    assert value in {quarter, (quarter,)}


def test_a_series_of_waits_can_be_set() -> None:
    """Seconds separated by commas."""
    rules = read_settings({"RECORDING_START_RETRY_SECONDS": "1, 2.5,4"}).rules

    assert rules.start_delays == tuple(timedelta(seconds=wait) for wait in (1, 2.5, 4))


def test_all_faults_are_told_together() -> None:
    """Whoever mends one does not meet the next a restart later."""
    told = faults(
        AGORA_APP_ID="short",
        AGORA_CUSTOMER_ID="customer",
        AGORA_BASE_URLS="http://api.agora.io,ftp://x",
        RECORDING_API_RATE="many",
        RECORDING_QUERY_SECONDS="0",
        RECORDING_FIRST_QUERY_SECONDS="-1",
        RECORDING_FAILOVER_SECONDS="nan",
        RECORDING_STOP_RETRY_SECONDS="1,two",
        RECORDING_RESOURCE_SECONDS="301",
        RECORDING_UID_RANGE="9-3",
        RECORDING_ASYNC_STOP="perhaps",
        RECORDING_RESTARTS="-1",
        RECORDING_DATABASE_URL="mysql://root@db/x",
        RECORDING_SECRET__SALT="",
        RECORDING_TOKEN_PROVIDER="not a path",
        RECORDING_TOKEN_SECONDS="86401",
        RECORDING_TOKEN_TIMEOUT_SECONDS="0",
        RECORDING_API_TOLERANCE_SECONDS="0.07",
        RECORDING_QUERY_SHARE="1.5",
        RECORDING_ACCOUNT_RATE="-1",
        RECORDING_MAX_SESSIONS="some",
        AGORA_APP_CERTIFICATE="short",
        AGORA_APP__SCHOOL__CERTIFICATE="short too",
        RECORDING_STORAGE__DEFAULT__VENDOR="99",
        RECORDING_STORAGE__DEFAULT__BUCKETS="b",
    )

    named = [fault.partition(":")[0] for fault in told]
    for variable in (
        "AGORA_APP_ID",
        "AGORA_APP__DEFAULT__CUSTOMER_SECRET",
        "RECORDING_API_RATE",
        "RECORDING_API_TOLERANCE_SECONDS",
        "RECORDING_QUERY_SHARE",
        "RECORDING_ACCOUNT_RATE",
        "RECORDING_MAX_SESSIONS",
        "RECORDING_QUERY_SECONDS",
        "RECORDING_FIRST_QUERY_SECONDS",
        "RECORDING_FAILOVER_SECONDS",
        "RECORDING_STOP_RETRY_SECONDS",
        "RECORDING_RESOURCE_SECONDS",
        "RECORDING_UID_RANGE",
        "RECORDING_ASYNC_STOP",
        "RECORDING_RESTARTS",
        "RECORDING_DATABASE_URL",
        "RECORDING_SECRET__SALT",
        "RECORDING_TOKEN_PROVIDER",
        "RECORDING_TOKEN_SECONDS",
        "RECORDING_TOKEN_TIMEOUT_SECONDS",
        "AGORA_APP_CERTIFICATE",
        "AGORA_APP__SCHOOL__CERTIFICATE",
        "RECORDING_STORAGE__DEFAULT__VENDOR",
        "RECORDING_STORAGE__DEFAULT__BUCKETS",
        "RECORDING_STORAGE__DEFAULT__BUCKET",
        "RECORDING_STORAGE__DEFAULT__ACCESS_KEY",
        "RECORDING_STORAGE__DEFAULT__SECRET_KEY",
    ):
        assert variable in named or variable.replace("APP__DEFAULT__", "") in named, variable
    assert sum(name == "AGORA_BASE_URLS" for name in named) == 2


def test_a_misspelt_key_is_told_with_what_was_meant() -> None:
    """The nearest known key stands beside it."""
    told = faults(**APP, **BUCKET, RECORDING_STORAGE__DEFAULT__BUCKT="x")

    assert told == ["RECORDING_STORAGE__DEFAULT__BUCKT: unknown; did you mean BUCKET?"]


def test_a_profile_may_be_written_in_any_case() -> None:
    """Its name is in lower case, however its variables are spelt."""
    spelt = {name.replace("DEFAULT", "School-Two"): value for name, value in BUCKET.items()}

    assert list(read_settings(spelt).storages) == ["school-two"]


@pytest.mark.parametrize(
    ("variable", "shape"),
    [
        ("RECORDING_STORAGE__DEFAULT_VENDOR", "RECORDING_STORAGE__<PROFILE>__<KEY>"),
        ("RECORDING_STORAGE__DEFAULT__bucket", "RECORDING_STORAGE__<PROFILE>__<KEY>"),
        ("AGORA_APP__SCHOOL", "AGORA_APP__<PROFILE>__<KEY>"),
    ],
)
def test_a_variable_that_is_of_no_profile_is_a_fault(variable: str, shape: str) -> None:
    """It would be missed only by the first recording that needs it."""
    assert faults(**APP, **BUCKET, **{variable: "canary"}) == [
        f"{variable}: unknown; write {shape}"
    ]


def test_base_urls_of_nothing_but_commas_are_a_fault() -> None:
    """Nobody could be called."""
    assert faults(AGORA_BASE_URLS=" , ") == ["AGORA_BASE_URLS: names no URL"]


@pytest.mark.parametrize("url", ["http://api.agora.io", "https://user:canary@api.agora.io"])
def test_a_base_url_that_gives_secrets_away_is_refused(url: str) -> None:
    """Plain HTTP only to this machine; no credentials in a URL; and the value is not repeated."""
    (told,) = faults(AGORA_BASE_URLS=url)

    assert told.startswith("AGORA_BASE_URLS: ")
    assert "canary" not in told


def test_plain_http_to_this_machine_is_fine() -> None:
    """The simulator lives there; a trailing slash is left out."""
    settings = read_settings({"AGORA_BASE_URLS": "http://127.0.0.1:18999/"})

    assert settings.base_urls == ("http://127.0.0.1:18999",)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///recordings.db",
        "sqlite:////var/lib/recordings.db",
        "sqlite+pysqlite:///x.db?timeout=1",
        "postgresql://user@host/base",
        "postgres://user:secret@host:5432/base?sslmode=require",
        "postgresql+psycopg://user@host/base",
    ],
)
def test_the_databases_that_work_are_accepted(url: str) -> None:
    """SQLite and PostgreSQL, in the spellings that people have."""
    assert read_settings({"RECORDING_DATABASE_URL": url}).database_url == url


def test_two_profiles_of_one_app_id_are_refused() -> None:
    """Its quota is one; two profiles would each use it up."""
    told = faults(
        **APP,
        AGORA_APP__SCHOOL__APP_ID=APP["AGORA_APP_ID"],
        AGORA_APP__SCHOOL__CUSTOMER_ID="c",
        AGORA_APP__SCHOOL__CUSTOMER_SECRET="s",
    )

    assert len(told) == 1
    assert "same App ID" in told[0]
    assert APP["AGORA_APP_ID"] not in told[0]


def test_each_profile_has_its_own_rate() -> None:
    """An app with a larger quota is not held to the common one."""
    settings = read_settings(
        {
            **APP,
            "RECORDING_API_RATE": "8",
            "AGORA_APP__SCHOOL__APP_ID": "f" * 32,
            "AGORA_APP__SCHOOL__CUSTOMER_ID": "c",
            "AGORA_APP__SCHOOL__CUSTOMER_SECRET": "s",
            "AGORA_APP__SCHOOL__API_RATE": "50",
        }
    )

    assert {name: app.rate for name, app in settings.apps.items()} == {"default": 8, "school": 50}


CERTIFICATE = "CA11ab1e" * 4
SCHOOL = {
    "AGORA_APP__SCHOOL__APP_ID": "f" * 32,
    "AGORA_APP__SCHOOL__CUSTOMER_ID": "c",
    "AGORA_APP__SCHOOL__CUSTOMER_SECRET": "s",
}


def test_each_profile_has_its_own_certificate() -> None:
    """Or none, where the project has none enabled; one that is empty is none."""
    environ = {**APP, **SCHOOL, "AGORA_APP_CERTIFICATE": "", "AGORA_API_RATE": "7"}
    environ["AGORA_APP__SCHOOL__CERTIFICATE"] = f" {CERTIFICATE} "

    settings = read_settings(environ)

    school = settings.apps["school"].certificate
    assert school is not None
    assert school.get_secret_value() == CERTIFICATE
    assert settings.apps["default"].certificate is None
    assert CERTIFICATE not in repr(settings)


@pytest.mark.parametrize("variable", ["AGORA_APP_CERTIFICATE", "AGORA_APP__DEFAULT__CERTIFICATE"])
def test_the_default_certificate_has_two_spellings(variable: str) -> None:
    """The profile's own keys stand beside the plain ones; none is dropped in silence."""
    certificate = read_settings({**APP, variable: CERTIFICATE}).apps["default"].certificate

    assert certificate is not None
    assert certificate.get_secret_value() == CERTIFICATE


def test_a_certificate_alone_is_no_app() -> None:
    """What else is needed is told."""
    told = faults(AGORA_APP_CERTIFICATE=CERTIFICATE)

    assert told == [
        f"{name}: not set"
        for name in ("AGORA_APP_ID", "AGORA_CUSTOMER_ID", "AGORA_CUSTOMER_SECRET")
    ]


def test_tokens_live_a_day_unless_said_otherwise() -> None:
    """Agora's longest."""
    assert read_settings({}).token_lifetime == timedelta(hours=24)
    assert read_settings({}).token_provider == ""
    shorter = read_settings({"RECORDING_TOKEN_SECONDS": "600"})
    assert shorter.token_lifetime == timedelta(seconds=600)


@pytest.mark.parametrize("path", ["corp.tokens:make", "corp:make", "corp.make", "a.b_c.d2:make"])
def test_a_provider_is_named_by_a_dotted_path(path: str) -> None:
    """Read, and not imported: callers need not have it."""
    assert read_settings({"RECORDING_TOKEN_PROVIDER": path}).token_provider == path


@pytest.mark.parametrize(
    "path", ["corp", "corp.tokens:", ":make", "corp/tokens.py", "a:b:c", "a-b:c"]
)
def test_what_is_no_dotted_path_is_a_fault(path: str) -> None:
    """Told by its variable."""
    assert faults(RECORDING_TOKEN_PROVIDER=path) == [
        "RECORDING_TOKEN_PROVIDER: must be package.module:callable"
    ]


def test_a_lease_outlives_a_slow_provider() -> None:
    """Its time comes before the call's."""
    plain = read_settings({})
    slow = read_settings(
        {"RECORDING_TOKEN_PROVIDER": "corp:make", "RECORDING_TOKEN_TIMEOUT_SECONDS": "9"}
    )

    assert slow.lease == plain.lease + timedelta(seconds=9)


def test_a_lease_outlives_the_call_it_guards() -> None:
    """However the timeouts are set, nobody claims a call anew that may still be answered."""
    settings = read_settings(
        {
            "RECORDING_CONNECT_TIMEOUT_SECONDS": "7",
            "RECORDING_READ_TIMEOUT_SECONDS": "20",
            "RECORDING_STOP_TIMEOUT_SECONDS": "60",
        }
    )

    assert settings.lease > timedelta(seconds=27)
    assert settings.stop_lease > timedelta(seconds=67)


def test_the_storages_prefix_is_taken_apart() -> None:
    """Written as a path, sent as parts."""
    environ = {**BUCKET, "RECORDING_STORAGE__DEFAULT__PREFIX": "school/lessons/2026"}

    storage = read_settings(environ).storages["default"]

    assert storage.file_name_prefix == ("school", "lessons", "2026")


CANARIES = {
    **APP,
    **BUCKET,
    "RECORDING_SECRET__AES": "canary-aes",
    "AGORA_APP_CERTIFICATE": "ca0a41e5" * 4,
    "RECORDING_DATABASE_URL": "postgresql://user:canary-database@host/base",
}


def test_no_secret_is_in_any_representation() -> None:
    """Logs and tracebacks print settings; they must not print what is in them."""
    settings = read_settings(CANARIES)

    shown = [repr(settings), str(settings), repr(settings.apps), repr(settings.storages)]

    assert [text for text in shown if "canary" in text or "ca0a41e5" in text] == []
    assert settings.apps["default"].customer_secret.get_secret_value() == "canary-customer-secret"
    assert settings.secrets["aes"].get_secret_value() == "canary-aes"


def test_no_value_is_in_any_fault() -> None:
    """Each fault names its variable; a value may be a secret in the wrong place."""
    canary = "canary-everywhere"
    environ = dict.fromkeys([*CANARIES, *RULE_VARIABLES], canary) | {
        "AGORA_BASE_URLS": f"https://{canary}:{canary}@x",
        "RECORDING_API_RATE": canary,
        "RECORDING_UID_RANGE": canary,
        "RECORDING_ASYNC_STOP": canary,
        "RECORDING_STORAGE__DEFAULT__STS_EXPIRATION": canary,
        "RECORDING_STORAGE__DEFAULT__PREFIX": canary,
    }

    told = faults(**environ)

    assert len(told) > len(RULE_VARIABLES)
    assert [fault for fault in told if canary in fault] == []


def test_settings_cannot_be_changed() -> None:
    """They are shared by all threads."""
    settings = Settings(base_urls=())

    with pytest.raises(AttributeError):
        settings.async_stop = True  # type: ignore[misc]


def test_what_is_over_is_kept_for_ever_unless_days_are_set() -> None:
    """Nothing is removed unasked; half a day is a time, too."""
    assert read_settings({}).keep is None
    assert read_settings({"RECORDING_KEEP_DAYS": "0"}).keep is None
    assert read_settings({"RECORDING_KEEP_DAYS": "0.5"}).keep == timedelta(hours=12)
    assert read_settings({"RECORDING_ARCHIVE_FOLDER": "/a"}).archive_folder == "/a"


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "1e9", "month"])
def test_a_time_to_keep_that_is_none_is_refused(days: str) -> None:
    """A slip must not remove what somebody wanted to keep."""
    (fault,) = faults(RECORDING_KEEP_DAYS=days)

    assert fault.startswith("RECORDING_KEEP_DAYS: ")
