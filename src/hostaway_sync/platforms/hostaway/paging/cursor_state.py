"""The position of a walk by cursor, as a short text from which another process can resume it, hours later."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  (msgspec reads the annotations)
from typing import Final, Literal

import msgspec

_TEXT: Final = "utf-8"


class CursorPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a walk down a list must remember about the rows above its position.

    Attributes:
        version: of these fields.
        top: id, stamp and digest of the first row with a stamp on the first page.
        lowest: id and stamp of the lowest row with a stamp.
        trail: ids of the last rows, the lowest last: the cursors from which the walk can go on.
        recent: names of those rows of the last page that may have the same stamp as rows below them.
        size: rows of the largest page.
        counted: rows met so far.
        count: rows of the whole list when the walk began; None when Hostaway did not say, or a row may be in `counted`
            twice.
        ids_fall: so far, rows of one stamp came with falling ids.
    """

    version: Literal[1] = 1
    top: tuple[int | None, datetime | None, bytes]
    lowest: tuple[int | None, datetime | None]
    trail: tuple[int, ...]
    recent: tuple[int | bytes, ...]
    size: int
    counted: int
    count: int | None
    ids_fall: bool

    def encode(self) -> str:
        """Return the position as JSON."""
        return str(_ENCODER.encode(self), _TEXT)


class CursorState:
    """Holds the position of a walk: it starts there, and updates it after every answer.

    Attributes:
        position: as JSON; None: the walk cannot be resumed, only begun again.
    """

    def __init__(self, position: str | None = None) -> None:
        self.position = position

    def decode(self) -> CursorPosition | None:
        """Return the position; None when there is none, or another version of the program wrote it."""
        if self.position is None:
            return None
        try:
            return _DECODER.decode(self.position)
        except msgspec.MsgspecError:
            return None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(CursorPosition)
