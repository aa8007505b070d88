"""What the receiver tells of itself and of the database, to whoever scrapes it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hostaway_sync.observability.prometheus import render_metrics
from hostaway_sync.store.status.metrics import list_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from hostaway_sync.observability.meter import Meter, Sample

BELIEVED_FOR: Final = 5.0
ANSWER_WITHIN: Final = 8.0


class MetricsPage:
    """For use in one event loop.

    Args:
        meter: keeps what this process measures.
        stored: reads what the database says; blocks.
        pool: runs what blocks.
    """

    def __init__(self, meter: Meter, stored: Callable[[], list[Sample]], pool: Executor) -> None:
        self._meter = meter
        self._stored = stored
        self._pool = pool
        self._reading = asyncio.Lock()
        self._read: tuple[float, list[Sample]] | None = None

    async def exposition(self) -> bytes:
        """Give all of it as text; the database is asked once in a few seconds, because who asks may be anybody."""
        loop = asyncio.get_running_loop()
        async with self._reading:
            if self._read is None or loop.time() - self._read[0] > BELIEVED_FOR:
                try:
                    async with asyncio.timeout(ANSWER_WITHIN):
                        found = await loop.run_in_executor(self._pool, self._stored)
                except Exception:  # noqa: BLE001  (tables of another version, too: what was measured is still told)
                    found = list_unavailable()
                self._read = loop.time(), found
            return render_metrics([*self._meter.samples(), *self._read[1]])
