"""How a token provider is found by the dotted path in the settings."""

from __future__ import annotations

import inspect
import pkgutil
from datetime import timedelta
from typing import Any

from recording_tasks.errors import ConfigurationError
from recording_tasks.tokens.provider import TokenProvider

PROVIDER_VARIABLE = "RECORDING_TOKEN_PROVIDER"

_ASKED = {"app_id": "", "channel": "", "uid": 1, "lifetime": timedelta()}


def load_provider(path: str) -> TokenProvider:
    """Import what `package.module:callable` or `package.module.callable` names.

    The working directory is searched too, as Celery does for its configuration.

    Raises:
        ConfigurationError: It cannot be imported, or cannot be called as a provider is. An
            error's own text is left out: a module that reads secrets may raise with one.
    """
    from celery.utils.imports import cwd_in_path  # noqa: PLC0415 - slow to import

    try:
        with cwd_in_path():
            found = pkgutil.resolve_name(path)
    except ImportError as error:
        raise _fault(_not_imported(path, error)) from None
    except AttributeError:
        raise _fault("its module has nothing of that name") from None
    except Exception as error:  # noqa: BLE001 - a door: anybody's module runs here
        raise _fault(f"cannot be imported: {type(error).__name__}") from None
    if fault := _unfit(found):
        raise _fault(fault)
    provider: TokenProvider = found
    return provider


def _fault(sentence: str) -> ConfigurationError:
    return ConfigurationError([f"{PROVIDER_VARIABLE}: {sentence}"])


def _not_imported(path: str, error: ImportError) -> str:
    wanted = path.replace(":", ".")
    if not error.name or f"{wanted}.".startswith(f"{error.name}."):
        return f"cannot be imported: {type(error).__name__}"
    return f"cannot be imported: {type(error).__name__}: {error.name}"


def _unfit(found: Any) -> str | None:
    if not callable(found):
        return "names nothing that can be called"
    if inspect.iscoroutinefunction(found):
        return "must be a plain function, not a coroutine"
    try:
        inspect.signature(found).bind(**_ASKED)
    except TypeError:
        return f"cannot be called with {', '.join(_ASKED)}, by these names"
    except ValueError:  # written in C, and says nothing of its arguments
        return None
    return None
