"""HTTP/1.1 connections with limits: of time for the head of a request, and of how many are open at once."""

from __future__ import annotations

import ipaddress
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import h11
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from hostaway_sync.webhooks.server.sparse_log import SparseLog

if TYPE_CHECKING:
    import asyncio

HEAD_WITHIN: Final = 10.0
MOST_CONNECTIONS: Final = 256
# What libraries raise where a sender breaks the rules of HTTP, or leaves: no fault of this program.
SENDERS_FAULTS: Final = (h11.ProtocolError, ClientDisconnect, ConnectionError)
# What a process of ours has open beside its connections: the database, the log, the event loop, libraries.
_OTHER_FILES: Final = 100

log = logging.getLogger(__name__)
_sparse = SparseLog()


def compute_connection_limit(open_files: int) -> int:
    """Return how many connections may be open, where a process may have so many files open.

    Twice as many may be for a moment, while all of them have a request in hand; and so many again may have been
    accepted, before any is looked at.
    """
    return max(1, min(MOST_CONNECTIONS, (open_files - _OTHER_FILES) // 3))


def unmap_ipv4(host: str) -> str:
    """Return an address of IPv4 as itself, also where a socket of both kinds writes it as one of IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(getattr(address, "ipv4_mapped", None) or host)


class PatientProtocol(H11Protocol):
    """The server's own protocol, with a limit for heads that trickle; it has one for idle connections only.

    `limit_concurrency` of the server is a limit of connections here: one more takes the place of the one that has been
    idle for the longest. Without that, as many idle connections of a stranger would have every delivery refused.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the server's own
        """Make room, and wait for the first head."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = (unmap_ipv4(self.client[0]), self.client[1])
        self._idle_since = self.loop.time()
        self._make_room()
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head, from its first byte on."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._idle_since = None
            self._stop_waiting()
        elif self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, and close. An application that works on the request is told that its sender left.

        Its head may have been good, so that an answer is on its way, or was given already: that one stays.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            with suppress(h11.LocalProtocolError):  # an answer to HEAD takes no words
                super().send_400_response(msg)
        self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the rest of a head that began to come before the last answer was given."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE:
            self._idle_since = self.loop.time()
            if self._head_timer is None and self.conn.trailing_data[0]:
                self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _make_room(self) -> None:
        most = self.limit_concurrency
        if most is None or len(self.connections) < most:
            return
        idle = [one for one in self.connections if isinstance(one, PatientProtocol) and one._idle_since is not None]  # noqa: SLF001  (its own kind)
        longest = min(idle, key=lambda one: one._idle_since or 0.0)  # noqa: SLF001  (this one is idle, so that there is one)
        if longest is self and len(self.connections) < 2 * most:
            return  # all others have a request in hand: this one gets an answer that says so
        self.connections.discard(longest)
        longest.transport.abort()
        if _sparse.is_due("connections"):
            more = _sparse.more("connections")
            log.warning("%d connections are open: the one that was idle for the longest is closed%s", most, more)

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_WITHIN, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
