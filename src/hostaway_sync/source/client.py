"""One account of Hostaway over HTTP: the only place where requests are sent.

walk ──► asking ──► trying ──► Client._send ──► departure ──► Hostaway
which    with which  how        one request      at which
page     token       often                       moment
"""

from __future__ import annotations

import logging
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import random as luck
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import httpx

from hostaway_sync.errors import ConfigurationError, NotFound, RequestRejected, SourceError, SourceUnavailable
from hostaway_sync.source.access import Access
from hostaway_sync.source.asking import Asking, Reply, Request
from hostaway_sync.source.departure import Departure
from hostaway_sync.source.descent import walk_by_cursor
from hostaway_sync.source.resources import SPECS, Paging, as_page, as_record, list_of, object_path
from hostaway_sync.source.retry import Patience
from hostaway_sync.source.sweep import walk_at_once, walk_by_offset
from hostaway_sync.source.trying import Trying
from hostaway_sync.source.walking import Arrival, follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr

    from hostaway_sync.records import Budget, Page, Record, Resource, TokenVault
    from hostaway_sync.source.budget import Limits
    from hostaway_sync.source.pages import Walk
    from hostaway_sync.source.resources import Spec

LARGEST_BODY: Final = 64 * 1024 * 1024
_SLOWEST_BODY: Final = 5
_MOST_CONNECTIONS: Final = 32
_HEADERS: Final = {"User-Agent": "hostaway-sync", "Accept": "application/json", "Cache-Control": "no-cache"}
_THIS_MACHINE: Final = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])(?![^:/])")
_WRONG_ADDRESS: Final = (httpx.InvalidURL, httpx.UnsupportedProtocol)
HTTPX_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
_CLOSED_UNDER_A_THREAD: Final = (OSError, RuntimeError)

logger = logging.getLogger(__name__)


class Client:
    """A `Source`: the lists and objects of one account, for use by several threads.

    Args:
        account_id: Hostaway's id of the account.
        client_secret: the key made in the dashboard.
        api_url: where the API is, with its version.
        budget: grants the moment of every request.
        vault: where the token outlives this process.
        limits: requests per window.
        egress: name of the address that requests leave through; its limit is shared by all who use that name.
        attempts: requests in all where one fails for now.
        backoff: the longest first wait between them; each further one may be twice as long, up to 16 s.
        in_flight: pages of lists that may be fetched ahead at the same time.
        connect_timeout: for a connection to be set up.
        read_timeout: for the next bytes of an answer; all of it may take five times as long.
        clock: the time, aware.
        seconds: a clock that never jumps.
        sleep: waits so many seconds; by default a wait that `close` ends.
        random: a number from 0 up to 1.
    """

    def __init__(
        self,
        *,
        account_id: int,
        client_secret: SecretStr,
        api_url: str,
        budget: Budget,
        vault: TokenVault,
        limits: Limits,
        egress: str,
        attempts: int = 5,
        backoff: timedelta = timedelta(seconds=1),
        in_flight: int = 4,
        connect_timeout: timedelta = timedelta(seconds=10),
        read_timeout: timedelta = timedelta(seconds=60),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        random: Callable[[], float] = luck,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._budget = budget
        self._in_flight = in_flight
        self._longest_body = read_timeout.total_seconds() * _SLOWEST_BODY
        self._clock = clock
        self._seconds = seconds
        self._closed = Event()
        self._sleep = sleep or self._closed.wait
        self._lock = Lock()
        self._api_calls = 0
        self._streams: WeakSet[Any] = WeakSet()
        self._ahead = ThreadPoolExecutor(in_flight, thread_name_prefix=f"pages-{account_id}")
        self._asking = Asking(
            account_id=account_id,
            secret=client_secret,
            send=self._send,
            budget=budget,
            trying=Trying(patience=Patience(attempts=attempts, backoff=backoff), pause=self._pause, random=random),
            limits=limits,
            egress=egress,
            clock=clock,
        )
        self._access = Access(vault=vault, issue=self._asking.issue, pause=self._pause, clock=clock)
        self._http = _http_client(api_url, read_timeout, connect_timeout)

    @property
    def api_calls(self) -> int:
        """Requests sent so far, token requests included."""
        with self._lock:
            return self._api_calls

    def walk(self, resource: Resource, *, parent: int | None = None, since: datetime | None = None) -> Iterator[Page]:
        """Read a list, page by page; see `Source.walk`.

        Raises:
            ValueError: `resource` is a list that belongs to a parent, and there is none.
        """
        spec = list_of(resource, of_parent=parent is not None, newest=since is not None)
        path = spec.path.format(parent=parent)

        def fetch(position: int | None) -> Arrival:
            place = {} if position is None else {spec.paging.value: position}
            try:
                listing, observed_at = self._asking.list(
                    path, {"limit": spec.limit, **spec.params, **place}, self._access
                )
            except (NotFound, RequestRejected) as refusal:
                if spec.paging is Paging.OFFSET or position is None:
                    raise
                logger.debug("cursor %d refused: %s", position, refusal)
                return Arrival(None, self._clock())
            return Arrival(listing, observed_at)

        return follow(self._walk(spec, since), spec, fetch, self._ahead)

    def get(self, resource: Resource, record_id: int, *, parent: int | None = None) -> Page:
        """Read one object, as a page of one record; see `Source.get`.

        Raises:
            ValueError: `resource` is in a list that belongs to a parent, and there is none.
        """
        spec = SPECS[resource]
        path = object_path(resource, record_id, parent)

        def read(raw: bytes) -> Record:
            record = as_record(raw, spec)
            if record.id != record_id:
                raise SourceUnavailable(f"Hostaway answered GET {path} with something that has not this id")
            return record

        record, observed_at = self._asking.object(path, spec.params, self._access, read)
        return as_page(spec, [record], observed_at)

    def _walk(self, spec: Spec, since: datetime | None) -> Walk:
        if not spec.is_paged:
            return walk_at_once(spec.limit, self._in_flight)
        moment = None if spec.is_whole else since
        return walk_by_cursor(moment) if spec.paging is Paging.CURSOR else walk_by_offset(self._in_flight, moment)

    def check(self) -> None:
        """Prove that the credentials work.

        Raises:
            CredentialsRejected: they do not.
            SourceError: that could not be found out.
        """
        self._asking.prove(self._access)

    def close(self) -> None:
        """Give back connections; requests that wait, in any thread, end with a `SourceError`."""
        self._closed.set()
        self._ahead.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            with suppress(OSError):  # it was closed already
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)
        self._http.close()

    def _pause(self, wait: timedelta) -> None:
        if wait > timedelta(0):
            self._sleep(wait.total_seconds())
        self._stop_if_closed()

    def _stop_if_closed(self) -> None:
        if self._closed.is_set():
            raise SourceError("The connection to Hostaway was closed while a request was waiting")

    def _send(self, request: Request) -> Reply:
        departure = Departure(budget=self._budget, buckets=request.buckets, pause=self._pause, seconds=self._seconds)
        try:
            reply = self._exchange(request, departure)
        except (*HTTPX_ERRORS, *_CLOSED_UNDER_A_THREAD) as error:
            self._stop_if_closed()
            raise as_source_error(error, self._api_url) from error
        took = self._seconds() - departure.left_at
        logger.debug("%s %s: %d, %d bytes, %.3f s", request.method, request.path, reply.status, len(reply.body), took)
        return reply

    def _exchange(self, request: Request, departure: Departure) -> Reply:
        def watch(event: str, details: dict[str, Any]) -> None:
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                with self._lock:
                    self._streams.add(details["return_value"])
            elif event == "http11.send_request_headers.started" and details["request"].method != b"CONNECT":
                departure.confirm()
                self._stop_if_closed()
                with self._lock:
                    self._api_calls += 1

        headers = {} if request.bearer is None else {"Authorization": f"Bearer {request.bearer.get_secret_value()}"}
        with self._http.stream(
            request.method,
            self._api_url + request.path,
            params=request.params or None,
            data=request.form or None,
            headers=headers,
            extensions={"trace": watch},
        ) as response:
            return Reply(
                response.status_code, response.headers, self._body(response, departure.left_at), departure.granted_at
            )

    def _body(self, response: httpx.Response, left_at: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise SourceUnavailable(f"Hostaway's answer is larger than {LARGEST_BODY // 1024**2} MB")
            if self._seconds() - left_at > self._longest_body:
                raise SourceUnavailable(f"Hostaway's answer took longer than {self._longest_body:.0f} s")
        return b"".join(chunks)


def _http_client(api_url: str, read_timeout: timedelta, connect_timeout: timedelta) -> httpx.Client:
    try:
        return httpx.Client(
            headers=_HEADERS,
            timeout=httpx.Timeout(read_timeout.total_seconds(), connect=connect_timeout.total_seconds()),
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=_MOST_CONNECTIONS),
            trust_env=not _THIS_MACHINE.match(api_url),  # no proxy stands between this machine and itself
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL):
        # The proxy's address may hold a password: it is not repeated.
        raise ConfigurationError(
            "no connection can be made: SSL_CERT_FILE, SSL_CERT_DIR, HTTPS_PROXY or ALL_PROXY cannot be used"
        ) from None


def as_source_error(error: Exception, api_url: str) -> SourceError:
    """Give what an exception of httpx means: a sentence without the request, whose headers are secret."""
    if isinstance(error, _WRONG_ADDRESS):
        return SourceError(f"{api_url!r} is not an address that Hostaway could have: check the API's address")
    if isinstance(error, httpx.TimeoutException):
        return SourceUnavailable("Hostaway did not answer in time")
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return SourceUnavailable(f"Hostaway cannot be reached at {api_url}: {error}")
    return SourceUnavailable(f"The connection to Hostaway broke: {type(error).__name__}")
