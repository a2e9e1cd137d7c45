"""The service itself: what each of the six methods does, and when it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recording_tasks.simulator.answers import Answer, Json, refused
from recording_tasks.simulator.bodies import (
    WEB_SCENE,
    acquire_fault,
    envelope_fault,
    is_channel_name,
    layout_fault,
    stop_fault,
    update_fault,
)
from recording_tasks.simulator.envelopes import already_started, dressed, of_session, ticket
from recording_tasks.simulator.registry import Registry
from recording_tasks.simulator.responses import query_response, stop_response
from recording_tasks.simulator.sessions import Phase, Resource, Session
from recording_tasks.simulator.settings import Account, Method, Settings
from recording_tasks.simulator.shapes import Shapes
from recording_tasks.simulator.start_body import start_fault, transcoding_trouble

MODES = ("individual", "mix", "web")

_CONTROLLABLE = (Phase.STARTING, Phase.RUNNING)
_ACCOUNT_TROUBLE = {"invalid": 400, "overdue": 405, "not_enabled": 62}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that has passed the gateway."""

    method: Method
    app: str
    account: Account | None = None
    resource_id: str = ""
    sid: str = ""
    mode: str = ""
    body: Json


class World:
    """Carries requests out; told the simulated instant with each."""

    def __init__(self, settings: Settings) -> None:
        self.registry = Registry(settings)
        self.queries_beside_stop = 0
        self.queries_after_stop = 0
        self._queries_in_flight: dict[str, int] = {}
        self._methods: dict[Method, Callable[[Call, float], Answer]] = {
            "acquire": self._acquire,
            "start": self._start,
            "query": self._query,
            "update": self._update,
            "updateLayout": self._update_layout,
            "stop": self._stop,
        }
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Go on under other settings."""
        self._settings = settings
        self._shapes = Shapes(strict=settings.unknown_fields == "refuse")
        self.registry.configure(settings)

    def carry_out(self, call: Call, now: float) -> Answer:
        """Do what a request asks, or refuse it."""
        answer = self._methods[call.method](call, now)
        if answer.code is None:
            return answer
        resource = self.registry.resources.get(call.resource_id)
        return dressed(answer, resource.session if resource else None, self._settings, now)

    def begin_query(self, sid: str) -> None:
        """Note that a query is on its way, so that a stop can meet it."""
        self._queries_in_flight[sid] = self._queries_in_flight.get(sid, 0) + 1

    def end_query(self, sid: str) -> None:
        """Note that a query was answered."""
        left = self._queries_in_flight.pop(sid, 0) - 1
        if left > 0:
            self._queries_in_flight[sid] = left

    def _acquire(self, call: Call, now: float) -> Answer:
        fault = envelope_fault("Acquire", call.body, self._shapes) or acquire_fault(
            call.body["clientRequest"], self._shapes
        )
        if fault is not None:
            return refused("acquire", 2, fault)
        is_web = call.body["clientRequest"].get("scene", 0) == WEB_SCENE
        if not is_channel_name(call.body["cname"], is_web=is_web):
            return refused("acquire", self._settings.channel_name_code)
        trouble = _ACCOUNT_TROUBLE.get(call.account.state if call.account else "active")
        if trouble is not None:
            return refused("acquire", trouble)
        limit = self._settings.pcw_web if is_web else self._settings.pcw
        if self.registry.live_count(call.app, now, is_web=is_web) >= limit:
            return refused("acquire", 406)
        return ticket(self.registry.acquire(call.app, call.body, now), self._settings)

    def _start(self, call: Call, now: float) -> Answer:
        fault = envelope_fault("Start", call.body, self._shapes) or _mode_fault(call)
        fault = fault or start_fault(call.mode, call.body["clientRequest"], self._shapes)
        if fault is not None:
            return refused("start", 2, fault)
        resource = self.registry.resources.get(call.resource_id)
        if resource is None:
            return refused("start", 1001)
        if not is_channel_name(call.body["cname"], is_web=resource.scene == WEB_SCENE):
            return refused("start", 1013)
        if resource.app != call.app or not _is_same(resource, call.body):
            return refused("start", 432)
        return self._start_with(resource, call, now)

    def _start_with(self, resource: Resource, call: Call, now: float) -> Answer:
        session, request = resource.session, call.body["clientRequest"]
        if session is not None and not session.has_ended(now):
            return already_started(session, self._settings)
        if session is not None or now - resource.acquired_at > self._settings.resource_seconds:
            return refused("start", 433)  # one resource serves one session
        if (call.mode == "web") != (resource.scene == WEB_SCENE):
            return refused("start", 2, "services not selected!")
        if resource.start_parameter not in (None, request):
            return refused("start", 2, "request_hash mismatch!")
        if self.registry.is_recorded(resource, now):
            return refused("start", 53)
        trouble = transcoding_trouble(request)
        if trouble is not None and self._settings.transcoding_check == "at_start":
            return refused("start", 2, trouble)
        return of_session(self.registry.begin(resource, call.mode, request, now), self._settings)

    def _query(self, call: Call, now: float) -> Answer:
        session = self._session(call, now)
        if isinstance(session, Answer):
            return session
        self._note_query(session, now)
        settings, phase = self._settings, session.phase(now, self._settings)
        if phase is Phase.EXITING and settings.query_while_exiting == "501":
            return refused("query", 501, status=settings.exiting_status)
        if phase is Phase.EXITING and settings.query_while_exiting == "404":
            return refused("query", 404)
        if phase is Phase.STARTING and settings.query_before_join == "404":
            return refused("query", 404)
        if phase in (Phase.AWAY, Phase.GONE):
            return refused("query", 404)
        return of_session(session, settings, query_response(session, now, settings))

    def _note_query(self, session: Session, now: float) -> None:
        if session.stop_pending:
            session.queried_beside_stop = True
            self.queries_beside_stop += 1
        elif session.end.cause == "stopped" and session.has_ended(now):
            self.queries_after_stop += 1

    def _update(self, call: Call, now: float) -> Answer:
        session = self._controllable(call, now, "Update")
        if isinstance(session, Answer):
            return session
        request, stream_types = call.body["clientRequest"], session.config.get("streamTypes", 2)
        fault = update_fault(
            request, is_web=session.is_web, stream_types=stream_types, shapes=self._shapes
        )
        if fault is not None:
            return refused("update", 2, fault)
        session.settle(now)
        session.subscription = session.subscription.updated(request.get("streamSubscribe", {}))
        if "webRecordingConfig" in request:
            session.hold(now, onhold=request["webRecordingConfig"].get("onhold", False))
        session.acts.append((now, "updated"))
        return of_session(session, self._settings)

    def _update_layout(self, call: Call, now: float) -> Answer:
        if call.mode in MODES and call.mode != "mix":
            return refused("updateLayout", 2, "UpdateLayout: only mode mix has a layout!")
        session = self._controllable(call, now, "UpdateLayout")
        if isinstance(session, Answer):
            return session
        layout = call.body["clientRequest"]
        fault = layout_fault("UpdateLayout", layout, self._shapes)
        if fault is not None:
            return refused("updateLayout", self._settings.layout_code, fault)
        session.layout = layout  # replaces the whole: what is left out is the default again
        session.acts.append((now, "layout_updated"))
        return of_session(session, self._settings)

    def _controllable(self, call: Call, now: float, where: str) -> Session | Answer:
        fault = envelope_fault(where, call.body, self._shapes)
        if fault is not None:
            return refused(call.method, 2, fault)
        session = self._session(call, now)
        if isinstance(session, Session) and session.phase(now, self._settings) not in _CONTROLLABLE:
            return refused(call.method, 404)
        return session

    def _stop(self, call: Call, now: float) -> Answer:
        fault = envelope_fault("Stop", call.body, self._shapes) or stop_fault(
            call.body["clientRequest"], self._shapes
        )
        if fault is not None:
            return refused("stop", 2, fault)
        session = self._session(call, now)
        if isinstance(session, Answer):
            return session
        phase = session.phase(now, self._settings)
        if phase in (Phase.EXITING, Phase.ABNORMAL):
            return refused("stop", 49)
        if phase not in _CONTROLLABLE:
            return refused("stop", 404)
        is_async = call.body["clientRequest"].get("async_stop", False)
        return self._end(session, now, is_async=is_async)

    def _end(self, session: Session, now: float, *, is_async: bool) -> Answer:
        recorded = session.is_web or bool(session.spans(now))
        session.force(now, "stopped", self._settings)
        session.acts.append((now, "stop_requested"))
        session.stop_pending = True
        session.queried_beside_stop = session.sid in self._queries_in_flight
        if session.queried_beside_stop:
            self.queries_beside_stop += 1
        upload = 0.0 if is_async or not recorded else session.upload_seconds(self._settings)
        limit = self._settings.sync_stop_limit_seconds

        def finish() -> Answer:
            session.stop_pending = False
            if not recorded and self._settings.unpublished_stop == "435":
                return dressed(refused("stop", 435), session, self._settings)
            if is_async:
                return self._stopped_async(session, now)
            return self._stopped(session, now, is_slow=upload > limit)

        ready_at = now + min(upload, limit) if upload else None
        return Answer(status=200, body={}, ready_at=ready_at, finish=finish)

    def _stopped(self, session: Session, now: float, *, is_slow: bool) -> Answer:
        settings = self._settings
        if is_slow and settings.slow_stop_body == "code":
            answer = refused("stop", 50, status=settings.slow_stop_status)
            return dressed(answer, session, settings)
        uploading = "unknown" if is_slow else session.channel.uploading_status
        response = stop_response(session, now, settings, uploading=uploading)
        if session.queried_beside_stop:
            response.pop("fileList", None)
            return of_session(session, settings, response, status=206)
        status = settings.backuped_stop_status if uploading == "backuped" else 200
        return of_session(
            session, settings, response, status=settings.slow_stop_status if is_slow else status
        )

    def _stopped_async(self, session: Session, now: float) -> Answer:
        settings = self._settings
        if settings.async_stop_response == "absent":
            return of_session(session, settings)
        response = stop_response(session, now, settings, uploading="unknown", with_files=False)
        if session.queried_beside_stop:
            response.pop("fileList", None)
            return of_session(session, settings, response, status=206)
        return of_session(session, settings, response)

    def _session(self, call: Call, now: float) -> Session | Answer:
        """The session of a path, or why it is refused."""
        resource = self.registry.resources.get(call.resource_id)
        if resource is None:
            return refused(call.method, 1001)
        session = resource.session
        if resource.app != call.app or (session is not None and session.sid != call.sid):
            return refused(call.method, 1003)
        if call.method != "query" and not _is_same(resource, call.body):
            return refused(call.method, 432)
        fault = _mode_fault(call)
        if fault is not None:
            return refused(call.method, 2, fault)
        if session is None or now >= session.controllable_until:
            return refused(call.method, 404)
        return refused(call.method, 432) if session.mode != call.mode else session


def _mode_fault(call: Call) -> str | None:
    return None if call.mode in MODES else f"{call.method}: invalid mode value!"


def _is_same(resource: Resource, body: Json) -> bool:
    return (resource.cname, resource.uid) == (body.get("cname"), body.get("uid"))
