"""Whether a part of the program can do its work, as `/ready` answers: one check at a time, and at most one a second."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from hostaway_sync.errors import HostawaySyncError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

CACHED_FOR_S: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether a part of the program can do its work.

    Attributes:
        has_database: whether the database does what this part needs of it.
        has_schema: whether the schema is at this program's revision.
        trouble: why the database does not do it; None: it does, or was not asked.
    """

    has_database: bool
    has_schema: bool
    trouble: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether this part can do its work."""
        return self.has_database and self.has_schema


R = TypeVar("R", bound=Readiness)


class ReadinessCheck(Generic[R]):
    """Checks, and caches the result for a second.

    Args:
        check: checks the database; blocks, and returns what `failed` returns where it can tell the trouble itself.
        failed: returns the result of a check that ended with this trouble.
        pool: runs the check.
        timeout_s: a check that takes longer counts as not ready; it goes on, and no other one begins beside it.
        timeout_trouble: what is wrong after that time, such as `the database did not answer`.
        log_prefix: what a log line about trouble begins with, such as `api: not ready`.
    """

    def __init__(
        self,
        check: Callable[[], R],
        failed: Callable[[str], R],
        pool: Executor,
        *,
        timeout_s: float,
        timeout_trouble: str,
        log_prefix: str,
    ) -> None:
        self._check = check
        self._failed = failed
        self._pool = pool
        self._timeout_s = timeout_s
        self._timeout_trouble = timeout_trouble
        self._log_prefix = log_prefix
        self._lock = asyncio.Lock()
        self._seen: tuple[float, R] | None = None
        self._running: asyncio.Future[R] | None = None

    async def readiness(self) -> R:
        """Return the result of a check within the last second."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if self._seen is None or clock() - self._seen[0] > CACHED_FOR_S:
                found = await self._run_check()
                before = self._seen[1].trouble if self._seen else None
                if found.trouble is not None and found.trouble != before:
                    log.warning("%s: %s", self._log_prefix, found.trouble)
                self._seen = clock(), found
            return self._seen[1]

    async def _run_check(self) -> R:
        if self._running is None:
            self._running = asyncio.get_running_loop().run_in_executor(self._pool, self._check)
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await asyncio.shield(self._running)
        except TimeoutError:
            trouble = f"{self._timeout_trouble} within {self._timeout_s:g} seconds"
        except HostawaySyncError as error:
            self._running, trouble = None, str(error)
        else:
            self._running = None
            return found
        return self._failed(trouble)
