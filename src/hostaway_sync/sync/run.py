"""One run of one account: lease, resources one after the other, threads side by side, a final state."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError, LeaseHeld, LeaseLost, SourceError, StoreUnavailable
from hostaway_sync.records import Mode, Resource, ResourceReport, RunReport, RunState
from hostaway_sync.store import leases, runs, walks
from hostaway_sync.store.records import Owner
from hostaway_sync.sync import plan
from hostaway_sync.sync.recorder import DryRecorder, Recorder, TableRecorder
from hostaway_sync.sync.threads import mirror_threads
from hostaway_sync.sync.walk import mirror_list

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from hostaway_sync.records import Progress, Source
    from hostaway_sync.store.accounts import Account
    from hostaway_sync.store.engine import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a run.

    Attributes:
        resources: what to mirror; nothing else moves.
        dry_run: compare and count, write nothing.
        in_flight: requests that overlap.
        max_retries: how often the run may be tried again as a whole.
    """

    resources: tuple[Resource, ...] = tuple(Resource)
    dry_run: bool = False
    in_flight: int = 4
    max_retries: int = 0


class Run:
    """One run of an account, over one or more attempts."""

    def __init__(self, database: Database, account: Account, order: Order) -> None:
        self._database = database
        self._owner = Owner(account.account_id, account.customer_id)
        self._order = order
        self._run_id: UUID | None = None
        self._attempts = 0
        self._api_calls = 0
        self._began = time.monotonic()

    def attempt(self, source: Source, progress: Progress) -> RunReport:
        """Mirror the account once; a report that is no success may be followed by another attempt.

        Raises:
            LeaseHeld: another run works on this account.
            LeaseLost: another run took over in the middle.
            HostawaySyncError: nothing could be done at all.
        """
        self._attempts += 1
        account_id = self._owner.account_id
        try:
            lease = leases.acquire(self._database, account_id, leases.this_process())
        except LeaseHeld as error:
            if not self._order.dry_run and self._run_id is None:
                runs.skipped(self._database, account_id, Mode.FULL, error=str(error))
            raise
        try:
            with _heartbeat(self._database, lease):
                return self._under_lease(lease, source, progress)
        finally:
            with suppress(StoreUnavailable):  # it expires by itself
                leases.release(self._database, lease)

    def _under_lease(self, lease: leases.Lease, source: Source, progress: Progress) -> RunReport:
        if self._order.dry_run:
            recorder: Recorder = DryRecorder(self._database, self._owner)
            return self._report(self._mirror(source, recorder, None, progress), source)
        account_id, retries = self._owner.account_id, self._order.max_retries
        run_id = self._run_id or runs.trigger(self._database, account_id, Mode.FULL, max_retries=retries)
        self._run_id = run_id
        signpost = runs.start(self._database, run_id, account_id)
        self._database.transaction(lambda connection: walks.forget(connection, account_id))
        recorder = TableRecorder(self._database, self._owner, lease, run_id, signpost)
        try:
            report = self._report(self._mirror(source, recorder, signpost, progress), source)
        except BaseException as error:
            # Whatever it is, a signal included: the history must not show a run that still runs.
            may_retry = isinstance(error, HostawaySyncError)
            with suppress(HostawaySyncError):
                self._finish(run_id, RunState.FAILED, source, signpost, _reason(error), may_retry=may_retry)
            raise
        for warning in plan.warnings(report.resources):
            log.warning("account %d: %s", account_id, warning)
        self._finish(run_id, report.state, source, signpost, report.error)
        return report

    def _mirror(
        self, source: Source, recorder: Recorder, signpost: datetime | None, progress: Progress
    ) -> dict[Resource, ResourceReport]:
        reports: dict[Resource, ResourceReport] = {}
        for resource in (resource for resource in Resource if resource in self._order.resources):
            mark: datetime | None = None
            error: SourceError | None = None
            try:
                if resource is Resource.MESSAGES:
                    report = self._threads(source, recorder, progress, reports.get(Resource.CONVERSATIONS))
                else:
                    report, mark = mirror_list(self._owner.account_id, resource, source, recorder, progress, signpost)
            except SourceError as failure:
                error = failure
                report = ResourceReport(RunState.FAILED, *recorder.counts(resource), str(error))
            reports[resource] = report
            recorder.close(resource, report, mark)
            if error is not None and plan.ends_the_run(error):
                break
        return reports

    def _threads(
        self, source: Source, recorder: Recorder, progress: Progress, listed: ResourceReport | None
    ) -> ResourceReport:
        return mirror_threads(self._owner.account_id, source, recorder, progress, self._order.in_flight, listed=listed)

    def _report(self, reports: dict[Resource, ResourceReport], source: Source) -> RunReport:
        return RunReport(
            account_id=self._owner.account_id,
            mode=Mode.FULL,
            state=plan.final_state(reports.values()),
            api_calls=self._api_calls + source.api_calls,
            duration_s=round(time.monotonic() - self._began, 3),
            resources=reports,
            error=plan.run_error(reports),
        )

    def _finish(
        self,
        run_id: UUID,
        state: RunState,
        source: Source,
        signpost: datetime,
        error: str | None,
        *,
        may_retry: bool = True,
    ) -> None:
        """Close the run, or leave it open for the attempt that will follow."""
        calls, self._api_calls = source.api_calls, self._api_calls + source.api_calls
        if may_retry and state is not RunState.SUCCESS and self._attempts <= self._order.max_retries:
            runs.retry_later(self._database, run_id, error=error or "", api_calls=calls)
            return
        runs.finish(
            self._database,
            run_id,
            state,
            account_id=self._owner.account_id,
            signpost=signpost,
            error=error,
            api_calls=calls,
        )
        self._database.transaction(lambda connection: walks.forget(connection, self._owner.account_id))


@contextmanager
def _heartbeat(database: Database, lease: leases.Lease) -> Iterator[None]:
    """Renew the lease while the block runs, however long the source makes it wait."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(leases.LEASE_TIME.total_seconds() / 3):
            try:
                leases.renew(database, lease)
            except LeaseLost:
                return  # the next write fails by itself
            except HostawaySyncError as error:
                log.info("the lease could not be renewed, trying again: %s", error)

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def _reason(error: BaseException) -> str:
    if isinstance(error, HostawaySyncError):
        return str(error)
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return "stopped by a signal"
    return f"unexpected {type(error).__name__}"
