"""Where a walk by cursor stands, as a short text with which another process can go on below it, hours later."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  (msgspec reads the annotations)
from typing import Final, Literal

import msgspec

_TEXT: Final = "utf-8"


class CursorPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a way down a list must remember of what is above it; the version is that of these fields.

    Attributes:
        top: id, stamp and digest of the first row of the first page with a stamp.
        lowest: id and stamp of the lowest row with a stamp.
        trail: ids of the last rows, the lowest last: the cursors to go on from.
        recent: names of those rows of the last page that no stamp tells from the rows below.
        size: rows of the largest page.
        counted: rows met.
        count: rows of the whole list when the way down began; None when the source did not say.
        ids_fall: so far, ids fell among rows of one stamp.
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

    def text(self) -> str:
        """Write it down."""
        return str(_ENCODER.encode(self), _TEXT)


class CursorState:
    """Carries a position into a walk that goes on from there, and out of it after every answer.

    Attributes:
        position: text of where the walk stands; None: it cannot be taken up there, only from its beginning.
    """

    def __init__(self, position: str | None = None) -> None:
        self.position = position

    def standing(self) -> CursorPosition | None:
        """Read the position; None where there is none, or another version wrote it."""
        if self.position is None:
            return None
        try:
            return _DECODER.decode(self.position)
        except msgspec.MsgspecError:
            return None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(CursorPosition)
