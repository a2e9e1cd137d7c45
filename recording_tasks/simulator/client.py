"""How Python talks to a simulator's control door, in this process or another."""

from __future__ import annotations

from typing import Any

import requests

from recording_tasks.simulator.answers import Json
from recording_tasks.simulator.settings import (
    DEFAULT_APP_ID,
    DEFAULT_CUSTOMER_ID,
    DEFAULT_CUSTOMER_SECRET,
)

_TIMEOUT_SECONDS = 30


class SimulatorClient:
    """The control door of the simulator at ``url``; wrong arguments raise ``ValueError``."""

    app_id = DEFAULT_APP_ID
    customer_id = DEFAULT_CUSTOMER_ID
    customer_secret = DEFAULT_CUSTOMER_SECRET

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._pool = requests.Session()
        self._pool.trust_env = False  # no proxy between a test and its simulator

    def fault(self, method: str, action: str, **rule: Any) -> None:
        """Let something go wrong; see ``faults.Fault`` for the rule's fields."""
        self._post("faults", {"method": method, "action": action, **rule})

    def clear_faults(self) -> None:
        """Let nothing more go wrong."""
        self._call("DELETE", "faults")

    def channel(self, name: str, **told: Any) -> None:
        """Tell what a channel is like; see ``channels.Channel`` for the fields."""
        self._post("channels", {"name": name, **told})

    def disturb(self, kind: str, channel: str = "*", seconds: float = 60) -> list[str]:
        """Begin a ``failover``, ``abnormal_exit`` or ``kick`` of running sessions; their sids."""
        told: Json = {"kind": kind, "channel": channel, "seconds": seconds}
        sids: list[str] = self._post("disturb", told)["sids"]
        return sids

    def advance(self, seconds: float) -> None:
        """Move the simulated clock ahead."""
        self._post("clock", {"advance": seconds})

    def speed(self, factor: float) -> None:
        """Let the simulated clock run ``factor`` times as fast as the real one; 0 freezes it."""
        self._post("clock", {"speed": factor})

    def now(self) -> float:
        """The simulated instant."""
        now: float = self._get("clock")["now"]
        return now

    def configure(self, **settings: Any) -> None:
        """Change settings; see ``settings.Settings`` for their names."""
        self._post("settings", settings)

    def reset(self) -> None:
        """Put everything back to the beginning, settings and clock included."""
        self._post("reset", {})

    def report(self) -> Json:
        """The figures since the beginning."""
        report: Json = self._get("report")
        return report

    def calls(
        self, method: str | None = None, *, cname: str | None = None, since: int = 0
    ) -> list[Json]:
        """The calls that arrived, oldest first."""
        lines: list[Json] = self._get("calls", method=method, cname=cname, since=since)
        return lines

    def sessions(self, cname: str | None = None) -> list[Json]:
        """The sessions that were started, oldest first."""
        sessions: list[Json] = self._get("sessions", cname=cname)
        return sessions

    def files(self, sid: str) -> list[str]:
        """Every object in the bucket that belongs to a session."""
        names: list[str] = self._get("files", sid=sid)
        return names

    def is_up(self) -> bool:
        """Whether a simulator answers at this address."""
        try:
            self._get("health")
        except (requests.RequestException, ValueError):
            return False
        return True

    def _get(self, what: str, **asked: Any) -> Any:
        return self._call("GET", what, params={k: v for k, v in asked.items() if v is not None})

    def _post(self, what: str, body: Json) -> Any:
        return self._call("POST", what, json=body)

    def _call(self, verb: str, what: str, **parts: Any) -> Any:
        response = self._pool.request(
            verb, f"{self.url}/_simulator/{what}", timeout=_TIMEOUT_SECONDS, **parts
        )
        if not response.ok:
            raise ValueError(f"simulator: {verb} {what}: {response.status_code} {response.text}")
        return response.json()
