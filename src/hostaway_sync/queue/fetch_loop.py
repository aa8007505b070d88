"""One session of a worker with the database: fetch jobs, hand them to threads, end when the database goes away."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hostaway_sync.errors import HostawaySyncError, SourceAway, StoreUnavailable
from hostaway_sync.observability.log_context import in_current_context, log_context
from hostaway_sync.observability.tracing import current_span, start_span
from hostaway_sync.queue import maintenance, outcomes
from hostaway_sync.queue.batching import Batch, NotReached, attempt_batch
from hostaway_sync.queue.outcomes import FailedAttempt
from hostaway_sync.queue.procrastinate_app import build_app
from hostaway_sync.queue.retry_policy import Action
from hostaway_sync.store import jobs
from hostaway_sync.store.jobs import Job, StartedJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from procrastinate import App

    from hostaway_sync.queue.batching import Handler, JobErrors
    from hostaway_sync.queue.retry_policy import JobRetryPolicy
    from hostaway_sync.store.postgres.database import Database


log = logging.getLogger(__name__)
T = TypeVar("T")
# A change should be seen, and told, soon; the other kinds are looked for by the clock.
_HURRIED: Final = frozenset({jobs.REFRESH, jobs.DISPATCH, jobs.DELIVER})
# Kinds that share a lane: the one defers the other.
_TOGETHER: Final = (jobs.DISPATCH, jobs.DELIVER)


@dataclass(frozen=True, slots=True)
class WorkerTimings:
    """How often a worker looks, reports and cleans up, and how long it waits; all in seconds.

    Attributes:
        poll_s: between two looks for jobs that became due without a notification.
        heartbeat_s: between two heartbeats.
        silent_s: a worker without a heartbeat for as long counts as dead, even if its process cannot be seen.
        rescue_s: between two searches for jobs of dead workers.
        maintenance_s: between two searches for forgotten deliveries and rows to prune.
        grace_s: how long jobs in hand may go on after the worker was told to stop.
        give_back_s: how long the worker may then take to give back the jobs that did not end.
    """

    poll_s: float = 1.0
    heartbeat_s: float = 10.0
    silent_s: float = 30.0
    rescue_s: float = 5.0
    maintenance_s: float = 60.0
    grace_s: float = 6.0
    give_back_s: float = 3.0


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker does, and how.

    Attributes:
        handlers: by the kind of job.
        lanes: how many jobs of each kind at once; one kind never waits for another.
        batch: how many jobs that may be done together are begun as one, at most.
        keep: how long settled deliveries are kept.
        policy: when a failed job is retried.
        timings: how often the worker looks, reports and cleans up.
    """

    handlers: Mapping[str, Handler]
    lanes: Mapping[str, int]
    batch: int
    keep: timedelta
    policy: JobRetryPolicy
    timings: WorkerTimings


class FetchLoop:
    """One session; used once.

    Args:
        database: with the queue.
        config: what the worker does.
    """

    def __init__(self, database: Database, config: WorkerConfig) -> None:
        self._database = database
        self._config = config
        # Spare threads store results while all others are at work.
        self._threads = ThreadPoolExecutor(2 * sum(config.lanes.values()) + 1, thread_name_prefix="job")
        self._attempts: set[asyncio.Task[Any]] = set()

    async def run(self, stop: asyncio.Event, *, drain: bool) -> None:
        """Work until told to stop; with `drain`, until nothing is due.

        Raises:
            psycopg.Error, procrastinate.exceptions.ConnectorException, StoreUnavailable: the database went away.
        """
        app = build_app(self._database, self._config.lanes, self._attempt_job)
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
        await self._in_thread(self._defer_and_prune)
        while not stop.is_set():
            await self._fetch(app, stop, wait=False)
            if not await self._in_thread(partial(jobs.has_due_jobs, self._database, self._config.lanes)):
                return

    async def _work(self, app: App, stop: asyncio.Event) -> None:
        timings = self._config.timings
        periodic = [
            asyncio.create_task(self._repeat(timings.rescue_s, self._rescue)),
            asyncio.create_task(self._repeat(timings.maintenance_s, self._defer_and_prune)),
        ]
        try:
            await self._fetch(app, stop, wait=True)
        finally:
            for task in periodic:
                task.cancel()
            await asyncio.wait(periodic)

    async def _fetch(self, app: App, stop: asyncio.Event, *, wait: bool) -> None:
        """Run a lane for each kind of job, until told to stop, or until a lane ends that should not."""
        lanes = [asyncio.create_task(self._lane(app, kinds, wait=wait)) for kinds in self._list_lanes()]
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
            # A lane that has not ended even now waits for the database, whose connections are about to be closed.
            if lane.done() and not lane.cancelled() and (error := lane.exception()) is not None:
                raise error

    async def _close(self, lanes: list[asyncio.Task[None]]) -> None:
        """End lanes: jobs in hand may finish, and those that do not are given back."""
        for lane in lanes:
            lane.cancel()
        _, busy = await asyncio.wait(lanes, timeout=self._config.timings.grace_s)
        for attempt in self._attempts:
            attempt.cancel()
        if busy:
            await asyncio.wait(busy, timeout=self._config.timings.give_back_s)

    def _list_lanes(self) -> list[tuple[str, ...]]:
        """Return the kinds of jobs of each lane."""
        alone = [(kind,) for kind in self._config.lanes if kind not in _TOGETHER]
        together = tuple(kind for kind in _TOGETHER if kind in self._config.lanes)
        return [*alone, together] if together else [*alone]

    async def _lane(self, app: App, kinds: tuple[str, ...], *, wait: bool) -> None:
        timings = self._config.timings
        await app.run_worker_async(
            queues=list(kinds),
            name=kinds[-1],
            concurrency=sum(self._config.lanes[kind] for kind in kinds),
            wait=wait,
            fetch_job_polling_interval=timings.poll_s,
            update_heartbeat_interval=timings.heartbeat_s,
            stalled_worker_timeout=timings.silent_s,
            # A job that ends well leaves no row; one that ends otherwise was not ended by this program, and is rescued.
            delete_jobs="successful",
            install_signal_handlers=False,
            listen_notify=not _HURRIED.isdisjoint(kinds),
        )

    async def _attempt_job(self, kind: str, row_id: int, job: Job) -> None:
        job_span = start_span(f"job {kind}", kind="consumer", job_kind=kind, attempt=job.attempt)
        account = {} if job.account_id == jobs.NO_ACCOUNT else {"account_id": job.account_id}
        with log_context(job=job.key, **account), job_span:
            await self._attempt_batch(kind, Batch(StartedJob(row_id, job), since=time.monotonic()))

    async def _attempt_batch(self, kind: str, batch: Batch) -> None:
        """Do a job, and the jobs that it takes along."""
        attempt = asyncio.current_task()
        assert attempt is not None  # noqa: S101  (Procrastinate runs this as a task)
        self._attempts.add(attempt)
        try:
            errors = await self._in_thread(partial(self._do, kind, batch))
        except asyncio.CancelledError:
            # The thread may go on for a while: what it still writes, the next attempt finds done.
            current_span().set_attributes(verdict="given back")
            in_hand = batch.begun
            back = partial(outcomes.give_back_jobs, begun=in_hand, ending=in_hand[1:])
            await self._in_thread(partial(self._database.attempt, back))
            return
        finally:
            self._attempts.discard(attempt)
        if errors != [None]:
            await self._in_thread(partial(self._store_errors, batch, errors, ended=time.monotonic()))

    def _do(self, kind: str, batch: Batch) -> JobErrors:
        """Do a job together with others, which join its batch."""
        if self._config.batch > 1 and batch.leader.job.batch_prefix is not None:
            lanes = self._config.lanes[kind]
            along = partial(jobs.start_batch, leader=batch.leader, limit=self._config.batch - 1, concurrency=lanes)
            # Tried once: jobs that were begun by a statement whose answer was lost are given back when the leader ends.
            with suppress(StoreUnavailable):
                batch.add(self._database.attempt(along, is_one_statement=True), since=time.monotonic())
            current_span().set_attributes(jobs=len(batch.begun))
        return attempt_batch(self._config.handlers[kind], [begun.job for begun in batch.begun])

    def _store_errors(self, batch: Batch, errors: JobErrors, *, ended: float) -> None:
        """Store failures, and give back jobs that were not reached, after the delay of what stopped them."""
        delay: timedelta | None = None
        unreached: list[StartedJob] = []
        for (begun, since), error in zip(batch.members, errors, strict=True):
            if isinstance(error, NotReached):
                unreached.append(begun)
            elif error is not None:
                delay = self._store_failure(begun, FailedAttempt(error, timedelta(seconds=ended - since)))
        followers = batch.begun[1:]
        if followers:
            back = partial(outcomes.give_back_jobs, begun=unreached, ending=followers, after=delay)
            self._database.transaction(back)

    def _store_failure(self, begun: StartedJob, failure: FailedAttempt) -> timedelta | None:
        """Store an attempt that failed; return how long the other jobs must wait for the same obstacle, or None."""
        current_span().record_error(failure.error)
        jitter = random()  # noqa: S311  (spreads load, keeps no secret)
        decision = outcomes.record_failure(self._database, begun.job, failure, self._config.policy, jitter=jitter)
        current_span().set_attributes(verdict=decision.action.name.lower() if decision else "nothing waits")
        is_in_the_way = isinstance(failure.error, SourceAway) or (decision and decision.action is Action.SNOOZE)
        return decision.delay if decision and is_in_the_way else None

    async def _repeat(self, seconds: float, task: Callable[[], None]) -> None:
        while True:
            try:
                await self._in_thread(task)
            except HostawaySyncError as error:
                log.info("queue: maintenance is put off: %s", error)
            except Exception:
                log.exception("queue: maintenance failed: this is a bug of hostaway-sync")
            await asyncio.sleep(seconds)

    def _rescue(self) -> None:
        silent_for = timedelta(seconds=self._config.timings.silent_s)
        maintenance.rescue_stalled_jobs(self._database, self._config.policy, self._config.lanes, silent_for=silent_for)

    def _defer_and_prune(self) -> None:
        maintenance.defer_forgotten_jobs(self._database)
        maintenance.prune_settled_deliveries(self._database, keep=self._config.keep)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, in_current_context(work))
