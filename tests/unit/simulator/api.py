"""The six methods as a test sends them: plain requests, nothing checked, nothing repeated."""

from __future__ import annotations

from typing import Any, NamedTuple

import requests

from recording_tasks.simulator import SimulatorClient

Json = dict[str, Any]

STORAGE: Json = {
    "vendor": 1,
    "region": 0,
    "bucket": "bucket",
    "accessKey": "key",
    "secretKey": "secret",
    "fileNamePrefix": ["folder", "room1"],
}
PAGE: Json = {
    "url": "https://example.org/page",
    "audioProfile": 0,
    "videoWidth": 1280,
    "videoHeight": 720,
    "maxRecordingHour": 3,
}
MIX: Json = {
    "storageConfig": STORAGE,
    "recordingConfig": {"channelType": 1},
    "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
}
HLS: Json = {**MIX, "recordingFileConfig": {"avFileType": ["hls"]}}
INDIVIDUAL: Json = {
    "storageConfig": STORAGE,
    "recordingConfig": {"channelType": 1, "subscribeUidGroup": 0},
    "recordingFileConfig": {"avFileType": ["hls"]},
}
WEB: Json = {
    "storageConfig": STORAGE,
    "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
    "extensionServiceConfig": {
        "errorHandlePolicy": "error_abort",
        "extensionServices": [{"serviceName": "web_recorder_service", "serviceParam": PAGE}],
    },
}
BY_MODE = {"mix": MIX, "individual": INDIVIDUAL, "web": WEB}


def mix(**config: Any) -> Json:
    """The body of a mix start with more in its recordingConfig."""
    return {**MIX, "recordingConfig": {**MIX["recordingConfig"], **config}}


def individual(**config: Any) -> Json:
    """The body of an individual start with more in its recordingConfig."""
    return {**INDIVIDUAL, "recordingConfig": {**INDIVIDUAL["recordingConfig"], **config}}


def web(*more_services: Json, **param: Any) -> Json:
    """The body of a web start with more in its page, or more services."""
    recorder = {"serviceName": "web_recorder_service", "serviceParam": {**PAGE, **param}}
    return {**WEB, "extensionServiceConfig": {"extensionServices": [recorder, *more_services]}}


class Reply(NamedTuple):
    """What was heard: the HTTP status, the JSON body (or the text)."""

    status: int
    body: Any

    @property
    def says(self) -> tuple[int, int | None]:
        """HTTP status and code."""
        return self.status, self.body.get("code")


class Recorded(NamedTuple):
    """A started session, by what its calls need."""

    cname: str
    uid: str
    mode: str
    resource_id: str
    sid: str


class Api:
    """Calls a simulator as some client would."""

    def __init__(self, simulator: SimulatorClient, app: str | None = None) -> None:
        self.base = f"{simulator.url}/v1/apps/{app or simulator.app_id}/cloud_recording"
        self._session = requests.Session()
        self._session.auth = (simulator.customer_id, simulator.customer_secret)

    def send(self, verb: str, path: str, body: Json | None = None, **more: Any) -> Reply:
        more.setdefault("timeout", 10)
        if body is not None:
            more["json"] = body
        response = self._session.request(verb, self.base + path, **more)
        is_json = response.headers.get("Content-Type") == "application/json"
        return Reply(response.status_code, response.json() if is_json else response.text)

    def post(
        self, path: str, cname: str, uid: str, request: Json | None = None, **more: Any
    ) -> Reply:
        body = {"cname": cname, "uid": uid, "clientRequest": request or {}}
        return self.send("POST", path, body, **more)

    def acquire(self, cname: str = "room", uid: str = "900", **request: Any) -> Reply:
        return self.post("/acquire", cname, uid, request)

    def start(
        self,
        resource_id: str,
        request: Json,
        *,
        mode: str = "mix",
        cname: str = "room",
        uid: str = "900",
    ) -> Reply:
        return self.post(f"/resourceid/{resource_id}/mode/{mode}/start", cname, uid, request)

    def started(
        self,
        request: Json | None = None,
        *,
        mode: str = "mix",
        cname: str = "room",
        uid: str = "900",
        **acquire: Any,
    ) -> Recorded:
        """Acquire and start; both must be granted."""
        acquire.setdefault("scene", int(mode == "web"))
        resource_id = self.acquire(cname, uid, **acquire).body["resourceId"]
        reply = self.start(resource_id, request or BY_MODE[mode], mode=mode, cname=cname, uid=uid)
        assert reply.status == 200, reply
        return Recorded(cname, uid, mode, resource_id, reply.body["sid"])

    def query(self, of: Recorded, **more: Any) -> Reply:
        return self.send("GET", _path(of, "query"), **more)

    def update(self, of: Recorded, **request: Any) -> Reply:
        return self.post(_path(of, "update"), of.cname, of.uid, request)

    def update_layout(self, of: Recorded, **layout: Any) -> Reply:
        return self.post(_path(of, "updateLayout"), of.cname, of.uid, layout)

    def stop(self, of: Recorded, *, timeout: float = 10, **request: Any) -> Reply:
        return self.post(_path(of, "stop"), of.cname, of.uid, request, timeout=timeout)


def _path(of: Recorded, method: str) -> str:
    return f"/resourceid/{of.resource_id}/sid/{of.sid}/mode/{of.mode}/{method}"


def file_names(reply: Reply) -> list[str]:
    """The names in the fileList of an answer."""
    return [item["fileName"] for item in reply.body["serverResponse"]["fileList"]]
