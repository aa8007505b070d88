"""One stay of the engine in the database: it fetches jobs, threads do them, and it ends when the database goes away."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import random
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from procrastinate import App, PsycopgConnector
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from hostaway_sync.circumstances import carried, circumstances
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.queue import conclusion, upkeep
from hostaway_sync.queue.conclusion import Failure
from hostaway_sync.store import jobs
from hostaway_sync.store.jobs import Job
from hostaway_sync.tracing import innermost, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import sqlalchemy as sa
    from psycopg import AsyncConnection

    from hostaway_sync.queue.policy import Policy
    from hostaway_sync.store.engine import Database

Handlers: TypeAlias = "Mapping[str, Callable[[Job], None]]"
"""What does a job, by its kind; it raises what the policy judges."""

# For all the engine's calls, each of which takes a millisecond or two; it listens through another one beside it.
_CONNECTIONS = 1
_HARDLY_EVER = "0 0 29 2 *"

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a worker does what nobody asks for; all in seconds.

    Attributes:
        poll: looks for jobs although nobody announced one: some became due.
        heartbeat: says that it lives.
        silent: who has not said so for as long is taken for dead.
        rescue: looks for jobs of the dead.
        upkeep: looks for forgotten deliveries, and prunes.
        grace: what is in hand when it is told to stop has as long to end by itself.
        last_words: and then as long to be given back.
    """

    poll: float = 1.0
    heartbeat: float = 10.0
    silent: float = 30.0
    rescue: float = 10.0
    upkeep: float = 60.0
    grace: float = 6.0
    last_words: float = 3.0


@dataclass(frozen=True, slots=True)
class Duty:
    """What a worker is to do, and how.

    Attributes:
        handlers: what does a job, by its kind.
        lanes: how many jobs of each kind at once; one kind never waits for another.
        keep: how long settled deliveries are kept.
        policy: how patient it is.
        rhythm: how often it looks.
    """

    handlers: Handlers
    lanes: Mapping[str, int]
    keep: timedelta
    policy: Policy
    rhythm: Rhythm


class Session:
    """See the module; used once."""

    def __init__(self, database: Database, duty: Duty) -> None:
        self._database = database
        self._duty = duty
        # Some to spare for what is written down while every other thread is at work.
        self._threads = ThreadPoolExecutor(2 * sum(duty.lanes.values()) + 1, thread_name_prefix="job")
        self._attempts: set[asyncio.Task[Any]] = set()

    async def run(self, stop: asyncio.Event, *, drain: bool) -> None:
        """Work until told to stop; with `drain`, until nothing is due.

        Raises:
            psycopg.Error, procrastinate.exceptions.ConnectorException, StoreUnavailable: the database went away.
        """
        app = self._app()
        try:
            async with app.open_async():
                if drain:
                    await self._drain(app, stop)
                else:
                    await self._work(app, stop)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _drain(self, app: App, stop: asyncio.Event) -> None:
        await self._in_thread(self._rescue)
        await self._in_thread(self._remember_and_prune)
        while not stop.is_set():
            await self._fetch(app, stop, wait=False)
            if not await self._in_thread(partial(jobs.is_due, self._database, self._duty.lanes)):
                return

    async def _work(self, app: App, stop: asyncio.Event) -> None:
        rhythm = self._duty.rhythm
        chores = [
            asyncio.create_task(self._every(rhythm.rescue, self._rescue)),
            asyncio.create_task(self._every(rhythm.upkeep, self._remember_and_prune)),
        ]
        try:
            await self._fetch(app, stop, wait=True)
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.wait(chores)

    async def _fetch(self, app: App, stop: asyncio.Event, *, wait: bool) -> None:
        """Let the engine work, a lane a kind, until it is told to stop, or one of them ends that should not."""
        lanes = [asyncio.create_task(self._lane(app, kind, wait=wait)) for kind in self._duty.lanes]
        stopped = asyncio.create_task(stop.wait())
        pending: set[asyncio.Task[Any]] = {*lanes}
        while pending and not stop.is_set():
            done, _ = await asyncio.wait({*pending, stopped}, return_when=asyncio.FIRST_COMPLETED)
            pending -= done
            if wait or any(lane.exception() for lane in done - {stopped}):
                break
        stopped.cancel()
        await self._close(lanes)
        for lane in lanes:
            # One that has not ended even now waits for the database, which is about to be closed under it.
            if lane.done() and not lane.cancelled() and (error := lane.exception()) is not None:
                raise error

    async def _close(self, lanes: list[asyncio.Task[None]]) -> None:
        """End lanes: what is in hand may finish, and what does not is given back."""
        for lane in lanes:
            lane.cancel()
        _, busy = await asyncio.wait(lanes, timeout=self._duty.rhythm.grace)
        for attempt in self._attempts:
            attempt.cancel()
        if busy:
            await asyncio.wait(busy, timeout=self._duty.rhythm.last_words)

    async def _lane(self, app: App, kind: str, *, wait: bool) -> None:
        rhythm = self._duty.rhythm
        await app.run_worker_async(
            queues=[kind],
            name=kind,
            concurrency=self._duty.lanes[kind],
            wait=wait,
            fetch_job_polling_interval=rhythm.poll,
            update_heartbeat_interval=rhythm.heartbeat,
            stalled_worker_timeout=rhythm.silent,
            # What ends well leaves nothing behind; what ends otherwise was not ended by us, and is rescued.
            delete_jobs="successful",
            install_signal_handlers=False,
            # Whoever changed something waits for it; the other kinds are looked for, and cost no connection each.
            listen_notify=kind == jobs.REFRESH,
        )

    async def _attempt(self, kind: str, **arguments: Any) -> None:  # noqa: ANN401  (whatever JSON holds)
        job = Job.from_arguments(arguments)
        doing = span(f"job {kind}", kind="consumer", job_kind=kind, attempt=job.attempt)
        with circumstances(job=job.key, account_id=job.account_id), doing:
            await self._attempt_at(kind, job)

    async def _attempt_at(self, kind: str, job: Job) -> None:
        attempt = asyncio.current_task()
        assert attempt is not None  # noqa: S101  (the engine runs this as a task)
        began = time.monotonic()
        self._attempts.add(attempt)
        try:
            error = await self._in_thread(partial(_tried, self._duty.handlers[kind], job))
        except asyncio.CancelledError:
            # The thread may go on for a while: whatever it writes still, the next attempt finds done.
            innermost().note(verdict="given back")
            await self._in_thread(partial(conclusion.give_back, self._database, job))
            return
        finally:
            self._attempts.discard(attempt)
        if error is not None:
            innermost().fail(error)
            failure = Failure(error, timedelta(seconds=time.monotonic() - began))
            luck = random()  # noqa: S311  (spreads load, keeps no secret)
            verdict = await self._in_thread(
                partial(conclusion.conclude, self._database, job, failure, self._duty.policy, luck=luck)
            )
            innermost().note(verdict=verdict.action.name.lower() if verdict else "nothing waits")

    async def _every(self, seconds: float, chore: Callable[[], None]) -> None:
        while True:
            try:
                await self._in_thread(chore)
            except HostawaySyncError as error:
                log.info("upkeep of the queue is put off: %s", error)
            except Exception:
                log.exception("upkeep of the queue failed: this is a bug of hostaway-sync")
            await asyncio.sleep(seconds)

    def _rescue(self) -> None:
        silent_for = timedelta(seconds=self._duty.rhythm.silent)
        upkeep.rescue_stalled(self._database, self._duty.policy, self._duty.lanes, silent_for=silent_for)

    def _remember_and_prune(self) -> None:
        upkeep.remember(self._database)
        upkeep.prune(self._database, keep=self._duty.keep)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, carried(work))

    def _app(self) -> App:
        schema = self._database.schema

        async def prepare(connection: AsyncConnection[Any]) -> None:
            # Each of the engine's calls is one statement, which needs no transaction around it.
            await connection.set_autocommit(True)
            # Not as an option of the connection: a pooler between us and the server may refuse those.
            # Nor does it wait for the disk: a job whose end a crash of the server undoes is done twice.
            await connection.execute(
                "SELECT set_config('search_path', quote_ident(%s), false),"
                " set_config('synchronous_commit', 'off', false), set_config('lock_timeout', '10s', false),"
                " set_config('statement_timeout', '1min', false)",
                (schema,),
            )

        app = App(
            connector=PsycopgConnector(
                conninfo=_conninfo(self._database.engine),
                kwargs={"connect_timeout": 10, "application_name": f"{self._database.application}: queue"},
                pool_factory=_pool,
                configure=prepare,
                min_size=_CONNECTIONS,
                max_size=_CONNECTIONS,
                timeout=5.0,
            )
        )
        for kind in self._duty.lanes:
            app.task(name=kind, queue=kind)(_named(partial(self._attempt, kind)))
        # The engine watches over its heartbeat and its listener only until the first of its side tasks returns, and the
        # one for periodic tasks returns at once where there are none. A worker without a heartbeat counts as dead.
        app.periodic(cron=_HARDLY_EVER)(app.task(name="nothing", queue=jobs.REFRESH)(_nothing))
        return app


def _conninfo(engine: sa.Engine) -> str:
    """Write for libpq where the database is; the URL as a text escapes spaces in a way that libpq does not read."""
    arguments, options = engine.dialect.create_connect_args(engine.url)
    options.pop("context", None)  # the other connections' adapters
    return make_conninfo(*arguments, **options)


async def _nothing(timestamp: int) -> None:
    del timestamp


def _pool(**options: Any) -> AsyncConnectionPool:  # noqa: ANN401  (whatever the engine sets)
    """Make a pool that asks no connection whether it lives: one that does not ends the session, as it should."""
    return AsyncConnectionPool(**(options | {"check": None}))


def _named(work: Callable[..., Any]) -> Callable[..., Any]:
    async def attempt(**arguments: Any) -> None:  # noqa: ANN401  (whatever JSON holds)
        await work(**arguments)

    return attempt


def _tried(handler: Callable[[Job], None], job: Job) -> Exception | None:
    try:
        handler(job)
    except Exception as error:  # noqa: BLE001  (the policy judges it)
        return error
    return None
