"""The body of one request, read piece by piece and never more of it than is wanted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import Receive

_DISCARDED: Final = 2 * 1024 * 1024
_DISCARDING: Final = 2.0


class BodyTooLarge(Exception):
    """The body is longer than it may be."""


class BodyTorn(Exception):
    """The sender hung up before its end."""


class Body:
    """What is still to come of a request.

    Attributes:
        is_whole: nothing more will come.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_whole = False

    async def read(self, most: int) -> bytes:
        """Give all of it.

        Raises:
            TooLarge: it has more than `most` bytes, however long the sender said it would be.
            Torn: it never ended.
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
        """Take what still comes, for a while: who hangs up on a sender in mid-sentence is not heard."""
        size = 0
        try:
            async with asyncio.timeout(_DISCARDING):
                while not self.is_whole and size < _DISCARDED:
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
