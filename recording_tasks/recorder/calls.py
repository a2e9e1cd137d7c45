"""How one call to Agora is made and what it answers, in the words of our rules."""

from __future__ import annotations

import logging
import random
import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from recording_tasks.client import Client, Credentials, Timeouts
from recording_tasks.errors import (
    FaultsError,
    NotSentError,
    OutcomeUnknownError,
    Remedy,
    ServiceError,
    TokenError,
)
from recording_tasks.lifecycle import Answer, Refused
from recording_tasks.models import Mode, Recording, Session, Step, Updated
from recording_tasks.settings import LONGEST_TOKEN, Settings
from recording_tasks.tokens import Bounded, CertificateProvider, TokenProvider, load_provider
from recording_tasks.wire import (
    acquire_body,
    layout_body,
    start_body,
    stop_body,
    update_body,
    was_reached,
)

log = logging.getLogger(__name__)

_SHORTEST = 6  # a shorter text is no secret worth the damage
# By its format: nothing is kept of a token that an answer could be searched for.
_TOKEN = re.compile(r"(?<![A-Za-z0-9])00[67][A-Za-z0-9+/=_-]{32,}")
_LARGEST_SALT = 99_999_999
RESOURCE_HOURS = 720  # as long as Agora lets a session be stopped: no recording outlives it


class Caller:
    """Makes the calls of every app; one client and its connections for each.

    Args:
        clock: Tells the time that all workers agree on: tokens are issued by it.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings, self._clock = settings, clock
        self._chance = random.SystemRandom()
        self._provider: TokenProvider | None = None
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}

    def call(
        self, recording: Recording, session: Session, step: Step, permit: Callable[[], None]
    ) -> Answer:
        """Make the call that a session's step stands for.

        Args:
            permit: Called before every HTTP request; it waits for a slot of the quota.
        """
        try:
            return self._send(recording, session, step, permit)
        except FaultsError as error:  # this worker lacks a profile or a secret; another may not
            return Refused(remedy=Remedy.SAME_AGAIN, reason=f"not sent: {error}")
        except ServiceError as error:
            return Refused(
                remedy=error.remedy,
                reason=self._hidden(str(error)),
                may_have_run=error.remedy is Remedy.SAME_RESOURCE,
                was_reached=was_reached(error),
                is_coded=error.code is not None,
            )
        except TokenError as error:
            log.warning("token.failed session=%s why=%s", session.id, error.failure)
            return Refused(remedy=Remedy.SAME_AGAIN, reason=f"not sent: {error}")
        except NotSentError as error:
            return Refused(remedy=Remedy.SAME_AGAIN, reason=str(error))
        except OutcomeUnknownError as error:
            return Refused(remedy=Remedy.SAME_AGAIN, reason=str(error), may_have_run=True)

    def _hidden(self, reason: str) -> str:
        """Blot out what an answer repeats of any call: the client knows only its own body's."""
        storages = self._settings.storages.values()
        known = [*self._settings.secrets.values()]
        apps = self._settings.apps.values()
        known += [one.certificate for one in apps if one.certificate is not None]
        known += [value for one in storages for value in (one.access_key, one.secret_key)]
        known += [one.sts_token for one in storages if one.sts_token is not None]
        for value in sorted((one.get_secret_value() for one in known), key=len, reverse=True):
            reason = reason.replace(value, "[hidden]") if len(value) >= _SHORTEST else reason
        return _TOKEN.sub("[hidden]", reason)

    def token_lifetime(self, app: str, mode: Mode, request: Mapping[str, Any]) -> timedelta | None:
        """Tell how long the token of a start lives, counted from that start; None: it has none.

        A caller's own token is taken to live as long as Agora lets any.
        """
        if mode is Mode.WEB:
            return None
        if "token" in request:
            return LONGEST_TOKEN
        return self._settings.token_lifetime if self._makes_tokens(app) else None

    def _makes_tokens(self, app: str) -> bool:
        profile = self._settings.apps.get(app)
        has_certificate = profile is not None and profile.certificate is not None
        return bool(self._settings.token_provider) or has_certificate

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _send(
        self, recording: Recording, session: Session, step: Step, permit: Callable[[], None]
    ) -> Answer:
        client = self._client(session.app)
        channel, uid, mode = session.channel, session.uid, session.mode
        resource_id, sid = session.resource_id or "", session.sid or ""
        match step:
            case Step.ACQUIRE:
                body = acquire_body(
                    channel, uid, mode, recording.request, resource_expired_hour=RESOURCE_HOURS
                )
                return client.acquire(body, permit=permit)
            case Step.START:
                body = start_body(
                    channel,
                    uid,
                    mode,
                    recording.request,
                    storage=self._settings.storages.get(recording.storage),
                    token=self._token(session, recording.request),
                    secrets=self._secrets(),
                    max_idle_time=max(5, round(self._settings.rules.idle_time.total_seconds())),
                )
                return client.start(mode, resource_id, body, permit=permit)
            case Step.QUERY:
                return client.query(mode, resource_id, sid, permit=permit)
            case Step.UPDATE:
                body = update_body(channel, uid, recording.update or {}, secrets=self._secrets())
                return client.update(mode, resource_id, sid, body, permit=permit)
            case Step.UPDATE_LAYOUT:
                body = layout_body(channel, uid, recording.layout or {}, secrets=self._secrets())
                return client.update_layout(mode, resource_id, sid, body, permit=permit)
            case Step.STOP:
                body = stop_body(channel, uid, async_stop=self._settings.async_stop)
                return client.stop(mode, resource_id, sid, body, permit=permit)
            case Step.REST:
                return Updated()

    def _token(self, session: Session, request: Mapping[str, Any]) -> str | None:
        """Make the token of one start; a repeated start gets another one.

        The same one could only be sent again if it had been kept. Agora knows a repeated start
        by its resource ID, so the older token counts where the first one was carried out.

        Raises:
            TokenError: None could be made.
            ConfigurationError: This worker cannot import the provider.
        """
        if session.mode is Mode.WEB or "token" in request or not self._makes_tokens(session.app):
            return None
        return self._provider_of(session.app)(
            app_id=self._settings.app(session.app).app_id,
            channel=session.channel,
            uid=int(session.uid),
            lifetime=self._settings.token_lifetime,
        )

    def _provider_of(self, app: str) -> TokenProvider:
        settings, certificate = self._settings, self._settings.app(app).certificate
        if not settings.token_provider and certificate is not None:
            return CertificateProvider(
                certificate,
                clock=self._clock,
                salt=lambda: self._chance.randint(1, _LARGEST_SALT),
            )
        with self._lock:
            if self._provider is None:
                loaded = load_provider(settings.token_provider)
                self._provider = Bounded(loaded, seconds=settings.token_timeout)
            return self._provider

    def _secrets(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self._settings.secrets.items()}

    def _client(self, app: str) -> Client:
        with self._lock:
            client = self._clients.get(app)
            if client is None:
                client = self._clients[app] = self._connect(app)
            return client

    def _connect(self, app: str) -> Client:
        settings, profile = self._settings, self._settings.app(app)
        return Client(
            Credentials(
                app_id=profile.app_id,
                customer_id=profile.customer_id,
                customer_secret=profile.customer_secret,
            ),
            base_urls=settings.base_urls,
            timeouts=Timeouts(
                connect=settings.connect_timeout,
                read=settings.read_timeout,
                stop_read=settings.stop_read_timeout,
                total=settings.connect_timeout + settings.read_timeout,
                stop_total=settings.connect_timeout + settings.stop_read_timeout,
            ),
        )
