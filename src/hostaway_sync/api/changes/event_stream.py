"""Changes as they come: a stream of server-sent events, and a page that may be waited for."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.json import Encoder
from starlette.responses import Response

from hostaway_sync.app.documents.history import change_document
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.http_server.connection_limits import ABORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

    from hostaway_sync.api.changes.alerts import ChangeAlerts, Waiter
    from hostaway_sync.model.callers import Caller
    from hostaway_sync.model.history.feed import FeedCursor, FeedPage

    ReadPage = Callable[[FeedCursor], FeedPage]

HEARTBEAT_S: Final = 15.0
SEND_WITHIN_S: Final = 20.0
"""How long a client may take for one page."""

STREAM_PAGE: Final = 50
"""How many changes one stream holds at a time; what a slow client has not taken yet is no more than these."""

MEDIA_TYPE: Final = "text/event-stream"
_HELLO: Final = b"retry: 3000\n\n"
_HEARTBEAT: Final = b": all is well\n\n"
_LOST: Final = b"event: lost\ndata: {}\n\n"
_HEADERS: Final = {"X-Accel-Buffering": "no"}
_ENCODER: Final = Encoder(decimal_format="number")

log = logging.getLogger(__name__)


class EventStream(Response):
    """A stream of the changes of a caller's accounts, which ends with its key, its client or the server.

    Args:
        alerts: wakes it.
        caller: whose stream it is.
        read: reads the next page; blocks.
        cursor: where it begins.
    """

    media_type = MEDIA_TYPE

    def __init__(self, alerts: ChangeAlerts, caller: Caller, read: ReadPage, cursor: FeedCursor) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._alerts = alerts
        self._caller = caller
        self._read = read
        self._cursor = cursor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it is over. What is wrong before the first event is an error like any other."""
        async with attending(self._alerts, self._caller, receive) as waiter:
            page = await self._alerts.read(partial(self._read, self._cursor))
            try:
                start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                await send(start)
                await _send_piece(send, _HELLO)
                await self._go_on(send, page, waiter)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except TimeoutError:
                log.info(
                    "api: a stream of caller %s took nothing for %g s: it is cut", self._caller.name, SEND_WITHIN_S
                )
                scope[ABORT]()
                await asyncio.sleep(0)  # the server learns that the connection is gone
            except HostawaySyncError as error:
                log.warning("api: a stream of caller %s ends: %s", self._caller.name, error)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _go_on(self, send: Send, page: FeedPage, waiter: Waiter) -> None:
        while True:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._send_page(send, page, waiter)
            cursor, is_last = page.cursor, page.is_last
            del page  # nothing is held while nothing comes
            while is_last and not await waiter.wait(HEARTBEAT_S):
                async with asyncio.timeout(SEND_WITHIN_S):
                    await _send_piece(send, _HEARTBEAT)
            if waiter.is_over:
                return
            page = await self._alerts.read(partial(self._read, cursor))

    async def _send_page(self, send: Send, page: FeedPage, waiter: Waiter) -> None:
        if page.has_lost:
            await _send_piece(send, _LOST)
        for cursor, change in page.entries:
            if waiter.is_over:
                return
            document = _ENCODER.encode(change_document(cursor, change))
            await _send_piece(send, b"id: %s\nevent: change\ndata: %s\n\n" % (str(cursor).encode(), document))


async def wait_for_page(
    alerts: ChangeAlerts, caller: Caller, receive: Receive, read: ReadPage, cursor: FeedCursor, *, seconds: float
) -> FeedPage:
    """Return the next page; if it has no changes, the first one that has some within so many seconds."""
    page = await alerts.read(partial(read, cursor))
    if page.entries or not page.is_last or not seconds:
        return page
    until = asyncio.get_running_loop().time() + seconds
    async with attending(alerts, caller, receive) as waiter:
        while True:
            page = await alerts.read(partial(read, page.cursor))
            left = until - asyncio.get_running_loop().time()
            if page.entries or waiter.is_over or left <= 0:
                return page
            if page.is_last:
                await waiter.wait(left)


@asynccontextmanager
async def attending(alerts: ChangeAlerts, caller: Caller, receive: Receive) -> AsyncIterator[Waiter]:
    """Count one more request that waits, as long as the block runs; its end is when its sender leaves, too."""
    with alerts.attend(caller) as waiter:
        leaving = asyncio.create_task(_end_when_left(receive, waiter))
        try:
            yield waiter
        finally:
            leaving.cancel()


async def _end_when_left(receive: Receive, waiter: Waiter) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    waiter.end()


async def _send_piece(send: Send, piece: bytes) -> None:
    """Send a piece, as soon as the client has taken most of what was sent before."""
    await send({"type": "http.response.body", "body": piece, "more_body": True})
