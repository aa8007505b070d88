"""HTTP/1.1 connections with limits: of the time for the head of a request, and of how many are open at once."""

from __future__ import annotations

import ipaddress
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

import h11
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from hostaway_sync.http_server.sparse_log import SparseLog

if TYPE_CHECKING:
    import asyncio

ABORT: Final = "hostaway_sync.abort"
"""In the scope of a request: what cuts its connection, and drops what its client has not taken."""

HEAD_WITHIN_S: Final = 10.0
# Errors of libraries where a sender breaks the rules of HTTP, or leaves: no fault of this program.
SENDER_ERRORS: Final = (h11.ProtocolError, ClientDisconnect, ConnectionError)
# Open files of this process beside its connections: the database, the log, the event loop, libraries.
_OTHER_FILES: Final = 100
_FILES_PER_CONNECTION: Final = 3

log = logging.getLogger(__name__)


def compute_needed_files(most_connections: int) -> int:
    """Return how many files a process must be able to open so that so many connections may be open.

    Twice as many may be open for a moment, while all of them have a request in hand; and as many again may have been
    accepted before the limit is applied.
    """
    return most_connections * _FILES_PER_CONNECTION + _OTHER_FILES


def compute_connection_limit(open_files: int, most_connections: int) -> int:
    """Return how many connections may be open in a process that may open so many files."""
    return max(1, min(most_connections, (open_files - _OTHER_FILES) // _FILES_PER_CONNECTION))


def unmap_ipv4(host: str) -> str:
    """Return the IPv4 address that a dual-stack socket writes as an IPv6 one; any other text unchanged."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(getattr(address, "ipv4_mapped", None) or host)


class LimitedProtocol(H11Protocol):
    """uvicorn's protocol, with a time limit for the head of a request; uvicorn limits idle connections only.

    `limit_concurrency` of uvicorn is a limit of connections here: a further one takes the place of the one that has
    been idle for the longest. Otherwise idle connections of a stranger could make every request be refused.

    Attributes:
        part: the name of the part of the program that answers, for log lines; see `limited_protocol`.
    """

    part: ClassVar[str]
    _sparse: ClassVar[SparseLog]
    _head_timer: asyncio.TimerHandle | None = None
    _idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn's own
        """Close an idle connection if there are too many, and wait for the first head."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = (unmap_ipv4(self.client[0]), self.client[1])
        self._idle_since = self.loop.time()
        self._make_room()
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Start the time limit of a head with its first byte."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._idle_since = None
            self._stop_waiting()
        elif self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()

    def handle_events(self) -> None:
        """Let what answers a request cut its connection: one that is closed waits for its client to take the rest."""
        super().handle_events()
        scope: dict[str, Any] | None = self.scope  # type: ignore[assignment]  # ours is one more key
        if scope is not None:
            scope.setdefault(ABORT, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, and close; an application that handles the request learns that its sender left.

        The head may have been valid, so that an answer is on its way, or was sent: then no second one is sent.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            with suppress(h11.LocalProtocolError):  # an answer to HEAD has no body
                super().send_400_response(msg)
        self.transport.close()

    def on_response_complete(self) -> None:
        """Start the time limit of a head that began to come before the last answer was sent."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE:
            self._idle_since = self.loop.time()
            if self._head_timer is None and self.conn.trailing_data[0]:
                self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _make_room(self) -> None:
        most = self.limit_concurrency
        if most is None or len(self.connections) < most:
            return
        idle = [peer for peer in self.connections if isinstance(peer, LimitedProtocol) and peer._idle_since is not None]  # noqa: SLF001  (of the same class)
        longest = min(idle, key=lambda peer: peer._idle_since or 0.0)  # noqa: SLF001  (never empty: this one is idle)
        if longest is self and len(self.connections) < 2 * most:
            return  # all others have a request in hand: this one is answered with 503
        self.connections.discard(longest)
        longest.transport.abort()
        if self._sparse.is_due("connections"):
            more = self._sparse.describe_left_out("connections")
            log.warning("%s: %d connections are open: the longest idle one is closed%s", self.part, most, more)

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


def limited_protocol(name: str) -> type[LimitedProtocol]:
    """Return the protocol of the part of the program that has this name, with log lines of its own."""

    class PartProtocol(LimitedProtocol):
        part = name
        _sparse = SparseLog()

    return PartProtocol
