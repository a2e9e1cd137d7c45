"""What keeps a worker from beginning: all of it is told together."""

from __future__ import annotations

from pathlib import Path

import pytest

from recording_tasks.errors import ConfigurationError
from recording_tasks.recorder.readiness import worker_settings

APP = {
    "AGORA_APP_ID": "0123456789abcdef0123456789abcdef",
    "AGORA_CUSTOMER_ID": "customer",
    "AGORA_CUSTOMER_SECRET": "secret",
}
MISSING = "RECORDING_TOKEN_PROVIDER: cannot be imported: ModuleNotFoundError"


def faults(**environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        worker_settings(environ)
    return list(caught.value.faults)


def test_a_provider_in_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the deployment's own celeryconfig.py."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "readiness_provider.py").write_text("def make(**wanted): return 'token'\n")

    settings = worker_settings({**APP, "RECORDING_TOKEN_PROVIDER": "readiness_provider:make"})

    assert settings.token_provider == "readiness_provider:make"


def test_a_provider_that_cannot_be_imported_stands_beside_the_other_faults() -> None:
    """Whoever mends one does not meet the next a restart later."""
    told = faults(**APP, RECORDING_TOKEN_PROVIDER="no_such:make", RECORDING_RESTARTS="-1")

    assert told == ["RECORDING_RESTARTS: must be 0 or more", MISSING]


def test_a_provider_that_is_no_path_is_told_once() -> None:
    """It is not looked for besides."""
    told = faults(**APP, RECORDING_TOKEN_PROVIDER="nothing")

    assert told == ["RECORDING_TOKEN_PROVIDER: must be package.module:callable"]


def test_a_worker_needs_an_app() -> None:
    """The command line does not."""
    assert faults() == ["AGORA_APP_ID, AGORA_CUSTOMER_ID, AGORA_CUSTOMER_SECRET: not set"]
