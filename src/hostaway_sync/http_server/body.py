"""The body of one request, read piece by piece and never more of it than is wanted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import Receive

_DISCARDED_BYTES: Final = 2 * 1024 * 1024
_DISCARD_WITHIN_S: Final = 2.0


class BodyTooLarge(Exception):
    """The body is longer than it may be."""


class BodyTorn(Exception):
    """The sender closed the connection before the end of the body."""


class Body:
    """The rest of a request, after its head.

    Attributes:
        is_whole: whether all of it has come.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_whole = False

    async def read(self, most: int) -> bytes:
        """Return the whole body.

        Raises:
            BodyTooLarge: it has more than `most` bytes, whatever its Content-Length.
            BodyTorn: the sender closed the connection before its end.
        """
        pieces: list[bytes] = []
        size = 0
        while not self.is_whole:
            piece = await self._next()
            size += len(piece)
            if size > most:
                raise BodyTooLarge
            pieces.append(piece)
        return b"".join(pieces)

    async def discard(self) -> None:
        """Read and drop what still comes, for a while: a sender that is cut off while it sends reads no answer."""
        size = 0
        try:
            async with asyncio.timeout(_DISCARD_WITHIN_S):
                while not self.is_whole and size < _DISCARDED_BYTES:
                    size += len(await self._next())
        except (TimeoutError, BodyTorn):
            pass

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise BodyTorn
        self.is_whole = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece
