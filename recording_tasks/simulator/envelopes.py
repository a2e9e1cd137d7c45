"""How a body is wrapped: which ids stand beside what an answer says."""

from __future__ import annotations

from recording_tasks.simulator.answers import Answer, Json, refused
from recording_tasks.simulator.files import files
from recording_tasks.simulator.sessions import Resource, Session
from recording_tasks.simulator.settings import Settings

_UNDOCUMENTED = (8, 432, 433, 1001, 1003, 1013, 1028)
_INVALID_OPERATION = 49


def ticket(resource: Resource, settings: Settings) -> Answer:
    """What acquire grants."""
    body: Json = {"resourceId": resource.resource_id}
    if settings.with_channel:
        body = {"cname": resource.cname, "uid": resource.uid, **body}
    return Answer(status=200, body=body)


def of_session(
    session: Session, settings: Settings, response: Json | None = None, *, status: int = 200
) -> Answer:
    """What start, query, update, updateLayout and stop grant."""
    body: Json = {"resourceId": session.resource_id, "sid": session.sid}
    if settings.with_channel:
        body = {"cname": session.cname, "uid": session.uid, **body}
    if response is not None:
        body["serverResponse"] = response
    return Answer(status=status, body=body)


def already_started(session: Session, settings: Settings) -> Answer:
    """What a second start with the same resource ID hears."""
    answer = refused("start", 7)
    return answer if settings.already_started_body == "plain" else _beside_ids(session, answer)


def dressed(
    answer: Answer, session: Session | None, settings: Settings, now: float = 0.0
) -> Answer:
    """Give a refusal the HTTP status and the width that are set."""
    if answer.code in _UNDOCUMENTED:
        answer = Answer(status=settings.undocumented_status, body=answer.body)
    if not settings.wide_error_bodies or session is None:
        return answer
    wide = _beside_ids(session, answer)
    if answer.code == _INVALID_OPERATION and isinstance(wide.body, dict):
        wide.body.pop("reason", None)  # the real ones that were seen have none
        wide.body["serverResponse"] = _failed(session, now)
    return wide


def _failed(session: Session, now: float) -> Json:
    names = [file.name for file in files(session, now, with_prefix=True)]
    return {
        "backuped": 0,
        "fileListMode": "string",
        "fileListStr": names[-1] if names else "",
        "payload": {"message": "Failed"},
    }


def _beside_ids(session: Session, answer: Answer) -> Answer:
    ids = {
        "cname": session.cname,
        "uid": session.uid,
        "resourceId": session.resource_id,
        "sid": session.sid,
    }
    said = answer.body if isinstance(answer.body, dict) else {}
    return Answer(status=answer.status, body={**ids, **said})
