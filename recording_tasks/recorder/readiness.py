"""What a worker must find in its environment before it begins."""

from __future__ import annotations

from collections.abc import Mapping

from recording_tasks.errors import ConfigurationError
from recording_tasks.settings import Settings, read_settings
from recording_tasks.tokens import PROVIDER_VARIABLE, load_provider


def worker_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings of whoever calls Agora, and import the token provider they name.

    Raises:
        ConfigurationError: Lists every fault, a provider that cannot be used among them.
    """
    faults: list[str] = []
    try:
        settings = read_settings(environ)
    except ConfigurationError as error:
        faults += error.faults
    path = environ.get(PROVIDER_VARIABLE, "").strip()
    if path and not any(fault.startswith(PROVIDER_VARIABLE) for fault in faults):
        faults += provider_faults(path)
    if faults:
        raise ConfigurationError(faults)
    if not settings.apps:
        raise ConfigurationError(
            ["AGORA_APP_ID, AGORA_CUSTOMER_ID, AGORA_CUSTOMER_SECRET: not set"]
        )
    return settings


def provider_faults(path: str) -> tuple[str, ...]:
    """List what is wrong with the token provider of that path, if one is named."""
    try:
        if path:
            load_provider(path)
    except ConfigurationError as error:
        return error.faults
    return ()
