"""What to do about every answer that Agora documents, and about those that it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recording_tasks.errors import Remedy, ServiceError
from recording_tasks.wire.names import Method

Triple = tuple[Method, int, int | None]

_RUNNING = (Method.QUERY, Method.UPDATE, Method.UPDATE_LAYOUT, Method.STOP)
_WATCHING = (Method.QUERY, Method.UPDATE, Method.UPDATE_LAYOUT)


def _rows(
    methods: Iterable[Method], status: int, code: int | None, remedy: Remedy
) -> dict[Triple, Remedy]:
    return {(method, status, code): remedy for method in methods}


# The triple decides, never one number alone: body codes 400, 401, 404, 500, 501, 502 and 504
# look like HTTP statuses and are not.
REACTIONS: Mapping[Triple, Remedy] = {
    # any method, from the gateway
    **_rows(Method, 401, None, Remedy.CREDENTIALS),
    **_rows(Method, 429, None, Remedy.SLOW_DOWN),
    # any method; the HTTP status of code 8 is documented nowhere
    **_rows(Method, 400, 2, Remedy.PARAMETERS),
    **_rows(Method, 400, 8, Remedy.PARAMETERS),
    # acquire
    (Method.ACQUIRE, 400, 62): Remedy.ACCOUNT,  # the service is not enabled
    (Method.ACQUIRE, 400, 400): Remedy.ACCOUNT,  # invalid_appid
    (Method.ACQUIRE, 400, 401): Remedy.PARAMETERS,  # invalid_channel_name
    (Method.ACQUIRE, 400, 405): Remedy.ACCOUNT,  # no_active_status: overdue
    (Method.ACQUIRE, 400, 406): Remedy.OVERLOADED,  # vendor_over_load
    (Method.ACQUIRE, 406, None): Remedy.OVERLOADED,  # in no document: its number as the status
    (Method.ACQUIRE, 400, 1013): Remedy.PARAMETERS,
    (Method.ACQUIRE, 500, 500): Remedy.SAME_AGAIN,  # internal_error
    (Method.ACQUIRE, 500, 62): Remedy.SAME_AGAIN,  # request timeout, as of every other method
    (Method.ACQUIRE, 504, 62): Remedy.SAME_AGAIN,
    (Method.ACQUIRE, 500, 501): Remedy.SAME_AGAIN,  # no_worker_manager_available
    (Method.ACQUIRE, 500, 504): Remedy.SAME_AGAIN,  # allocate_timeout
    # start
    (Method.START, 201, 7): Remedy.RUNS_ALREADY,
    (Method.START, 206, 65): Remedy.SAME_RESOURCE,  # reached the backend, no timely answer
    (Method.START, 400, 53): Remedy.OTHER_UID,  # this channel and uid record already
    (Method.START, 400, 432): Remedy.PARAMETERS,  # not what acquire was given: our fault
    (Method.START, 400, 433): Remedy.NEW_RESOURCE,  # the resource ID is too old
    (Method.START, 400, 1001): Remedy.NEW_RESOURCE,  # the resource ID cannot be read
    (Method.START, 400, 1013): Remedy.PARAMETERS,
    (Method.START, 500, 15): Remedy.NEW_RESOURCE,  # seen in the wild, with an empty sid
    (Method.START, 500, 62): Remedy.SAME_RESOURCE,  # request timeout
    (Method.START, 500, 502): Remedy.NEW_RESOURCE,  # failed to allocate worker
    # what is sent to a running session
    **_rows(_RUNNING, 206, 65, Remedy.SAME_AGAIN),
    **_rows(_RUNNING, 400, 432, Remedy.PARAMETERS),
    **_rows(_RUNNING, 400, 1001, Remedy.NEW_RESOURCE),
    **_rows(_RUNNING, 400, 1003, Remedy.PARAMETERS),
    **_rows(_RUNNING, 404, 404, Remedy.SUSPECT),  # gone, or failing over for 90 s at most
    **_rows(_RUNNING, 504, 62, Remedy.SAME_AGAIN),
    **_rows(_WATCHING, 404, 501, Remedy.EXITING),
    (Method.UPDATE_LAYOUT, 400, 1028): Remedy.PARAMETERS,
    # stop
    (Method.STOP, 206, None): Remedy.SETTLED,  # stopped; the upload is slow, or a query ran too
    (Method.STOP, 206, 50): Remedy.SETTLED,  # stopped; the upload is slow
    (Method.STOP, 206, 435): Remedy.EMPTY,  # nothing was recorded
    (Method.STOP, 400, 49): Remedy.SETTLED,  # it is exiting
    (Method.STOP, 404, 501): Remedy.SETTLED,  # it is exiting
    (Method.STOP, 500, 50): Remedy.SETTLED,  # as 206/50: the status is documented nowhere
}

# Codes whose HTTP status no document gives, or whose documents disagree: by method and code.
_ANY_STATUS: Mapping[tuple[Method, int], Remedy] = {
    **{(method, 8): Remedy.PARAMETERS for method in Method},
    **{(method, code): Remedy.PARAMETERS for method in _RUNNING for code in (432, 1003)},
    **{(method, 1001): Remedy.NEW_RESOURCE for method in (Method.START, *_RUNNING)},
    **{(method, 501): Remedy.EXITING for method in _WATCHING},
    (Method.ACQUIRE, 62): Remedy.ACCOUNT,
    (Method.ACQUIRE, 406): Remedy.OVERLOADED,
    (Method.ACQUIRE, 1013): Remedy.PARAMETERS,
    (Method.START, 7): Remedy.RUNS_ALREADY,
    (Method.START, 15): Remedy.NEW_RESOURCE,
    (Method.START, 62): Remedy.SAME_RESOURCE,
    (Method.START, 65): Remedy.SAME_RESOURCE,
    (Method.START, 101): Remedy.PARAMETERS,  # the token, in the logs of old SDKs
    (Method.START, 109): Remedy.NEW_RESOURCE,  # the token is too old
    (Method.START, 110): Remedy.PARAMETERS,  # the token is wrong
    (Method.START, 432): Remedy.PARAMETERS,
    (Method.START, 433): Remedy.NEW_RESOURCE,
    (Method.START, 1013): Remedy.PARAMETERS,
    (Method.UPDATE_LAYOUT, 1028): Remedy.PARAMETERS,
    (Method.STOP, 49): Remedy.SETTLED,
    (Method.STOP, 50): Remedy.SETTLED,
    (Method.STOP, 435): Remedy.EMPTY,
    (Method.STOP, 501): Remedy.SETTLED,
    **{(method, code): Remedy.SAME_AGAIN for method in _RUNNING for code in (62, 65)},
}

# What the gateway says, when there is no code; and the service, where its code is missing.
_MESSAGES: Mapping[tuple[int, str], Remedy] = {
    (400, "appid is invalid"): Remedy.ACCOUNT,
    (400, "invalid appid"): Remedy.ACCOUNT,
    (400, "invalid_appid"): Remedy.ACCOUNT,
    (404, "no route matched"): Remedy.REFUSED,  # a wrong verb or URL: our fault
    (404, "failed to find worker"): Remedy.SUSPECT,
    (400, "task conflict"): Remedy.OTHER_UID,
    (400, "vendor_over_load"): Remedy.OVERLOADED,
    (400, "no_active_status"): Remedy.ACCOUNT,
    (400, "invalid operation"): Remedy.SETTLED,
}
_SAID_BY: Mapping[Remedy, tuple[Method, ...]] = {
    Remedy.SUSPECT: _RUNNING,
    Remedy.OTHER_UID: (Method.START,),
    Remedy.OVERLOADED: (Method.ACQUIRE,),
    Remedy.SETTLED: (Method.STOP,),
}
_UNAUTHORIZED, _NOT_FOUND, _TIMED_OUT, _TOO_MANY, _SERVER_FAULT = 401, 404, 408, 429, 500
_REACHED = frozenset({62, 65})


def react(method: Method, status: int, code: int | None, message: str = "") -> Remedy:
    """Say what to do about an answer that is not a plain success.

    What no table knows is refused, but for a server's fault, where a repeat is known to be safe:
    start only with the same resource ID, everything else as it is.
    """
    if status == _UNAUTHORIZED:
        return Remedy.CREDENTIALS
    if status == _TOO_MANY:
        return Remedy.SLOW_DOWN
    if (remedy := REACTIONS.get((method, status, code))) is not None:
        return remedy
    if code is not None and (remedy := _ANY_STATUS.get((method, code))) is not None:
        return remedy
    if code is None and (remedy := _by_message(method, status, message)) is not None:
        return remedy
    if status == _NOT_FOUND and code is None and not message and method in _RUNNING:
        return Remedy.SUSPECT  # the gateway's own 404 has a text; the service may lack its code
    if status >= _SERVER_FAULT or status == _TIMED_OUT or 200 <= status < 300:  # noqa: PLR2004
        return Remedy.SAME_RESOURCE if method is Method.START else Remedy.SAME_AGAIN
    return Remedy.REFUSED


def _by_message(method: Method, status: int, message: str) -> Remedy | None:
    for (known, text), remedy in _MESSAGES.items():
        if status == known and text in message.lower():
            return remedy if method in _SAID_BY.get(remedy, tuple(Method)) else Remedy.REFUSED
    return None


def was_reached(error: ServiceError) -> bool:
    """Tell whether Agora's backend said that it had the request (65, 62), but no answer yet."""
    return error.code in _REACHED and error.method != Method.ACQUIRE
