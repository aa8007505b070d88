"""Log lines that strangers can cause: at most one a second of each kind, with the number of lines left out."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LINE_INTERVAL_S: Final = 1.0


class SparseLog:
    """Decides which lines are written; for use in one event loop.

    Args:
        seconds: a monotonic clock.
    """

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._written: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def is_due(self, kind: str) -> bool:
        """Whether a line of this kind may be written now; one that may not is counted."""
        now = self._seconds()
        if now - self._written.get(kind, float("-inf")) < LINE_INTERVAL_S:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        self._written[kind] = now
        return True

    def describe_left_out(self, kind: str) -> str:
        """Return how many lines were left out since the last one, as the end of a line; reset the count."""
        left_out = self._left_out.pop(kind, 0)
        return f"; and {left_out} more like it" if left_out else ""


class SparseFilter(logging.Filter):
    """Lets a library log one line a second of each kind; an error of one of the `plain` types gets no traceback.

    Args:
        plain: errors that a sender can cause.
        part: the name of the part of the program, with which lines about those errors begin.
        seconds: a monotonic clock.
    """

    def __init__(
        self, plain: tuple[type[Exception], ...], *, part: str, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._plain = plain
        self._part = part
        self._sparse = SparseLog(seconds=seconds)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; its end tells how many were left out."""
        error = record.exc_info[1] if record.exc_info else None
        kind = f"{record.msg} {type(error).__name__}"
        if not self._sparse.is_due(kind):
            return False
        text = record.getMessage().strip()
        if isinstance(error, self._plain):
            text = f"{self._part}: a request was incomplete or not HTTP: {type(error).__name__}"
            record.exc_info = None
        record.msg, record.args = f"{text}{self._sparse.describe_left_out(kind)}", ()
        return True
