"""A worker: a thread that does deferred jobs, and waits for the database when it goes away."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import psycopg
import sqlalchemy as sa
from procrastinate.exceptions import ConnectorException

from hostaway_sync.errors import StoreUnavailable
from hostaway_sync.queue.fetch_loop import FetchLoop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hostaway_sync.queue.fetch_loop import WorkerConfig
    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)

_HEARTBEAT_S = 0.5
# For the thread to end, after the fetch loop had its own time.
_THREAD_END_S = 1.0
# A drain fails after as many sessions, so that its caller learns that something is wrong.
_SESSIONS_OF_A_DRAIN = 3


class Worker:
    """Does deferred jobs from `start` to `stop`; a context manager that does both.

    Args:
        database: with the queue; several workers on several machines may share it.
        config: what the worker does.
        drain: whether the worker ends by itself as soon as nothing is due.
        heartbeat: called twice a second from the event loop that hands out jobs, so that it stops when the loop hangs.

    Attributes:
        is_waiting: whether the database is away, and the worker waits for it.
    """

    def __init__(
        self,
        database: Database,
        config: WorkerConfig,
        *,
        drain: bool = False,
        heartbeat: Callable[[], None] | None = None,
    ) -> None:
        self._heartbeat = heartbeat
        self._database = database
        self._config = config
        self._drain = drain
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stop_by: float | None = None
        self.is_waiting = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread, and return once it runs."""
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        """Let jobs in hand end, give back those that do not, and return within ten seconds of the first call."""
        if self._ended.is_set() or self._loop is None or self._stop is None:
            return
        is_first = self._stop_by is None
        if self._stop_by is None:
            timings = self._config.timings
            self._stop_by = time.monotonic() + timings.grace_s + timings.give_back_s + _THREAD_END_S
            self._database.fail_fast()
            self._loop.call_soon_threadsafe(self._stop.set)
        if not self._ended.wait(max(0.0, self._stop_by - time.monotonic())) and is_first:
            log.warning("worker: did not end in time: the jobs in hand are given back within a minute")

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether the worker has ended, when it has or after so long; raise the error that ended it, if any."""
        has_ended = self._ended.wait(seconds)
        if self._error is not None:
            raise self._error
        return has_ended

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  (`wait` raises it)
            self._error = error
        finally:
            self._begun.set()
            self._ended.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(_log_loop_error)
        self._begun.set()
        heartbeats = asyncio.create_task(self._send_heartbeats(self._heartbeat)) if self._heartbeat else None
        try:
            await self._run_sessions(self._stop)
        finally:
            if heartbeats:
                heartbeats.cancel()

    async def _send_heartbeats(self, heartbeat: Callable[[], None]) -> None:
        while True:
            heartbeat()
            await asyncio.sleep(_HEARTBEAT_S)

    async def _run_sessions(self, stop: asyncio.Event) -> None:
        sessions = 0
        while not stop.is_set():
            sessions += 1
            try:
                await FetchLoop(self._database, self._config).run(stop, drain=self._drain)
            except (psycopg.Error, ConnectorException, StoreUnavailable) as error:
                reason = str(error.__cause__ or error).strip()
                if self._drain and sessions == _SESSIONS_OF_A_DRAIN:
                    raise StoreUnavailable(f"the queue cannot be worked off: {reason}") from error
                log.warning("worker: lost the database and waits for it: %s", reason)
            except Exception:
                if self._drain:
                    raise
                # Deliveries are accepted even without a worker: late work is better than none.
                log.exception("worker: failed and starts again: this is a bug of hostaway-sync")
            else:
                if self._drain:
                    return
            self.is_waiting = True
            await self._pause()
            await self._wait_for_database()
            self.is_waiting = False

    async def _pause(self) -> None:
        """Wait a moment: an error that ended a session at once may end the next one, too."""
        assert self._stop is not None  # noqa: S101  (made before the first session)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self._config.timings.poll_s)

    async def _wait_for_database(self) -> None:
        """Wait for the database, which comes back by itself; an embedded one is started again."""
        assert self._stop is not None  # noqa: S101  (made before the first session)
        while not self._stop.is_set():
            self._database.fail_fast()  # the worker may be told to stop meanwhile
            try:
                await asyncio.to_thread(self._database.transaction, lambda connection: connection.execute(sa.select(1)))
            except StoreUnavailable:
                if self._drain:
                    raise
            else:
                return


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log errors that no task waits for: jobs that could not be ended, because the database was away, are rescued."""
    del loop
    log.info("%s: %s", context.get("message"), context.get("exception"))
