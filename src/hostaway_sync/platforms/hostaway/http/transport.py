"""One request and its answer over HTTP: the only place where requests leave, and where they are counted."""

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

from hostaway_sync.environment.proxy_route import proxy_for, trusted
from hostaway_sync.errors import ConfigurationError, SourceError, SourceUnavailable
from hostaway_sync.model.api_calls import ApiCall, Priority
from hostaway_sync.platforms.hostaway.http.connection_state import is_closed_by_peer
from hostaway_sync.platforms.hostaway.http.content_encoding import ACCEPTED, decoded
from hostaway_sync.platforms.hostaway.http.pacing import SendSlot
from hostaway_sync.platforms.hostaway.http.request import Reply
from hostaway_sync.platforms.hostaway.http.transport_errors import as_source_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from hostaway_sync.model.api_calls import Budget, CircuitBreaker, Observer
    from hostaway_sync.platforms.hostaway.http.request import Request

LARGEST_BODY: Final = 64 * 1024 * 1024
_SLOWEST_BODY: Final = 5
_MOST_CONNECTIONS: Final = 32
_HEADERS: Final = ACCEPTED | {"User-Agent": "hostaway-sync", "Accept": "application/json", "Cache-Control": "no-cache"}
HTTPX_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
_CLOSED_UNDER_A_THREAD: Final = (OSError, RuntimeError)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sending:
    """What is known of a request under way: when it may leave, how long the budget kept it, whether it left.

    `stream` is the connection that was set up for it; None: it goes over one that was kept alive.
    """

    departure: SendSlot
    waited: float
    has_left: bool = False
    stream: Any = None


class Transport:
    """Sends requests for several threads, each at the moment that the budget grants.

    Args:
        api_url: where the API is, with its version.
        budget: grants the moment of every request.
        urgent: requests go before those of others.
        connect_timeout: for a connection to be set up.
        read_timeout: for the next bytes of an answer; all of it may take five times as long.
        seconds: a clock that never jumps.
        sleep: waits so many seconds; None for a wait that `close` ends.
        observe: told of every request that was sent, when it ended; one call at a time.
        circuit_breaker: told whether the source is there.
    """

    def __init__(
        self,
        *,
        api_url: str,
        budget: Budget,
        urgent: bool,
        connect_timeout: timedelta,
        read_timeout: timedelta,
        seconds: Callable[[], float],
        sleep: Callable[[float], object] | None,
        observe: Observer | None,
        circuit_breaker: CircuitBreaker | None = None,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._budget = budget
        self._priority = Priority.URGENT if urgent else Priority.USUAL
        self._longest_body = read_timeout.total_seconds() * _SLOWEST_BODY
        self._seconds = seconds
        self._closed = Event()
        self._sleep = sleep or self._closed.wait
        self._observe = observe
        self._circuit_breaker = circuit_breaker
        self._observing = Lock()
        self._lock = Lock()
        self._api_calls = 0
        self._streams: WeakSet[Any] = WeakSet()
        self._proxy = proxy_for(api_url)
        open_client = partial(_http_client, api_url, read_timeout, connect_timeout)
        self._http = open_client(kept_alive=_MOST_CONNECTIONS)
        self._open_unkept = partial(open_client, kept_alive=0)
        self._unkept: httpx.Client | None = None

    @property
    def api_calls(self) -> int:
        """Requests sent so far."""
        with self._lock:
            return self._api_calls

    def lower_priority(self) -> None:
        """Let others go first from now on, unless requests are urgent."""
        if self._priority is Priority.USUAL:
            self._priority = Priority.PATIENT

    def send(self, request: Request) -> Reply:
        """Send one request at the moment that the budget grants.

        Raises:
            SourceError: no whole answer came.
        """
        began = self._seconds()
        departure = SendSlot(
            budget=self._budget,
            buckets=request.buckets,
            priority=self._priority,
            pause=self.pause,
            seconds=self._seconds,
        )
        sending = _Sending(departure, self._seconds() - began)
        outcome: Reply | SourceError
        status = kind = None
        try:
            outcome = self._answered(request, sending)
            status = outcome.status
        except (*HTTPX_ERRORS, *_CLOSED_UNDER_A_THREAD) as error:
            named = self._proxy.variable if self._proxy else None
            outcome, kind = as_source_error(error, self._api_url, proxy=named), type(error).__name__
        except BaseException as error:
            kind = type(error).__name__
            raise
        finally:
            if sending.has_left:
                self._tell(request, sending, status, kind)
        if isinstance(outcome, SourceError):
            # Out here it has no chain: what a library says of an answer may be a piece of it.
            self._stop_if_closed()
            if isinstance(outcome, SourceUnavailable):
                self._note(str(outcome))
            raise outcome
        self._note(f"it answered {outcome.status}" if outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None)
        return outcome

    def pause(self, wait: timedelta) -> None:
        """Wait so long.

        Raises:
            SourceError: this was closed.
        """
        if wait.total_seconds() > 0:
            self._sleep(wait.total_seconds())
        self._stop_if_closed()

    def close(self) -> None:
        """Give back connections; requests that wait, in any thread, end with a `SourceError`."""
        self._closed.set()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            with suppress(OSError):  # it was closed already
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)
        self._http.close()
        if self._unkept is not None:
            self._unkept.close()

    def _client(self, request: Request) -> httpx.Client:
        """Return the client that a request goes through.

        A server closes a connection that nobody used for a while. When that crosses a request on its way, whether the
        request arrived is not known: what may leave only once must not meet it.
        """
        if not request.leaves_once:
            return self._http
        with self._lock:
            if self._unkept is None:
                self._unkept = self._open_unkept()
            return self._unkept

    def _note(self, failure: str | None) -> None:
        if self._circuit_breaker is not None and failure is None:
            self._circuit_breaker.answered()
        elif self._circuit_breaker is not None and failure:
            self._circuit_breaker.failed(failure)

    def _stop_if_closed(self) -> None:
        if self._closed.is_set():
            raise SourceError("The connection to Hostaway was closed while a request was waiting")

    def _answered(self, request: Request, sending: _Sending) -> Reply:
        departure = sending.departure

        def watch(event: str, details: dict[str, Any]) -> None:
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                sending.stream = details["return_value"]
                with self._lock:
                    self._streams.add(sending.stream)
            elif event == "http11.send_request_headers.started" and details["request"].method != b"CONNECT":
                self._leave(request, sending)

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
                response.status_code, response.headers, self._body(response, departure.left_at), departure.granted_at
            )

    def _leave(self, request: Request, sending: _Sending) -> None:
        """Return when a request may leave, this instant; from here on it counts."""
        ready = self._seconds()
        sending.departure.confirm()
        self._stop_if_closed()
        if request.leaves_once and is_closed_by_peer(sending.stream):
            raise SourceUnavailable("Hostaway closed the connection before the request left: nothing was sent")
        if request.leaving is not None:
            # Last of all: whoever dies while it waits has sent nothing, and knows it.
            request.leaving()
        sending.waited += sending.departure.left_at - ready
        sending.has_left = True
        with self._lock:
            self._api_calls += 1

    def _tell(self, request: Request, sending: _Sending, status: int | None, failed: str | None) -> None:
        took = self._seconds() - sending.departure.left_at
        logger.debug("%s %s: %s, %.3f s", request.method, request.path, status or "no whole answer", took)
        if self._observe is None:
            return
        call = ApiCall(
            granted_at=sending.departure.granted_at,
            method=request.method,
            path=request.path,
            params=dict(request.params),
            status=status,
            seconds=round(took, 3),
            waited=round(sending.waited, 3),
            why=request.cause.why,
            step=request.cause.step,
            attempt=request.cause.attempt,
            failure=failed,
        )
        with self._observing:
            self._observe(call)

    def _body(self, response: httpx.Response, left_at: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in decoded(response.iter_raw(), response.headers.get("content-encoding", "")):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise SourceUnavailable(f"Hostaway's answer is larger than {LARGEST_BODY // 1024**2} MB")
            if self._seconds() - left_at > self._longest_body:
                raise SourceUnavailable(f"Hostaway's answer took longer than {self._longest_body:.0f} s")
        return b"".join(chunks)


def _http_client(api_url: str, read_timeout: timedelta, connect_timeout: timedelta, *, kept_alive: int) -> httpx.Client:
    proxy = proxy_for(api_url)
    try:
        return httpx.Client(
            headers=_HEADERS,
            verify=trusted(api_url),
            timeout=httpx.Timeout(read_timeout.total_seconds(), connect=connect_timeout.total_seconds()),
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=kept_alive),
            trust_env=False,  # what the environment says of the way was read already
            proxy=proxy.url if proxy else None,
        )
    except OSError as error:
        # All that it still reads of the environment: where to write down the keys of its connections.
        raise ConfigurationError(f"SSLKEYLOGFILE cannot be used: {error.strerror}") from None
    except (ValueError, ImportError, httpx.InvalidURL):
        # The proxy's address may hold a password: it is not repeated.
        raise ConfigurationError(f"{proxy.variable if proxy else 'a proxy'} cannot be used") from None
