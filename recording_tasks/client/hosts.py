"""Which of Agora's hosts is asked next, and how long a working one is remembered."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

_REGIONAL = re.compile(r"api-[a-z0-9-]+\.")
_STRIKES = 2  # the same host is tried twice before another one


class Hosts:
    """The order of switching that Agora's integration best practices give.

    A request that fails is repeated on the same host; then goes to the other top-level host,
    then to a neighbouring region. When it was the network that failed and not the name, the
    other top-level host would be the same machines: the neighbours come first.
    """

    def __init__(
        self, base_urls: Sequence[str], neighbours: Sequence[str], hold_seconds: float
    ) -> None:
        urls = [url.rstrip("/") for url in base_urls]
        self._primary = urls[0]
        self._tops = [url for url in urls if not _is_regional(url)]
        self._neighbours = [url for url in urls if _is_regional(url)]
        self._neighbours += [url.rstrip("/") for url in neighbours]
        self._hold_seconds = hold_seconds
        self._lock = threading.Lock()
        self._preferred = self._primary
        self._until = 0.0
        self._strikes = 0

    def first(self, now: float) -> str:
        """Name the host that a new request goes to."""
        with self._lock:
            if self._preferred != self._primary and now >= self._until:
                self._preferred, self._strikes = self._primary, 0
            return self._preferred

    def after(self, tried: Sequence[str], *, is_unresolved: bool) -> str | None:
        """Name the host for a request that failed on these, or None when all were tried."""
        if len(tried) < _STRIKES:
            return tried[-1]
        order = self._tops + self._neighbours if is_unresolved else self._neighbours + self._tops
        return next((url for url in order if url not in tried), None)

    def note_success(self, url: str, now: float) -> str | None:
        """Remember the host that answered; return it when that is a switch."""
        with self._lock:
            self._strikes = 0
            return self._prefer(url, now)

    def note_silence(self, url: str, now: float) -> str | None:
        """Remember that a host took a request and gave no answer; twice in a row is a switch."""
        with self._lock:
            if url != self._preferred:
                return None
            self._strikes += 1
            if self._strikes < _STRIKES:
                return None
            self._strikes = 0
            other = self.after([url, url], is_unresolved=False)
            return self._prefer(other, now) if other is not None else None

    def _prefer(self, url: str, now: float) -> str | None:
        if url == self._preferred:
            return None
        self._preferred = url
        self._until = now + self._hold_seconds
        return url


def _is_regional(url: str) -> bool:
    return _REGIONAL.match(urlsplit(url).hostname or "") is not None
