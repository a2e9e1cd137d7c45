"""What goes wrong on demand: rules that are matched against each request in turn."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from recording_tasks.simulator.answers import Answer, gateway, proxy_page, refused
from recording_tasks.simulator.settings import Method, Seconds

Action = Literal["refuse", "delay", "hang", "reset", "lose_answer", "duplicate"]

_PROXY_STATUS = 502
_GATEWAY_STATUSES = (400, 401, 404, 429)


class Fault(BaseModel):
    """One rule.

    - ``refuse``: answer with ``code`` (HTTP status and reason as documented where not given),
      or with ``status`` alone (a gateway's text, or a proxy's HTML page for a 5xx), or ``body``.
    - ``delay``: wait ``seconds`` (real), then carry out and answer, even if nobody waits any more.
    - ``hang``: never answer.
    - ``reset``: reset the TCP connection at once.
    - ``lose_answer``: carry out, then close the TCP connection without an answer.
    - ``duplicate``: carry out twice, and answer as the second time.

    ``carry_out`` carries the request out first, where the action does not say so itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method | Literal["*"] = "*"
    action: Action
    code: int | None = None
    status: int | None = Field(default=None, ge=200, le=599)
    reason: str | None = None
    body: str | None = None  # sent as HTML
    seconds: Seconds = 0  # real; of delay
    times: int | None = Field(default=1, ge=1)  # None: always
    after: int = Field(default=0, ge=0)  # how many matching calls pass before
    lasts: Seconds | None = None  # simulated; from being told on
    cname: str = "*"  # exact or a glob
    probability: float = Field(default=1.0, ge=0, le=1)
    carry_out: bool = False

    def refusal(self, method: str) -> Answer:
        """What ``refuse`` answers."""
        if self.body is not None:
            return Answer(status=self.status or _PROXY_STATUS, body=self.body)
        if self.code is not None:
            return refused(method, self.code, self.reason, status=self.status)
        status = self.status or _PROXY_STATUS
        if status in _GATEWAY_STATUSES or self.reason is not None:
            return gateway(status, self.reason)
        return proxy_page(status, HTTPStatus(status).phrase)

    @property
    def is_carried_out_first(self) -> bool:
        """Whether the request takes effect before the fault strikes."""
        return self.carry_out or self.action in ("lose_answer", "duplicate")


@dataclass(slots=True, kw_only=True)
class _Rule:
    fault: Fault
    told_at: float
    met: int = 0
    struck: int = 0

    def is_over(self, now: float) -> bool:
        fault = self.fault
        if fault.times is not None and self.struck >= fault.times:
            return True
        return fault.lasts is not None and now >= self.told_at + fault.lasts

    def matches(self, method: str, cname: str) -> bool:
        fault = self.fault
        if fault.method not in ("*", method):
            return False
        return fault.cname in ("*", cname) or fnmatchcase(cname, fault.cname)


class Faults:
    """All rules, in the order of being told; the first that matches strikes."""

    def __init__(self, seed: int | None = None) -> None:
        self._rules: list[_Rule] = []
        self._random = random.Random(seed)  # noqa: S311  # dice, not secrets

    def tell(self, fault: Fault, now: float) -> None:
        """Add a rule, after the others."""
        self._rules.append(_Rule(fault=fault, told_at=now))

    def clear(self) -> None:
        """Forget all rules."""
        self._rules.clear()

    def striking(self, method: str, cname: str, now: float) -> Fault | None:
        """The fault that befalls this request, if any."""
        if not self._rules:
            return None
        self._rules = [rule for rule in self._rules if not rule.is_over(now)]
        for rule in self._rules:
            if rule.matches(method, cname) and self._strikes(rule):
                return rule.fault
        return None

    def _strikes(self, rule: _Rule) -> bool:
        rule.met += 1
        if rule.met <= rule.fault.after or self._random.random() >= rule.fault.probability:
            return False
        rule.struck += 1
        return True

    def pending(self) -> list[dict[str, object]]:
        """The rules that may still strike."""
        return [
            {**rule.fault.model_dump(), "met": rule.met, "struck": rule.struck}
            for rule in self._rules
        ]
