"""Whether a receiver can take deliveries, as `/ready` answers: one look at a time, and one a second at most."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import HostawaySyncError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

READY_FOR: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether deliveries can be taken, and how far behind the workers are.

    Attributes:
        has_database: the database answers, and stores what it is given.
        has_schema: it is at this program's revision.
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
    """Looks, and remembers for a second what was seen.

    Args:
        look: says whether everything is there; blocks.
        pool: runs it.
        patience: seconds after which a look that hangs counts as no; it goes on, and no other begins beside it.
    """

    def __init__(self, look: Callable[[], Readiness], pool: Executor, *, patience: float) -> None:
        self._look = look
        self._pool = pool
        self._patience = patience
        self._lock = asyncio.Lock()
        self._seen: tuple[float, Readiness] | None = None
        self._running: asyncio.Future[Readiness] | None = None

    async def readiness(self) -> Readiness:
        """Return what was seen within the last second."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if self._seen is None or clock() - self._seen[0] > READY_FOR:
                found = await self._looked()
                before = self._seen[1].trouble if self._seen else None
                if found.trouble is not None and found.trouble != before:
                    log.warning("not ready for deliveries: %s", found.trouble)
                self._seen = clock(), found
            return self._seen[1]

    async def _looked(self) -> Readiness:
        if self._running is None:
            self._running = asyncio.get_running_loop().run_in_executor(self._pool, self._look)
        try:
            async with asyncio.timeout(self._patience):
                found = await asyncio.shield(self._running)
        except TimeoutError:
            trouble = f"the database stored nothing within {self._patience:g} seconds"
        except HostawaySyncError as error:
            self._running, trouble = None, str(error)
        else:
            self._running = None
            return found
        return Readiness(has_database=False, has_schema=False, waiting_s=None, trouble=trouble)
