"""A worker with its handlers: which job does what, with which clients, and how many at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.app.jobs.automations import LANES, Automations
from hostaway_sync.app.sync import Sync
from hostaway_sync.messages.send_job import run_send_job
from hostaway_sync.messages.settlement import settle_from_mirror
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.messages.protocol import read_thread_message
from hostaway_sync.queue.batching import handle_one_by_one
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.store import jobs
from hostaway_sync.sync.calendar.run import read_marked_days
from hostaway_sync.sync.refresh import refresh_objects
from hostaway_sync.sync.sync_job import run_sync_job
from hostaway_sync.webhooks import refresh_job
from hostaway_sync.webhooks.calendar_follower import CalendarFollower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.model.messages import MessageApi
    from hostaway_sync.model.records import Owner, RunReport
    from hostaway_sync.platforms.hostaway.client import Client
    from hostaway_sync.queue.batching import Handler
    from hostaway_sync.queue.fetch_loop import WorkerTimings
    from hostaway_sync.queue.worker import Worker
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.postgres.database import Database

_MAX_IDLE = 32
_PATIENCE = 60.0  # seconds that the database may be away before a job fails with that
# The source takes one message in two seconds: more at once would wait for each other.
_SENDERS = 2
# Bookings of one account that one lane reads in a row and stores in one transaction; more save hardly anything.
_BATCH = 10


@dataclass(slots=True)
class _OpenSource:
    source: Client
    stack: ExitStack
    users: int = 0


class Sources:
    """Clients kept open from one object to the next, one an account; safe to use from several threads.

    Args:
        container: opens them.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, _OpenSource] = OrderedDict()

    @contextmanager
    def use(self, account_id: int) -> Iterator[Client]:
        """Lend the client of an account; after an error it is opened anew, because its secret may have changed.

        Raises:
            SecretError: the client secret cannot be opened.
        """
        kept = self._take(account_id)
        try:
            yield kept.source
        except BaseException:
            with self._lock:
                if self._kept.get(account_id) is kept:
                    del self._kept[account_id]
            raise
        finally:
            self._give_back(account_id, kept)

    def close(self) -> None:
        """End every request that is under way."""
        with self._lock:
            kept = list(self._kept.values())
            self._kept.clear()
        for one in kept:
            one.stack.close()

    def _take(self, account_id: int) -> _OpenSource:
        with self._lock:
            kept = self._kept.get(account_id)
            if kept is None:
                stack = ExitStack()
                kept = _OpenSource(stack.enter_context(self._container.source(account_id, urgent=True)), stack)
                self._kept[account_id] = kept
            kept.users += 1
            self._kept.move_to_end(account_id)
            return kept

    def _give_back(self, account_id: int, kept: _OpenSource) -> None:
        with self._lock:
            kept.users -= 1
            unused: list[_OpenSource] = []
            if self._kept.get(account_id) is not kept and not kept.users:
                unused.append(kept)
            while len(self._kept) > _MAX_IDLE:
                idle = next((number for number, one in self._kept.items() if not one.users), None)
                if idle is None:
                    break
                unused.append(self._kept.pop(idle))
        for one in unused:
            one.stack.close()


class Work:
    """The worker of one mirror.

    Args:
        container: opens clients, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database
        self._sync = Sync(container)
        self._automations = Automations(container)

    @contextmanager
    def start_worker(
        self,
        *,
        concurrency: int,
        drain: bool,
        heartbeat: Callable[[], None] | None = None,
        policy: JobRetryPolicy | None = None,
        timings: WorkerTimings | None = None,
    ) -> Iterator[Worker]:
        """Run a worker while the block runs; at its end, jobs under way may take ten seconds more.

        Args:
            concurrency: objects read at once; half as many accounts are synced beside it, and messages sent.
            drain: it ends as soon as nothing is due.
            heartbeat: called twice a second while it hands out jobs.
            policy: when jobs are retried; None: the usual policy.
            timings: how often it looks for jobs; None: the usual timings.
        """
        from hostaway_sync.queue.fetch_loop import WorkerConfig, WorkerTimings
        from hostaway_sync.queue.worker import Worker

        sources = Sources(self._container)
        # A crash of the server undoes the last commits first: then the deliveries of lost rows wait again, too.
        async_database = self._database.async_commit_twin(patience=_PATIENCE)
        follower = CalendarFollower(partial(self._read_marked_days, sources), drain=drain)
        config = WorkerConfig(
            handlers=self._handlers(sources, async_database, follower) | self._automations.handlers(policy),
            lanes={jobs.REFRESH: concurrency, jobs.SYNC: max(1, concurrency // 2), jobs.SEND: _SENDERS, **LANES},
            batch=_BATCH,
            keep=timedelta(days=self._container.settings.keep_deliveries_days),
            policy=policy or JobRetryPolicy(),
            timings=timings or WorkerTimings(),
        )
        try:
            with follower, Worker(self._database, config, drain=drain, heartbeat=heartbeat) as worker:
                yield worker
        finally:
            sources.close()

    def _run_sync(self, account: Account, job: jobs.Job) -> RunReport:
        return self._sync.run(account.account_id, resources=job.resources, full=job.full, will_retry=True)

    def _read_marked_days(self, sources: Sources, account_id: int) -> None:
        """Read the days of an account that stays have changed, unless its calendars are not mirrored."""
        calendar = self._container.resources.mirrored_by(self._database, account_id).calendar
        if calendar.horizon > 0:
            with sources.use(account_id) as source:
                read_marked_days(self._database, account_id, source, calendar)

    def _handlers(self, sources: Sources, async_database: Database, follower: CalendarFollower) -> dict[str, Handler]:
        def refresh(owner: Owner, resource: Resource, ids: Sequence[int], cause: Cause) -> Iterator[int]:
            threads = 0
            try:
                with sources.use(owner.account_id) as source:
                    reading = refresh_objects(async_database, owner, source, resource, ids, cause=cause)
                    for record_id, read_whole in reading:
                        threads += read_whole
                        yield record_id
            finally:
                if resource is Resource.RESERVATIONS:
                    follower.note(owner.account_id)
                if threads:
                    settle_from_mirror(self._database, owner.account_id, read_thread_message)

        @contextmanager
        def message_api(account_id: int) -> Iterator[MessageApi]:
            with sources.use(account_id) as source:
                yield source.message_api

        return {
            jobs.REFRESH: partial(refresh_job.run_refresh_job, async_database, refresh),
            jobs.SYNC: handle_one_by_one(partial(run_sync_job, self._database, self._run_sync)),
            jobs.SEND: handle_one_by_one(partial(run_send_job, self._database, message_api, read_thread_message)),
        }
