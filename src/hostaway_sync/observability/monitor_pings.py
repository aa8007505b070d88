"""Pings a monitor at the start and the end of a command, in the protocol of healthchecks.io and similar services.

    URL/start   the command started      sent in the background
    URL         the command succeeded    with a summary as body
    URL/fail    the command failed       with its last lines of output as body

The command does not depend on the monitor: no ping raises an exception, and all pings together delay it by ten
seconds at most. The URL works like a password, so a log line names only its host.
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
    """The pings of one command.

    Args:
        url: the monitor's URL.
        within: the most seconds that all pings together may delay the command.
    """

    def __init__(self, url: SecretStr, *, within: float = TIMEOUT_S) -> None:
        self._url = httpx.URL(url.get_secret_value())
        self._within = within
        self._start: threading.Thread | None = None

    def start(self) -> None:
        """Send the ping of the start in the background."""
        self._start = self._send_in_background("start", "")

    def success(self, summary: str) -> None:
        """Send the ping of success."""
        self._send_end("", summary)

    def fail(self, last_lines: str) -> None:
        """Send the ping of failure."""
        self._send_end("fail", last_lines)

    def _send_end(self, word: str, body: str) -> None:
        until = time.monotonic() + self._within
        if self._start is not None:
            # A start that arrives after the end would look like another run; that is still better than no end.
            self._start.join(self._within / 2)
        ping = self._send_in_background(word, body)
        ping.join(max(0.0, until - time.monotonic()))
        if ping.is_alive():
            log.info("the monitor at %s did not answer in time", self._url.host)

    def _send_in_background(self, word: str, body: str) -> threading.Thread:
        # A daemon thread, because a server that answers byte by byte outlasts every timeout of the client.
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
                # The body is not read: it holds nothing useful, and may be endless.
                client.stream("POST", url, content=content) as answer,
            ):
                status = answer.status_code
        except ConfigurationError as error:
            log.warning("the monitor at %s cannot be pinged: %s", self._url.host, error)
            return
        except Exception as error:  # noqa: BLE001  (no failure of a ping may stop the command)
            log.info("the monitor at %s cannot be pinged: %s", self._url.host, type(error).__name__)
            return
        self._log_refusal(status)

    def _client(self) -> httpx.Client:
        proxy = find_proxy(str(self._url))
        return httpx.Client(
            headers=_HEADERS,
            timeout=self._within,
            verify=tls_trust_for(str(self._url)),
            proxy=proxy.url if proxy else None,
            trust_env=False,  # `proxy_route` has read the environment already
        )

    def _log_refusal(self, status: int) -> None:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.info("the monitor at %s answered %d", self._url.host, status)
        elif status >= HTTPStatus.MULTIPLE_CHOICES:
            # A warning, because such an answer will not change by itself.
            log.warning("the monitor at %s refuses our pings with %d: check the ping URL", self._url.host, status)
