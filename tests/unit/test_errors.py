"""Every error reaches another process as it left."""

from __future__ import annotations

import copy
import pickle

import pytest

from recording_tasks import errors
from recording_tasks.errors import (
    ConfigurationError,
    InvalidInputError,
    NotSentError,
    OutcomeUnknownError,
    RecordingError,
    Remedy,
    ServiceError,
    StoreUnavailableError,
    UnknownRecordingError,
    WrongStateError,
)

EXAMPLES = [
    RecordingError("odd"),
    errors.FaultsError(["a: is required"]),
    InvalidInputError(["a: is required", "b: is empty"]),
    ConfigurationError(["AGORA_APP_ID: is required"]),
    UnknownRecordingError("r1"),
    WrongStateError("r1", "stopped", "extend it"),
    StoreUnavailableError("locked"),
    errors.TokenError("ConnectionError"),
    ServiceError("start", 400, 53, "task conflict", Remedy.OTHER_UID),
    errors.TransportError("query", "no answer"),
    NotSentError("acquire", "api.agora.io: connection refused"),
    OutcomeUnknownError("start", "api.agora.io: the connection broke"),
]


def _all_errors(root: type[RecordingError]) -> set[type[RecordingError]]:
    return {root}.union(*(_all_errors(kind) for kind in root.__subclasses__()))


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: RecordingError) -> None:
    """Celery rebuilds errors from their args: type, text and fields stay."""
    rebuilt = pickle.loads(pickle.dumps(error))
    called_again = type(error)(*error.args)

    for other in (rebuilt, called_again, copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


def test_no_error_is_forgotten_here() -> None:
    """An error added to the tree must be added to the examples."""
    tested = {type(error) for error in EXAMPLES}

    assert {kind for kind in _all_errors(RecordingError) if kind.__module__ == errors.__name__} == (
        tested
    )


def test_all_faults_are_in_the_text() -> None:
    """A caller who prints the error sees every fault."""
    text = str(InvalidInputError(["a: is required", "b: is empty"]))

    assert text == "a: is required; b: is empty"
