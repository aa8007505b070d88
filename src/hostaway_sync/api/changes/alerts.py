"""Wake requests that wait for changes: one thread looks for all of them, and each is woken for its own accounts alone.

    NOTIFY → one connection (history) → whose records changed → the requests that may see them → a short read each

A request that waits holds no thread and no connection to the database. The thread is started by the first one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.errors import HostawaySyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from hostaway_sync.model.callers import Access, Caller
    from hostaway_sync.model.history.new_changes import NewChanges

MOST_WAITING: Final = 1000
MOST_OF_CALLER: Final = 200
KEYS_CHECKED_EVERY_S: Final = 2.0
# A change may wake a thousand requests: they read one after another, and leave connections to others.
_READERS: Final = 2
_END_WITHIN_S: Final = 3.0
_RETRY: Final = {"Retry-After": "10"}

log = logging.getLogger(__name__)
T = TypeVar("T")


class Waiter:
    """One request that waits; for use in its event loop.

    Attributes:
        access: what its caller may see.
        identity: of its caller.
        is_over: it is to wait no more: its sender left, its key is no longer valid, or the server stops.
    """

    __slots__ = ("_woken", "access", "identity", "is_over")

    def __init__(self, access: Access, identity: str) -> None:
        self.access = access
        self.identity = identity
        self.is_over = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Have it look for changes."""
        self._woken.set()

    def end(self) -> None:
        """Have it wait no more."""
        self.is_over = True
        self._woken.set()

    async def wait(self, seconds: float) -> bool:
        """Return whether it was woken within so many seconds; being woken before counts, once."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        except TimeoutError:
            return False
        if not self.is_over:
            self._woken.clear()
        return True


class ChangeAlerts:
    """All requests of a process that wait for changes.

    Args:
        watch: yields whose records changed until its event is set; blocks.
        list_revoked: returns those of some callers whose keys are valid no more; blocks.
    """

    def __init__(
        self,
        watch: Callable[[threading.Event], Iterable[NewChanges]],
        list_revoked: Callable[[Collection[str]], set[str]],
    ) -> None:
        self._watch = watch
        self._list_revoked = list_revoked
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._waiters: set[Waiter] = set()
        self._of_caller: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._readers: CapacityLimiter | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiters)

    @contextmanager
    def attend(self, caller: Caller) -> Iterator[Waiter]:
        """Count one more request that waits, as long as the block runs; it ends when its caller's key expires.

        Raises:
            Problem: too many wait, or the server stops.
        """
        self._require_room(caller)
        loop = asyncio.get_running_loop()
        waiter = Waiter(caller.access, caller.identity)
        expiry = None
        if caller.until is not None:
            left = (caller.until - datetime.now(UTC)).total_seconds()
            expiry = loop.call_later(max(0.0, min(left, threading.TIMEOUT_MAX)), waiter.end)
        with self._lock:
            self._waiters.add(waiter)
            self._of_caller[caller.identity] += 1
        self._start(loop)
        try:
            yield waiter
        finally:
            if expiry is not None:
                expiry.cancel()
            with self._lock:
                self._waiters.discard(waiter)
                self._of_caller[caller.identity] -= 1
                if not self._of_caller[caller.identity]:
                    del self._of_caller[caller.identity]

    async def read(self, work: Callable[[], T]) -> T:
        """Return what `work` reads, in a thread; few of these run at a time."""
        if self._readers is None:
            self._readers = CapacityLimiter(_READERS)
        return await anyio.to_thread.run_sync(work, limiter=self._readers)

    def stop(self) -> None:
        """End all requests that wait, and the thread; from any thread."""
        self._stop.set()
        self._call(self._end, None)
        if self._thread is not None:
            self._thread.join(_END_WITHIN_S)

    def _require_room(self, caller: Caller) -> None:
        if self._stop.is_set():
            raise Problem(ProblemKind.UNAVAILABLE, "the server stops: try again", headers=_RETRY)
        if self._of_caller[caller.identity] >= MOST_OF_CALLER:
            detail = f"{MOST_OF_CALLER} requests of this caller wait for changes: end one first"
            raise Problem(ProblemKind.TOO_MANY, detail, headers=_RETRY)
        if self.waiting >= MOST_WAITING:
            detail = f"{MOST_WAITING} requests wait for changes here, as many as may: try again later"
            raise Problem(ProblemKind.UNAVAILABLE, detail, headers=_RETRY)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._thread is None:
            self._loop = loop
            self._thread = threading.Thread(target=self._look, name="api-changes", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        checked_at = time.monotonic()
        for found in self._watch(self._stop):
            self._call(self._alert, found)
            if time.monotonic() - checked_at >= KEYS_CHECKED_EVERY_S:
                checked_at = time.monotonic()
                self._check_keys()

    def _check_keys(self) -> None:
        with self._lock:
            identities = set(self._of_caller)
        try:
            revoked = self._list_revoked(identities)
        except HostawaySyncError as error:
            log.debug("api: whether keys are still valid is looked up again soon: %s", error)
            return
        if revoked:
            self._call(self._end, revoked)

    def _call(self, work: Callable[[T], object], value: T) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work, value)

    def _alert(self, found: NewChanges) -> None:
        for waiter in self._waiters:
            if found.concern(waiter.access):
                waiter.wake()

    def _end(self, identities: set[str] | None) -> None:
        for waiter in self._waiters:
            if identities is None or waiter.identity in identities:
                waiter.end()
