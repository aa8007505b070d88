"""Reads the days that deliveries have changed: some seconds after the first of a burst, one call a listing.

The marks in the database are what must be read; this only hurries. After a crash, or an error of the source, the next
delivery of the account or its next sync reads the same days.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Self

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.observability.log_context import log_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

log = logging.getLogger(__name__)

GATHER_S = 2.0


class CalendarFollower:
    """A thread that reads marked days of accounts; a context manager that starts and ends it.

    Args:
        read: reads all marked days of an account.
        drain: at the end, read what was noted before.
        gather_s: how many seconds are waited for more changes of an account.
    """

    def __init__(self, read: Callable[[int], object], *, drain: bool = False, gather_s: float = GATHER_S) -> None:
        self._read = read
        self._drain = drain
        self._gather_s = gather_s
        self._due: dict[int, float] = {}
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="calendars", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_closing = True
            if not self._drain or error is not None:
                self._due.clear()
            self._changed.notify()
        # A reading under way ends with its source, which the caller closes next.
        self._thread.join(None if self._drain and error is None else 0)

    def note(self, account_id: int) -> None:
        """Note that a reservation of an account was stored, which may have marked days."""
        with self._changed:
            self._due.setdefault(account_id, time.monotonic() + self._gather_s)
            self._changed.notify()

    def _run(self) -> None:
        while (account_id := self._next()) is not None:
            try:
                with log_context(account_id=account_id):
                    self._read(account_id)
            except HostawaySyncError as error:
                log.info("account %d: calendar: days that stays changed wait for the next sync: %s", account_id, error)

    def _next(self) -> int | None:
        """Wait for the account whose changes were gathered first; None: the end."""
        with self._changed:
            while True:
                if self._is_closing and not self._due:
                    return None
                wait = None
                if self._due:
                    account_id, due = min(self._due.items(), key=lambda one: one[1])
                    wait = due - time.monotonic()
                    if wait <= 0 or self._is_closing:
                        del self._due[account_id]
                        return account_id
                self._changed.wait(wait)
