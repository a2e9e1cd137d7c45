"""Every answer that Agora documents has its remedy; typed from its tables, row by row."""

from __future__ import annotations

import pytest

from recording_tasks.errors import Remedy, ServiceError
from recording_tasks.wire import REACTIONS, Method, react, was_reached

A, S, Q, U, L, X = (
    Method.ACQUIRE,
    Method.START,
    Method.QUERY,
    Method.UPDATE,
    Method.UPDATE_LAYOUT,
    Method.STOP,
)
ALL = (A, S, Q, U, L, X)
RUNNING = (Q, U, L, X)

# Agora: Cloud Recording REST API, "Response status codes", one row each.
STATUS_CODES = [
    (ALL, 400, None, "appid is invalid", Remedy.ACCOUNT),
    (ALL, 401, None, "Unauthorized", Remedy.CREDENTIALS),
    (ALL, 401, None, "Invalid authentication credentials", Remedy.CREDENTIALS),
    (ALL, 404, None, "no Route matched with those values", Remedy.REFUSED),
    (ALL, 429, None, "API rate limit exceeded", Remedy.SLOW_DOWN),
    ((A,), 400, 2, "Acquire: invalid resourceExpiredHour value!", Remedy.PARAMETERS),
    ((A,), 400, 400, "invalid_appid", Remedy.ACCOUNT),
    ((A,), 400, 401, "invalid_channel_name", Remedy.PARAMETERS),
    ((A,), 400, 405, "no_active_status", Remedy.ACCOUNT),
    ((A,), 400, 406, "vendor_over_load", Remedy.OVERLOADED),
    ((A,), 406, None, "", Remedy.OVERLOADED),
    ((A,), 500, 500, "internal_error", Remedy.SAME_AGAIN),
    ((A,), 500, 501, "no_worker_manager_available", Remedy.SAME_AGAIN),
    ((A,), 500, 504, "allocate_timeout", Remedy.SAME_AGAIN),
    ((S,), 201, 7, "already started", Remedy.RUNS_ALREADY),
    ((S,), 206, 65, "request not completed", Remedy.SAME_RESOURCE),
    ((S,), 400, 2, "request_hash mismatch!", Remedy.PARAMETERS),
    ((S,), 400, 53, "task conflict", Remedy.OTHER_UID),
    ((S,), 500, 502, "Failed to allocate worker", Remedy.NEW_RESOURCE),
    ((S,), 500, 62, "request timeout", Remedy.SAME_RESOURCE),
    ((Q, U, L), 206, 65, "request not completed", Remedy.SAME_AGAIN),
    ((Q, U, L), 400, 2, "", Remedy.PARAMETERS),
    ((Q, U, L), 404, 404, "failed to find worker", Remedy.SUSPECT),
    ((Q, U, L), 504, 62, "request timeout", Remedy.SAME_AGAIN),
    ((X,), 206, 65, "request not completed", Remedy.SAME_AGAIN),
    ((X,), 206, 435, "no recorded data", Remedy.EMPTY),
    ((X,), 400, 2, "", Remedy.PARAMETERS),
    ((X,), 400, 49, "invalid operation", Remedy.SETTLED),
    ((X,), 404, 404, "failed to find worker", Remedy.SUSPECT),
    ((X,), 504, 62, "request timeout", Remedy.SAME_AGAIN),
]

# Agora: Cloud Recording REST reference and "Common errors" (older lists); where they name no
# HTTP status, 400 is assumed, 404 for "exiting", and both 206 and 500 for the slow upload.
OLDER_CODES = [
    (ALL, 400, 8, "", Remedy.PARAMETERS),
    ((A,), 400, 62, "", Remedy.ACCOUNT),
    ((A,), 500, 62, "request timeout", Remedy.SAME_AGAIN),  # no reason to close the app
    ((A,), 504, 62, "request timeout", Remedy.SAME_AGAIN),
    ((S,), 500, 15, "", Remedy.NEW_RESOURCE),
    ((S,), 400, 101, "", Remedy.PARAMETERS),
    ((S,), 400, 109, "", Remedy.NEW_RESOURCE),
    ((S,), 400, 110, "", Remedy.PARAMETERS),
    ((S, Q, U, L, X), 400, 432, "", Remedy.PARAMETERS),
    ((S,), 400, 433, "", Remedy.NEW_RESOURCE),
    ((S, Q, U, L, X), 400, 1001, "", Remedy.NEW_RESOURCE),
    (RUNNING, 400, 1003, "", Remedy.PARAMETERS),
    ((A, S), 400, 1013, "", Remedy.PARAMETERS),
    ((L,), 400, 1028, "", Remedy.PARAMETERS),
    ((Q, U, L), 404, 501, "", Remedy.EXITING),
    ((X,), 404, 501, "", Remedy.SETTLED),
    ((X,), 206, 50, "", Remedy.SETTLED),
    ((X,), 500, 50, "", Remedy.SETTLED),
    ((X,), 206, None, "", Remedy.SETTLED),
    (ALL, 400, None, "invalid appid", Remedy.ACCOUNT),
]

# What no table has: the rules of the house.
UNDOCUMENTED = [
    ((A, Q, U, L, X), 500, None, "", Remedy.SAME_AGAIN),
    ((A, Q, U, L, X), 502, None, "<html>", Remedy.SAME_AGAIN),
    ((A, Q, U, L, X), 503, 999, "", Remedy.SAME_AGAIN),
    ((S,), 500, None, "", Remedy.SAME_RESOURCE),
    ((S,), 502, None, "<html>", Remedy.SAME_RESOURCE),
    ((S,), 503, 999, "", Remedy.SAME_RESOURCE),
    ((S,), 504, 62, "", Remedy.SAME_RESOURCE),
    ((S,), 504, None, "", Remedy.SAME_RESOURCE),
    ((S,), 408, None, "", Remedy.SAME_RESOURCE),
    ((S,), 206, None, "", Remedy.SAME_RESOURCE),
    ((Q,), 206, None, "", Remedy.SAME_AGAIN),
    (ALL, 400, 999, "", Remedy.REFUSED),
    (ALL, 403, None, "", Remedy.REFUSED),
    (ALL, 403, 403, "", Remedy.REFUSED),
    (ALL, 404, None, "<html>", Remedy.REFUSED),
    (ALL, 302, None, "", Remedy.REFUSED),
    (RUNNING, 404, None, "failed to find worker", Remedy.SUSPECT),
    ((A, S), 404, None, "failed to find worker", Remedy.REFUSED),
    (ALL, 401, 7, "", Remedy.CREDENTIALS),
    (ALL, 429, 2, "", Remedy.SLOW_DOWN),
]


def _cases(
    rows: list[tuple[tuple[Method, ...], int, int | None, str, Remedy]],
) -> list[tuple[Method, int, int | None, str, Remedy]]:
    return [(method, *rest) for methods, *rest in rows for method in methods]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("method", "status", "code", "message", "remedy"),
    _cases(STATUS_CODES + OLDER_CODES + UNDOCUMENTED),
)
def test_every_row_has_its_remedy(
    method: Method, status: int, code: int | None, message: str, remedy: Remedy
) -> None:
    """Documented or assumed: method, HTTP status and code together decide."""
    assert react(method, status, code, message) is remedy


def test_every_coded_row_of_the_status_page_stands_in_the_table() -> None:
    """The table is the policy; the fallbacks are for what no page documents."""
    rows = {
        (method, status, code)
        for method, status, code, *_ in _cases(STATUS_CODES)
        if code is not None
    }

    assert rows <= REACTIONS.keys()


def test_one_number_alone_decides_nothing() -> None:
    """Code 401 with HTTP 400 is a channel name; code 404 on acquire is no lost session."""
    assert react(A, 400, 401) is Remedy.PARAMETERS
    assert react(A, 401, None) is Remedy.CREDENTIALS
    assert react(A, 404, 404) is Remedy.REFUSED
    assert react(A, 500, 501) is Remedy.SAME_AGAIN
    assert react(Q, 404, 501) is Remedy.EXITING
    assert react(S, 500, 502) is Remedy.NEW_RESOURCE
    assert react(S, 502, None) is Remedy.SAME_RESOURCE


@pytest.mark.parametrize("status", range(200, 600))
def test_no_answer_is_without_a_remedy(status: int) -> None:
    """Total over every method, status and code; and start is never simply sent again."""
    for method in ALL:
        for code in (None, 0, 2, 49, 50, 62, 65, 404, 501, 99999):
            remedy = react(method, status, code, "odd")

            assert isinstance(remedy, Remedy)
            assert not (method is S and remedy is Remedy.SAME_AGAIN)


def test_65_and_62_mean_that_the_backend_had_the_request() -> None:
    """A 404 after such a stop means that it was done."""
    for code, reached in ((65, True), (62, True), (404, False), (None, False)):
        assert was_reached(ServiceError("stop", 504, code, "", Remedy.SAME_AGAIN)) is reached
    assert not was_reached(ServiceError("acquire", 400, 62, "", Remedy.ACCOUNT))
