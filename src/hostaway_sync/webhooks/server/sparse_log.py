"""Log lines that strangers can cause: at most one a second of each kind, which says how many it stands for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BETWEEN_LINES: Final = 1.0


class SparseLog:
    """Decides which lines are written; for use in one event loop.

    Args:
        seconds: a clock that never jumps.
    """

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._written: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def is_due(self, kind: str) -> bool:
        """Whether a line of this kind may be written now; one that may not is counted."""
        now = self._seconds()
        if now - self._written.get(kind, float("-inf")) < BETWEEN_LINES:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        self._written[kind] = now
        return True

    def more(self, kind: str) -> str:
        """Return the words for the lines that were left out since the last one, and forget them."""
        left_out = self._left_out.pop(kind, 0)
        return f"; and {left_out} more like it" if left_out else ""


class SparseFilter(logging.Filter):
    """Lets a library write one line a second of each kind; what raises one of `faults` gets no traceback."""

    def __init__(self, faults: tuple[type[Exception], ...], *, seconds: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._faults = faults
        self._sparse = SparseLog(seconds=seconds)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; one that is says how many it stands for."""
        error = record.exc_info[1] if record.exc_info else None
        kind = f"{record.msg} {type(error).__name__}"
        if not self._sparse.is_due(kind):
            return False
        words = record.getMessage().strip()
        if isinstance(error, self._faults):
            words, record.exc_info = f"a request was not whole or no HTTP: {type(error).__name__}", None
        record.msg, record.args = f"{words}{self._sparse.more(kind)}", ()
        return True
