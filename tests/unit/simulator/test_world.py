"""The service without HTTP: whatever is sent, it answers as documented and does not break."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from recording_tasks.simulator.answers import Answer
from recording_tasks.simulator.settings import Method, Settings
from recording_tasks.simulator.world import Call, World

from .api import BY_MODE, Json, individual, mix, web

APP = "f" * 32
NOW = 1_800_000_000.0
METHODS: tuple[Method, ...] = get_args(Method)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def paths_of(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, the inner ones too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [at] if at else []
    for key, item in inner:
        deeper = paths_of(item, (*at, key)) if isinstance(item, (dict, list)) else [(*at, key)]
        found += deeper
    return found


def with_changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value in one place."""
    head, *rest = path
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[head] = with_changed(value[head], tuple(rest), new) if rest else new
    return copied


REQUESTS: list[tuple[str, Json]] = [
    *BY_MODE.items(),
    ("mix", mix(transcodingConfig={"width": 1, "layoutConfig": [{"uid": "1"}]})),
    ("mix", mix(subscribeAudioUids=["1"], decryptionMode=8, secret="s", salt="x")),
    ("individual", {**individual(streamMode="standard"), "snapshotConfig": {"fileType": ["jpg"]}}),
    ("web", web({"serviceName": "rtmp_publish_service", "serviceParam": {"outputs": [{}]}})),
]


def sent(world: World, method: Method, mode: str, body: Json, **ids: Any) -> Answer:
    """Carry out, and finish what is answered later."""
    call = Call(method=method, app=APP, mode=mode, body=body, **ids)
    answer = world.carry_out(call, NOW)
    return answer if answer.finish is None else answer.finish()


def started(world: World, mode: str, request: Json) -> Json:
    """The ids of a session, started unless the request is refused."""
    envelope = {"cname": "room", "uid": "1", "clientRequest": {"scene": int(mode == "web")}}
    ticket: Any = sent(world, "acquire", mode, envelope).body
    ids = {"resource_id": ticket["resourceId"]}
    answer: Any = sent(world, "start", mode, {**envelope, "clientRequest": request}, **ids)
    assert answer.status in (200, 400)
    return {**ids, "sid": answer.body.get("sid", "")}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_start_with_anything_in_one_place_is_answered(data: st.DataObject) -> None:
    """200 or 400; and whatever was granted can be queried and stopped at any time."""
    mode, request = data.draw(st.sampled_from(REQUESTS))
    path = data.draw(st.sampled_from(paths_of(request)))
    world = World(Settings())
    ids = started(world, mode, with_changed(request, path, data.draw(json_values)))
    later = NOW + data.draw(st.floats(0, 1e7))
    empty = {"cname": "room", "uid": "1", "clientRequest": {}}

    query = world.carry_out(Call(method="query", app=APP, mode=mode, body={}, **ids), later)
    stop = world.carry_out(Call(method="stop", app=APP, mode=mode, body=empty, **ids), later)
    finished = stop if stop.finish is None else stop.finish()

    assert query.status in (200, 404)
    assert finished.status in (200, 206, 400, 404)


@settings(max_examples=100, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    mode=st.sampled_from(["mix", "individual", "web", "other"]),
    body=st.dictionaries(st.sampled_from(["cname", "uid", "clientRequest", "x"]), json_values),
)
def test_any_body_is_answered(method: Method, mode: str, body: Json) -> None:
    """No body makes it fall over."""
    world = World(Settings())
    ids = started(world, "mix", BY_MODE["mix"])

    assert sent(world, method, mode, body, **ids).status in (200, 400, 404)


@settings(max_examples=100, deadline=None)
@given(
    method=st.sampled_from(["update", "updateLayout", "stop", "acquire"]),
    request=st.dictionaries(
        st.sampled_from(
            [
                "streamSubscribe",
                "webRecordingConfig",
                "rtmpPublishConfig",
                "storageConfig",
                "layoutConfig",
                "backgroundConfig",
                "mixedVideoLayout",
                "async_stop",
                "scene",
                "startParameter",
                "excludeResourceIds",
            ]
        ),
        json_values,
    ),
)
def test_any_request_is_answered(method: Method, request: Json) -> None:
    """Known fields with anything in them."""
    world = World(Settings())
    ids = started(world, "mix", BY_MODE["mix"])
    body = {"cname": "room", "uid": "1", "clientRequest": request}

    assert sent(world, method, "mix", body, **ids).status in (200, 206, 400)
