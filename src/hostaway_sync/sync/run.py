"""One run of one account: take the lease, mirror one resource after the other, store how it ended."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError, LeaseHeld
from hostaway_sync.model.records import (
    Mark,
    Mode,
    Owner,
    Resource,
    ResourceReport,
    RunReport,
    RunState,
)
from hostaway_sync.observability.log_context import add_log_context, log_context
from hostaway_sync.observability.tracing import start_span
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.records import new_words, setbacks, walks
from hostaway_sync.store.runs import leases
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.sync import plan
from hostaway_sync.sync.calendar.recorder import DryCalendarRecorder
from hostaway_sync.sync.kinds.recorder import DryKindRecorder
from hostaway_sync.sync.lease import hold_lease
from hostaway_sync.sync.mirroring import Mirroring, Reading
from hostaway_sync.sync.recording.dry_run import DryRecorder
from hostaway_sync.sync.recording.protocols import Recorders
from hostaway_sync.sync.recording.recorder import Sweep, open_table_recorders
from hostaway_sync.sync.reporting import alarms
from hostaway_sync.sync.reporting.run_log import explain_break, log_new_words, log_run_end
from hostaway_sync.sync.webhook_check import check_webhook, is_source_answering

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from hostaway_sync.model.deliveries import WebhookCheck
    from hostaway_sync.model.records import Source
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.progress import Progress
    from hostaway_sync.sync.run_options import RunOptions

log = logging.getLogger(__name__)


class Run:
    """One run of an account, over one or more attempts."""

    def __init__(self, database: Database, account: Account, options: RunOptions) -> None:
        self._database = database
        self._owner = Owner(account.account_id, account.customer_id)
        self._options = options
        self._run_id: UUID | None = None
        self._attempts = 0
        self._api_calls = 0
        self._began = time.monotonic()
        self._mode = Mode.FULL
        self._whole: frozenset[Resource] = frozenset()
        self._marks: dict[Resource, Mark] = {}
        self._decided_at: datetime | None = None
        self._stopped_by: str | None = None
        self._webhook_check: WebhookCheck | None = None
        self._has_checked_webhook = False
        self._braked: set[str] = set()

    def stop(self, why: str) -> None:
        """End this run, in another thread, for this reason when its source fails next; the caller closes the source."""
        self._stopped_by = why

    def attempt(self, source: Source, progress: Progress, webhook_check: WebhookCheck | None = None) -> RunReport:
        """Mirror the account once; a report that is no success may be followed by another attempt.

        The run is skipped, with an error that says so, when another run did the same since `options.unless_since`.

        Args:
            source: the account at the platform.
            progress: is told how much was read.
            webhook_check: checks the account's webhook after the lists, except in a dry run; None: it is not checked.

        Raises:
            LeaseHeld: another run works on this account.
            LeaseLost: another run took over in the middle.
            HostawaySyncError: nothing could be done at all.
        """
        self._attempts += 1
        self._webhook_check = None if self._has_checked_webhook else webhook_check
        account_id = self._owner.account_id
        try:
            with log_context(account_id=account_id), hold_lease(self._database, account_id) as lease, start_span("run"):
                report = self._under_lease(lease, source, progress)
                log_run_end(report)
                return report
        except LeaseHeld as error:
            log.info("%s", error)
            if not self._options.dry_run and not self._options.will_retry and self._run_id is None:
                run_states.record_skipped(self._database, account_id, self._mode, error=str(error))
            raise

    def _under_lease(self, lease: leases.Lease, source: Source, progress: Progress) -> RunReport:
        self._decide_mode()
        if self._run_id is None and self._is_needless():
            report = self._report({}, source)
            standing = alarms.read_unchanged_alarms(self._database, self._owner.account_id)
            why = "another run has mirrored it meanwhile"
            return replace(report, state=RunState.SKIPPED, error=why, alarms=standing)
        if self._is_full:
            source.lower_priority()
        if self._options.dry_run:
            dry = DryRecorder(self._database, self._owner)
            calendar = DryCalendarRecorder(self._database, self._owner.account_id)
            kinds = DryKindRecorder(self._database, self._owner.account_id)
            parts = self._mirror(source, Recorders(dry, calendar, kinds), progress).items()
            report = self._report({name: _with_ids(name, part, dry) for name, part in parts}, source)
            # A person asked for the dry run: every standing alarm is shown, even if it was shown lately.
            standing = alarms.read_unchanged_alarms(self._database, self._owner.account_id, tells=True)
            return replace(report, alarms=standing)
        run_id = self._run_id or run_states.create_run(
            self._database, self._owner.account_id, self._mode, max_retries=self._options.max_retries
        )
        self._run_id = run_id
        add_log_context(run_id=str(run_id))
        try:
            return self._mirror_into_tables(run_id, lease, source, progress)
        except BaseException as error:
            # Every error and every signal: the history must not show this run as running.
            if not isinstance(error, Exception):
                self._database.fail_fast()
            with suppress(HostawaySyncError):
                can_recover = isinstance(error, HostawaySyncError) and plan.can_recover(error)
                self._finish(run_id, RunState.FAILED, source, None, explain_break(error), can_recover=can_recover)
            raise

    def _mirror_into_tables(self, run_id: UUID, lease: leases.Lease, source: Source, progress: Progress) -> RunReport:
        account_id = self._owner.account_id
        signpost = run_states.start_run(self._database, run_id, account_id)
        sweep = Sweep(self._whole, self._options.threads_after) if self._is_full else None
        recorders = open_table_recorders(self._database, lease, run_id, signpost, sweep, self._options)
        reports = self._mirror(source, recorders, progress)
        self._check_webhook(reports)
        report = self._report(reports, source)
        set_back = setbacks.count_met_since(self._database, account_id, signpost)
        for warning in plan.list_warnings(report.resources, set_back):
            log.warning("account %d: %s", account_id, warning)
        log_new_words(account_id, new_words.list_first_met(self._database, account_id, signpost))
        if not self._will_retry(report.state, can_recover=report.can_recover):
            found = alarms.find_causes(reports, self._whole, self._braked)
            found = replace(found, mirrored=self._options.all_mirrored())
            report = replace(report, alarms=alarms.settle_alarms(self._database, lease, found))
        # A run of some resources says nothing about the others; while an alarm stands, the mirror is known to be wrong.
        is_all = set(self._options.resources) == set(Resource) and not report.alarms.alarms
        last_sync_at = signpost if is_all else None
        self._finish(run_id, report.state, source, last_sync_at, report.error, can_recover=report.can_recover)
        return report

    def _mirror(self, source: Source, recorders: Recorders, progress: Progress) -> dict[str, ResourceReport]:
        reading = Reading(self._marks, self._whole, self._decided_at)
        mirroring = Mirroring(self._database, self._owner.account_id, self._options, reading, recorders)
        try:
            return mirroring.run(source, progress, stopped_by=lambda: self._stopped_by)
        finally:
            self._braked = mirroring.braked

    def _check_webhook(self, reports: Mapping[str, ResourceReport]) -> None:
        """Check the webhook once a run, after the lists: the mirror does not depend on it."""
        if self._webhook_check is None or not is_source_answering(reports.values()):
            return
        self._has_checked_webhook = True
        try:
            check_webhook(self._owner.account_id, self._webhook_check, audits=self._is_full)
        except HostawaySyncError as failure:
            if self._stopped_by is not None:
                raise SystemExit(self._stopped_by) from failure
            log.warning("account %d: its webhook could not be checked: %s", self._owner.account_id, failure)

    @property
    def _is_full(self) -> bool:
        return self._mode is Mode.FULL

    def _is_needless(self) -> bool:
        since = self._options.unless_since
        if since is None:
            return False
        account = account_queries.find_account(self._database, self._owner.account_id)
        last_sync_at = account.last_sync_at if account else None
        return plan.is_done(self._marks, last_sync_at, since, full=self._options.full)

    def _decide_mode(self) -> None:
        """Choose a full run where a list is due for a sweep, or one was asked for; each attempt decides anew."""
        self._braked.clear()
        self._marks, now = run_states.find_marks(self._database, self._owner.account_id)
        self._decided_at = now
        options = self._options
        self._whole = plan.select_whole_lists(
            options.resources, self._marks, now, full=options.full, sweep_after=options.sweep_after
        )
        self._mode = Mode.FULL if options.full or self._whole else Mode.INCREMENTAL

    def _report(self, reports: Mapping[str, ResourceReport], source: Source) -> RunReport:
        return RunReport(
            account_id=self._owner.account_id,
            mode=self._mode,
            state=plan.derive_run_state(reports.values()),
            api_calls=self._api_calls + source.api_calls,
            duration_s=round(time.monotonic() - self._began, 3),
            resources=reports,
            error=plan.describe_run_error(reports),
        )

    def _will_retry(self, state: RunState, *, can_recover: bool) -> bool:
        return can_recover and state is not RunState.SUCCESS and self._attempts <= self._options.max_retries

    def _finish(
        self,
        run_id: UUID,
        state: RunState,
        source: Source,
        last_sync_at: datetime | None,
        error: str | None,
        *,
        can_recover: bool,
    ) -> None:
        """Store the end of the run, or leave the run open for the attempt that will follow."""
        calls, self._api_calls = source.api_calls, self._api_calls + source.api_calls
        if self._will_retry(state, can_recover=can_recover):
            run_states.record_retry(self._database, run_id, error=error or "", api_calls=calls)
            return
        account_id = self._owner.account_id
        run_states.finish_run(
            self._database,
            run_id,
            state,
            account_id=account_id,
            last_sync_at=last_sync_at,
            error=error,
            api_calls=calls,
        )
        self._database.transaction(lambda connection: walks.delete_pages_of_run(connection, run_id))


def _with_ids(name: str, report: ResourceReport, dry: DryRecorder) -> ResourceReport:
    """Return the report of a dry run with the ids that it would write; those of the other kinds are counted alone."""
    return replace(report, ids=dry.ids(Resource(name))) if name in set(Resource) else report
