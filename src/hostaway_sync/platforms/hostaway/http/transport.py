"""Sends requests over HTTP and counts them; no request leaves from any other module."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import httpx

from hostaway_sync.environment.proxy_route import find_proxy, tls_trust_for
from hostaway_sync.errors import ConfigurationError, SourceError, SourceUnavailable
from hostaway_sync.model.api_calls import ApiCall, Priority
from hostaway_sync.platforms.hostaway.http.connection_state import is_closed_by_peer
from hostaway_sync.platforms.hostaway.http.content_encoding import ACCEPT_ENCODING, decode_chunks
from hostaway_sync.platforms.hostaway.http.pacing import SendSlot
from hostaway_sync.platforms.hostaway.http.request import Reply
from hostaway_sync.platforms.hostaway.http.transport_errors import as_source_error

if TYPE_CHECKING:
    from datetime import timedelta

    from hostaway_sync.model.api_calls import Budget, CallObserver, CircuitBreaker
    from hostaway_sync.platforms.hostaway.http.config import ClientClock, ConnectionConfig
    from hostaway_sync.platforms.hostaway.http.request import Request

LARGEST_BODY: Final = 64 * 1024 * 1024
# A whole answer may take so many times as long as its next bytes.
_WHOLE_BODY_FACTOR: Final = 5
_MOST_CONNECTIONS: Final = 32
_HEADERS: Final = ACCEPT_ENCODING | {
    "User-Agent": "hostaway-sync",
    "Accept": "application/json",
    "Cache-Control": "no-cache",
}
HTTPX_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
_CLOSED_UNDER_A_THREAD: Final = (OSError, RuntimeError)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _RequestProgress:
    """How far one request has come.

    Attributes:
        slot: the moment that the budget granted.
        waited: seconds that the budget has held it back so far.
        has_left: its first byte left.
        stream: the connection that was set up for it; None: it uses one that was kept alive.
    """

    slot: SendSlot
    waited: float
    has_left: bool = False
    stream: Any = None


class Transport:
    """Sends requests for several threads, each at the moment that the budget grants.

    Args:
        config: where the API is, and how long to wait for it.
        budget: grants the moment of every request.
        urgent: its requests go before those of others.
        observe: is called with every request that was sent, after its end; never by two threads at once.
        circuit_breaker: is told after each request whether Hostaway answers.
        clock: its monotonic clock and its sleep.
    """

    def __init__(
        self,
        config: ConnectionConfig,
        *,
        budget: Budget,
        urgent: bool,
        clock: ClientClock,
        observe: CallObserver | None = None,
        circuit_breaker: CircuitBreaker | None = None,
    ) -> None:
        self._api_url = config.api_url.rstrip("/")
        self._budget = budget
        self._priority = Priority.URGENT if urgent else Priority.NORMAL
        self._longest_body_s = config.read_timeout.total_seconds() * _WHOLE_BODY_FACTOR
        self._monotonic = clock.monotonic
        self._closed = Event()
        self._sleep = clock.sleep or self._closed.wait
        self._observe = observe
        self._circuit_breaker = circuit_breaker
        self._observing = Lock()
        self._lock = Lock()
        self._api_calls = 0
        self._streams: WeakSet[Any] = WeakSet()
        self._proxy = find_proxy(config.api_url)
        open_client = partial(_http_client, config.api_url, config.read_timeout, config.connect_timeout)
        self._http = open_client(kept_alive=_MOST_CONNECTIONS)
        self._open_single_use = partial(open_client, kept_alive=0)
        self._single_use: httpx.Client | None = None

    @property
    def api_calls(self) -> int:
        """Requests sent so far."""
        with self._lock:
            return self._api_calls

    def lower_priority(self) -> None:
        """Let the requests of other clients go first from now on, unless those of this one are urgent."""
        if self._priority is Priority.NORMAL:
            self._priority = Priority.LOW

    def send(self, request: Request) -> Reply:
        """Send one request at the moment that the budget grants.

        Raises:
            SourceError: no whole answer came.
        """
        progress = self._wait_for_slot(request)
        outcome: Reply | SourceError
        status = failure = None
        try:
            outcome = self._exchange(request, progress)
            status = outcome.status
        except (*HTTPX_ERRORS, *_CLOSED_UNDER_A_THREAD) as error:
            variable = self._proxy.variable if self._proxy else None
            outcome, failure = as_source_error(error, self._api_url, proxy=variable), type(error).__name__
        except BaseException as error:
            failure = type(error).__name__
            raise
        finally:
            if progress.has_left:
                self._report_call(request, progress, status, failure)
        if isinstance(outcome, SourceError):
            # Raised outside the handler, it has no chain: the text of a library's exception may hold a piece of the
            # answer.
            self._raise_if_closed()
            if isinstance(outcome, SourceUnavailable):
                self._report_health(str(outcome))
            raise outcome
        is_server_error = outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        self._report_health(f"it answered {outcome.status}" if is_server_error else None)
        return outcome

    def pause(self, wait: timedelta) -> None:
        """Sleep for `wait`.

        Raises:
            SourceError: the transport was closed.
        """
        if wait.total_seconds() > 0:
            self._sleep(wait.total_seconds())
        self._raise_if_closed()

    def close(self) -> None:
        """Close all connections; requests that wait, in any thread, end with a `SourceError`."""
        self._closed.set()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)
        self._http.close()
        if self._single_use is not None:
            self._single_use.close()

    def _wait_for_slot(self, request: Request) -> _RequestProgress:
        began = self._monotonic()
        slot = SendSlot(
            budget=self._budget,
            buckets=request.buckets,
            priority=self._priority,
            pause=self.pause,
            monotonic=self._monotonic,
        )
        return _RequestProgress(slot, self._monotonic() - began)

    def _client(self, request: Request) -> httpx.Client:
        """Return the httpx client that a request goes through.

        A server closes a connection that was idle for a while. If it does so while a request is on its way, it is
        not known whether the request arrived. So a request that may leave only once gets a connection of its own.
        """
        if not request.is_sent_once:
            return self._http
        with self._lock:
            if self._single_use is None:
                self._single_use = self._open_single_use()
            return self._single_use

    def _report_health(self, failure: str | None) -> None:
        if self._circuit_breaker is None:
            return
        if failure is None:
            self._circuit_breaker.record_answer()
        elif failure:
            self._circuit_breaker.record_failure(failure)

    def _raise_if_closed(self) -> None:
        if self._closed.is_set():
            raise SourceError("The connection to Hostaway was closed while a request was waiting")

    def _exchange(self, request: Request, progress: _RequestProgress) -> Reply:
        slot = progress.slot

        def watch(event: str, details: dict[str, Any]) -> None:
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                progress.stream = details["return_value"]
                with self._lock:
                    self._streams.add(progress.stream)
            elif event == "http11.send_request_headers.started" and details["request"].method != b"CONNECT":
                self._confirm_leaving(request, progress)

        headers = {} if request.bearer is None else {"Authorization": f"Bearer {request.bearer.get_secret_value()}"}
        secret_params = {name: value.get_secret_value() for name, value in request.secret_params.items()}
        with self._client(request).stream(
            request.method,
            self._api_url + request.path,
            params={**request.params, **secret_params} or None,
            data=request.form or None,
            json=request.document,
            headers=headers,
            extensions={"trace": watch},
        ) as response:
            return Reply(
                response.status_code, response.headers, self._read_body(response, slot.left_at), slot.granted_at
            )

    def _confirm_leaving(self, request: Request, progress: _RequestProgress) -> None:
        """Return once the request may leave, this instant; from here on it counts as sent."""
        ready = self._monotonic()
        progress.slot.confirm()
        self._raise_if_closed()
        if request.is_sent_once and is_closed_by_peer(progress.stream):
            raise SourceUnavailable("Hostaway closed the connection before the request left: nothing was sent")
        if request.before_send is not None:
            # It comes last: a process that dies before it has sent nothing, and its successor can tell.
            request.before_send()
        progress.waited += progress.slot.left_at - ready
        progress.has_left = True
        with self._lock:
            self._api_calls += 1

    def _report_call(
        self, request: Request, progress: _RequestProgress, status: int | None, failure: str | None
    ) -> None:
        took = self._monotonic() - progress.slot.left_at
        logger.debug("%s %s: %s, %.3f s", request.method, request.path, status or "no whole answer", took)
        if self._observe is None:
            return
        call = ApiCall(
            granted_at=progress.slot.granted_at,
            method=request.method,
            path=request.path,
            params=dict(request.params),
            status=status,
            duration_s=round(took, 3),
            waited_s=round(progress.waited, 3),
            why=request.cause.why,
            step=request.cause.step,
            attempt=request.cause.attempt,
            failure=failure,
        )
        with self._observing:
            self._observe(call)

    def _read_body(self, response: httpx.Response, left_at: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in decode_chunks(response.iter_raw(), response.headers.get("content-encoding", "")):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise SourceUnavailable(f"Hostaway's answer is larger than {LARGEST_BODY // 1024**2} MB")
            if self._monotonic() - left_at > self._longest_body_s:
                raise SourceUnavailable(f"Hostaway's answer took longer than {self._longest_body_s:.0f} s")
        return b"".join(chunks)


def _http_client(api_url: str, read_timeout: timedelta, connect_timeout: timedelta, *, kept_alive: int) -> httpx.Client:
    proxy = find_proxy(api_url)
    try:
        return httpx.Client(
            headers=_HEADERS,
            verify=tls_trust_for(api_url),
            timeout=httpx.Timeout(read_timeout.total_seconds(), connect=connect_timeout.total_seconds()),
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=kept_alive),
            trust_env=False,  # `find_proxy` and `tls_trust_for` have read the environment
            proxy=proxy.url if proxy else None,
        )
    except OSError as error:
        # SSLKEYLOGFILE, a file for the keys of its connections, is all that it still reads of the environment.
        raise ConfigurationError(f"SSLKEYLOGFILE cannot be used: {error.strerror}") from None
    except (ValueError, ImportError, httpx.InvalidURL):
        # The sentence leaves the proxy's address out: it may hold a password.
        raise ConfigurationError(f"{proxy.variable if proxy else 'a proxy'} cannot be used") from None
