"""The door to the push pipe: deliveries that come in, the queue they wait in, and what failed for good."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.app.workers import Work
from hostaway_sync.observability.systemd import Supervisor
from hostaway_sync.store import dead_letters, jobs
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.runs import alarms
from hostaway_sync.store.webhooks.backlog import living_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from socket import socket

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.alarms import Alarm
    from hostaway_sync.model.records import RunReport
    from hostaway_sync.queue.fetch_loop import WorkerTimings
    from hostaway_sync.queue.retry_policy import JobRetryPolicy
    from hostaway_sync.queue.worker import Worker
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.dead_letters import DeadLetter
    from hostaway_sync.webhooks.registration.registrar import Registrar

WORKER_CONCURRENCY = 4


class Webhooks:
    """Whatever is not done at once, of one mirror.

    Args:
        container: opens sources; names the database.
        sync: syncs an account, in full or as is due.
        platform: whose deliveries these are.
    """

    def __init__(self, container: Container, sync: Callable[[Account, bool], RunReport], *, platform: str) -> None:
        self._container = container
        self._database = container.database
        self._sync = sync
        self._platform = platform

    def enqueue_syncs(self, *, full: bool = False) -> list[int]:
        """Put a sync of every active account into the queue, where any worker finds it; give their ids.

        Raises:
            ConfigurationError: there is no account at all.
        """
        active = [account.account_id for account in account_queries.fleet(self._database)]
        for account_id in active:
            job = jobs.Job(account_id, full=full)
            self._database.transaction(partial(jobs.defer, job=job))
        return active

    def alarms(self) -> dict[int, tuple[Alarm, ...]]:
        """Return the alarms that stand, by account."""
        return self._database.transaction(alarms.standing)

    def has_worker(self) -> bool:
        """Whether a worker said lately that it lives; what is deferred waits for one."""
        found = self._database.transaction(lambda connection: connection.execute(living_workers()).scalar_one())
        return found > 0

    def worker(
        self,
        *,
        concurrency: int = WORKER_CONCURRENCY,
        drain: bool = False,
        heartbeat: Callable[[], None] | None = None,
        policy: JobRetryPolicy | None = None,
        timings: WorkerTimings | None = None,
    ) -> AbstractContextManager[Worker]:
        """Do deferred work in a thread while the block runs; with `drain`, until nothing is due."""
        work = Work(self._container, self._sync)
        return work.worker(concurrency=concurrency, drain=drain, heartbeat=heartbeat, policy=policy, timings=timings)

    def work(self, *, concurrency: int = WORKER_CONCURRENCY, drain: bool = False) -> None:
        """Do deferred work until a signal comes; with `drain`, until nothing is due."""
        self._container.require_payload_rule()
        supervisor = Supervisor()
        with self.worker(concurrency=concurrency, drain=drain, heartbeat=supervisor.part()) as working:
            supervisor.ready()
            try:
                working.wait()
            finally:
                supervisor.stopping()

    def dead_letters(self, *, account_id: int | None = None, resolved_too: bool = False) -> list[DeadLetter]:
        """Give what failed for good and waits for a person, oldest first; with `resolved_too` all that ever did."""
        return dead_letters.list_letters(self._database, account_id=account_id, resolved_too=resolved_too)

    def dead_letter(self, dead_letter_id: int) -> DeadLetter:
        """Give one dead letter; raises HostawaySyncError when there is none with this number."""
        return dead_letters.get_letter(self._database, dead_letter_id)

    def retry_dead_letter(self, dead_letter_id: int) -> None:
        """Have its work done anew; raises HostawaySyncError when it is unknown or was resolved before."""
        dead_letters.retry(self._database, dead_letter_id)

    def discard_dead_letter(self, dead_letter_id: int) -> None:
        """Give its work up; raises HostawaySyncError when it is unknown or was resolved before."""
        dead_letters.discard(self._database, dead_letter_id)

    @contextmanager
    def webhook(self, account_id: int) -> Iterator[Registrar]:
        """Open what registers an account's webhook at the source; raises AccountError when unknown or disabled."""
        account_queries.get_account(self._database, account_id)
        with self._container.registering(account_id, platform=self._platform) as registering:
            yield registering

    def serve_webhooks(self, listener: socket, *, with_worker: bool) -> None:
        """Take deliveries at `listener` until a signal comes, and work them meanwhile if a worker is wanted."""
        from hostaway_sync.webhooks.server.run import serve_http

        self._container.require_payload_rule()
        supervisor = Supervisor()
        worker = self.worker(heartbeat=supervisor.part()) if with_worker else nullcontext()
        trusted = self._container.settings.trusted_proxies
        with worker as working, self._container.receiver(platform=self._platform) as receiver:
            on_stop = working.stop if working else None
            serve_http(receiver, listener=listener, trusted_proxies=trusted, on_stop=on_stop, supervisor=supervisor)
