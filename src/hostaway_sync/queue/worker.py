"""A worker: a thread that does deferred work, whatever the database does meanwhile."""

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

_BEAT = 0.5  # seconds between two signs of life
_TOGETHER = 1.0  # seconds beyond the session's own, for the thread to end
_SESSIONS_OF_A_DRAIN = 3  # whoever waits for its end hears that something is wrong, whatever that is


class Worker:
    """Does deferred work from `start` to `stop`; a context manager that does both.

    Args:
        database: where the work waits; several workers on several machines may share it.
        config: what to do, and how.
        drain: end by itself as soon as nothing is due.
        heartbeat: called twice a second from where the work is given out; silent when that hangs.

    Attributes:
        is_waiting: the database is away, and it waits for it.
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
        """Begin to work, in a thread of its own."""
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        """Let what is in hand end, give back what does not, and return within ten seconds of the first call."""
        if self._ended.is_set() or self._loop is None or self._stop is None:
            return
        is_first = self._stop_by is None
        if self._stop_by is None:
            timings = self._config.timings
            self._stop_by = time.monotonic() + timings.grace_s + timings.give_back_s + _TOGETHER
            self._database.fail_fast()
            self._loop.call_soon_threadsafe(self._stop.set)
        if not self._ended.wait(max(0.0, self._stop_by - time.monotonic())) and is_first:
            log.warning("the worker did not end in time; what it had in hand is given back in a minute")

    def wait(self) -> None:
        """Return when the worker has ended, and raise what ended it if it was not told to."""
        self._ended.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  (whoever waits for the thread gets it)
            self._error = error
        finally:
            self._begun.set()
            self._ended.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(_say)
        self._begun.set()
        pulse = asyncio.create_task(self._pulse(self._heartbeat)) if self._heartbeat else None
        try:
            await self._sessions(self._stop)
        finally:
            if pulse:
                pulse.cancel()

    async def _pulse(self, heartbeat: Callable[[], None]) -> None:
        while True:
            heartbeat()
            await asyncio.sleep(_BEAT)

    async def _sessions(self, stop: asyncio.Event) -> None:
        sessions = 0
        while not stop.is_set():
            sessions += 1
            try:
                await FetchLoop(self._database, self._config).run(stop, drain=self._drain)
            except (psycopg.Error, ConnectorException, StoreUnavailable) as error:
                reason = str(error.__cause__ or error).strip()
                if self._drain and sessions == _SESSIONS_OF_A_DRAIN:
                    raise StoreUnavailable(f"the queue cannot be worked off: {reason}") from error
                log.warning("the worker has lost the database and waits for it: %s", reason)
            except Exception:
                if self._drain:
                    raise
                # Deliveries are accepted whether or not anybody works them: better late than never.
                log.exception("the worker failed, and begins anew: this is a bug of hostaway-sync")
            else:
                if self._drain:
                    return
            self.is_waiting = True
            await self._pause()
            await self._return_of_the_database()
            self.is_waiting = False

    async def _pause(self) -> None:
        """Wait a moment: what ended a session at once may well end the next one, too."""
        assert self._stop is not None  # noqa: S101  (made before the first session)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self._config.timings.poll_s)

    async def _return_of_the_database(self) -> None:
        """Wait for the database, which comes back by itself; the embedded one is started again."""
        assert self._stop is not None  # noqa: S101  (made before the first session)
        while not self._stop.is_set():
            self._database.fail_fast()  # not a minute at a time: it may be told to stop
            try:
                await asyncio.to_thread(self._database.transaction, lambda connection: connection.execute(sa.select(1)))
            except StoreUnavailable:
                if self._drain:
                    raise
            else:
                return


def _say(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no task waits for: jobs that could not be ended because the database was away; they are rescued."""
    del loop
    log.info("%s: %s", context.get("message"), context.get("exception"))
