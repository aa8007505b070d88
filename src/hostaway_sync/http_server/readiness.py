"""Whether a receiver can take deliveries, as `/ready` answers: one check at a time, and at most one a second."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import HostawaySyncError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

CACHED_FOR_S: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether deliveries can be taken, and how far behind the workers are.

    Attributes:
        has_database: whether the database answers and can be written to.
        has_schema: whether the schema is at this program's revision.
        waiting_s: age of the oldest delivery that waits, in seconds; None: not known.
        trouble: why it cannot be written to; None: it can, or was not asked.
    """

    has_database: bool
    has_schema: bool
    waiting_s: float | None
    trouble: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether deliveries can be taken."""
        return self.has_database and self.has_schema


class ReadinessCheck:
    """Checks, and caches the result for a second.

    Args:
        check: checks the database; blocks.
        pool: runs the check.
        timeout_s: a check that takes longer counts as not ready; it goes on, and no other one begins beside it.
    """

    def __init__(self, check: Callable[[], Readiness], pool: Executor, *, timeout_s: float) -> None:
        self._check = check
        self._pool = pool
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._seen: tuple[float, Readiness] | None = None
        self._running: asyncio.Future[Readiness] | None = None

    async def readiness(self) -> Readiness:
        """Return the result of a check within the last second."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if self._seen is None or clock() - self._seen[0] > CACHED_FOR_S:
                found = await self._run_check()
                before = self._seen[1].trouble if self._seen else None
                if found.trouble is not None and found.trouble != before:
                    log.warning("receiver: not ready for deliveries: %s", found.trouble)
                self._seen = clock(), found
            return self._seen[1]

    async def _run_check(self) -> Readiness:
        if self._running is None:
            self._running = asyncio.get_running_loop().run_in_executor(self._pool, self._check)
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await asyncio.shield(self._running)
        except TimeoutError:
            trouble = f"the database stored nothing within {self._timeout_s:g} seconds"
        except HostawaySyncError as error:
            self._running, trouble = None, str(error)
        else:
            self._running = None
            return found
        return Readiness(has_database=False, has_schema=False, waiting_s=None, trouble=trouble)
