"""Who may call: the credentials of a request against the accounts there are."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple

from recording_tasks.simulator.answers import Answer, gateway
from recording_tasks.simulator.settings import Account, Settings

_APP_ID = re.compile(r"[0-9a-fA-F]{32}")


class Caller(NamedTuple):
    """Whose request it is, or the gateway's refusal."""

    account: Account | None
    refusal: Answer | None


class Credentials:
    """The accounts of one set of settings, ready to be looked up."""

    def __init__(self, settings: Settings) -> None:
        self._accounts = {account.app_id: account for account in settings.accounts}
        self._any_app = _basic(settings.customer_id, settings.customer_secret)
        self._headers = {
            account.app_id: _basic(account.customer_id, account.customer_secret)
            for account in settings.accounts
        }

    def caller(self, app: str, authorization: bytes | None) -> Caller:
        """Look one request up; a header with a flaw counts as wrong credentials."""
        if authorization is None:
            return Caller(None, gateway(401, "Unauthorized"))
        if authorization.decode("latin-1") not in self._accepted(app):
            return Caller(None, gateway(401))
        account = self._accounts.get(app)
        if account is None and (self._accounts or _APP_ID.fullmatch(app) is None):
            return Caller(None, gateway(400))
        if account is not None and account.state == "disabled":
            return Caller(None, gateway(400))
        return Caller(account, None)

    def _accepted(self, app: str) -> tuple[str, ...]:
        if not self._accounts:
            return (self._any_app,)
        known = self._headers.get(app)
        return tuple(self._headers.values()) if known is None else (known,)


def _basic(customer_id: str, secret: str) -> str:
    return "Basic " + b64encode(f"{customer_id}:{secret}".encode()).decode()
