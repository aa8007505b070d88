"""Tells a monitor that something began and how it ended, by the conventions of healthchecks.io and those like it.

    URL/start   it began                    sent beside the work, which does not wait for it
    URL         it ended well               with a summary as body
    URL/fail    it did not                  with the last lines that it said

Whatever the monitor does, the work goes on: no ping raises anything, and all of them together hold it up for ten
seconds at most. The URL is as good as a password, and no line names more of it than its host.
"""

from __future__ import annotations

import logging
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import httpx

from hostaway_sync.environment.proxy_route import find_proxy, tls_trust_for
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.safe_text import hide_private

if TYPE_CHECKING:
    from pydantic import SecretStr

TIMEOUT_S: Final = 10.0
MAX_BODY_BYTES: Final = 10_000
_HEADERS: Final = {"User-Agent": "hostaway-sync", "Content-Type": "text/plain; charset=utf-8"}

log = logging.getLogger(__name__)


class MonitorPings:
    """The pings of one piece of work.

    Args:
        url: where they go.
        within: seconds that the work may be held up for, in all.
    """

    def __init__(self, url: SecretStr, *, within: float = TIMEOUT_S) -> None:
        self._url = httpx.URL(url.get_secret_value())
        self._within = within
        self._start: threading.Thread | None = None

    def start(self) -> None:
        """Say that it begins."""
        self._start = self._sent("start", "")

    def success(self, summary: str) -> None:
        """Say that it ended well."""
        self._end("", summary)

    def fail(self, last_lines: str) -> None:
        """Say that it did not."""
        self._end("fail", last_lines)

    def _end(self, word: str, body: str) -> None:
        until = time.monotonic() + self._within
        if self._start is not None:
            # A start that arrives after the end would look like another beginning; but rather that than no end at all.
            self._start.join(self._within / 2)
        ending = self._sent(word, body)
        ending.join(max(0.0, until - time.monotonic()))
        if ending.is_alive():
            log.info("the monitor at %s did not answer in time", self._url.host)

    def _sent(self, word: str, body: str) -> threading.Thread:
        # Of its own and not waited for: a server that answers byte by byte knows how to outlast every timeout.
        thread = threading.Thread(target=self._send, args=(word, body), name="ping", daemon=True)
        thread.start()
        return thread

    def _send(self, word: str, body: str) -> None:
        url = self._url.copy_with(
            path="/".join(("", *filter(None, (*self._url.path.strip("/").split("/"), word)))) or "/"
        )
        content = hide_private(body).encode(errors="replace")[-MAX_BODY_BYTES:]
        try:
            with (
                self._client() as client,
                # Its body says nothing that we want to know, and may have no end.
                client.stream("POST", url, content=content) as answer,
            ):
                status = answer.status_code
        except ConfigurationError as error:
            log.warning("the monitor at %s cannot be told: %s", self._url.host, error)
            return
        except Exception as error:  # noqa: BLE001  (whatever it is: the work goes on)
            log.info("the monitor at %s cannot be told: %s", self._url.host, type(error).__name__)
            return
        self._judge(status)

    def _client(self) -> httpx.Client:
        proxy = find_proxy(str(self._url))
        return httpx.Client(
            headers=_HEADERS,
            timeout=self._within,
            verify=tls_trust_for(str(self._url)),
            proxy=proxy.url if proxy else None,
            trust_env=False,  # what the environment says of the way was read already
        )

    def _judge(self, status: int) -> None:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.info("the monitor at %s answered %d", self._url.host, status)
        elif status >= HTTPStatus.MULTIPLE_CHOICES:
            # That will be so tomorrow, too.
            log.warning("the monitor at %s refuses our pings with %d: check the ping URL", self._url.host, status)
