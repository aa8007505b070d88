"""Queued work: syncs that wait for a worker, the worker itself, and dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.app.jobs.workers import Work
from hostaway_sync.app.resources import list_names
from hostaway_sync.errors import UsageError
from hostaway_sync.observability.systemd import SystemdNotifier
from hostaway_sync.store import dead_letters, jobs
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.runs.requests import request_sync
from hostaway_sync.store.webhooks.backlog import select_living_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager

    from hostaway_sync.app.container import Container
    from hostaway_sync.queue.fetch_loop import WorkerTimings
    from hostaway_sync.queue.retry_policy import JobRetryPolicy
    from hostaway_sync.queue.worker import Worker
    from hostaway_sync.store.dead_letters import DeadLetter

WORKER_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A sync that was asked for.

    Attributes:
        job: what was asked for.
        number: of the job that does it, or stands in its way.
        is_new: whether it was enqueued; else another one of the account waits, or is under way.
    """

    job: jobs.Job
    number: int
    is_new: bool


class Jobs:
    """The queue of one mirror.

    Args:
        container: opens sources, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    def enqueue_syncs(self, *, full: bool = False) -> list[int]:
        """Enqueue a sync of every active account for any worker; return their ids.

        Raises:
            ConfigurationError: there is no account at all.
        """
        active = [account.account_id for account in account_queries.list_mirrored_accounts(self._database)]
        for account_id in active:
            job = jobs.Job(account_id, full=full)
            self._database.transaction(partial(jobs.defer_job, job=job))
        return active

    def request_sync(self, account_id: int, *, full: bool = False, resources: Collection[str] = ()) -> SyncRequest:
        """Enqueue a sync of one account for any worker, unless one waits or is under way.

        Args:
            account_id: which account.
            full: read everything.
            resources: the names of those to read; none: all that are mirrored.

        Raises:
            AccountError: the account is unknown, removed or disabled.
            UsageError: a resource is unknown.
        """
        account_queries.get_active_account(self._database, account_id)
        if unknown := set(resources).difference(list_names()):
            raise UsageError(f"{min(unknown)!r} is no resource: there are {', '.join(list_names())}")
        job = jobs.Job(account_id, full=full, resources=tuple(resources))
        number, is_new = self._database.transaction(lambda connection: request_sync(connection, job))
        return SyncRequest(job, number, is_new)

    def has_worker(self) -> bool:
        """Whether a worker has reported lately that it lives."""
        found = self._database.transaction(lambda connection: connection.execute(select_living_workers()).scalar_one())
        return found > 0

    def start_worker(
        self,
        *,
        concurrency: int = WORKER_CONCURRENCY,
        drain: bool = False,
        heartbeat: Callable[[], None] | None = None,
        policy: JobRetryPolicy | None = None,
        timings: WorkerTimings | None = None,
    ) -> AbstractContextManager[Worker]:
        """Work jobs in a thread while the block runs; with `drain`, until nothing is due. See `Work.start_worker`."""
        work = Work(self._container)
        return work.start_worker(
            concurrency=concurrency, drain=drain, heartbeat=heartbeat, policy=policy, timings=timings
        )

    def run_worker(self, *, concurrency: int = WORKER_CONCURRENCY, drain: bool = False) -> None:
        """Work jobs until a signal comes; with `drain`, until nothing is due."""
        self._container.require_payload_rule()
        supervisor = SystemdNotifier()
        with self.start_worker(concurrency=concurrency, drain=drain, heartbeat=supervisor.register_part()) as worker:
            supervisor.notify_ready()
            try:
                worker.wait()
            finally:
                supervisor.notify_stopping()

    def list_dead_letters(self, *, account_id: int | None = None, resolved_too: bool = False) -> list[DeadLetter]:
        """Return the jobs that failed for good and wait for a person, oldest first; with `resolved_too` all of them."""
        return dead_letters.list_dead_letters(self._database, account_id=account_id, resolved_too=resolved_too)

    def get_dead_letter(self, dead_letter_id: int) -> DeadLetter:
        """Return one dead letter; raise HostawaySyncError when there is none with this number."""
        return dead_letters.get_dead_letter(self._database, dead_letter_id)

    def retry_dead_letter(self, dead_letter_id: int) -> None:
        """Enqueue its work again; raise HostawaySyncError when it is unknown or was resolved before."""
        dead_letters.retry_dead_letter(self._database, dead_letter_id)

    def discard_dead_letter(self, dead_letter_id: int) -> None:
        """Give its work up; raise HostawaySyncError when it is unknown or was resolved before."""
        dead_letters.discard_dead_letter(self._database, dead_letter_id)
