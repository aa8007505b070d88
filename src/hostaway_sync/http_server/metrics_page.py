"""The page of metrics: what this process measured, and what the database tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hostaway_sync.observability.prometheus import render_metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from hostaway_sync.observability.meter import Meter, Sample

CACHED_FOR_S: Final = 5.0
ANSWER_WITHIN_S: Final = 8.0


class MetricsPage:
    """Renders the page; for use in one event loop.

    Args:
        meter: holds what this process measured.
        read_stored: reads the metrics that the database holds; blocks.
        list_unavailable: returns what is shown instead of them while the database cannot be read.
        pool: runs what blocks.
    """

    def __init__(
        self,
        meter: Meter,
        read_stored: Callable[[], list[Sample]],
        list_unavailable: Callable[[], list[Sample]],
        pool: Executor,
    ) -> None:
        self._meter = meter
        self._read_stored = read_stored
        self._list_unavailable = list_unavailable
        self._pool = pool
        self._reading = asyncio.Lock()
        self._read: tuple[float, list[Sample]] | None = None

    async def render(self) -> bytes:
        """Return all metrics as text; the database is read once in a few seconds, because any client may ask."""
        loop = asyncio.get_running_loop()
        async with self._reading:
            if self._read is None or loop.time() - self._read[0] > CACHED_FOR_S:
                try:
                    async with asyncio.timeout(ANSWER_WITHIN_S):
                        found = await loop.run_in_executor(self._pool, self._read_stored)
                except Exception:  # noqa: BLE001  (tables of another version, too: the measurements are still shown)
                    found = self._list_unavailable()
                self._read = loop.time(), found
            return render_metrics([*self._meter.samples(), *self._read[1]])
