"""Mirroring: one account, all accounts, one object; comparing a mirror with the source; asking what is not mirrored."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.calendar_writes import CalendarWrites
from hostaway_sync.app.maintenance import Maintenance
from hostaway_sync.app.messages.messages import Messages
from hostaway_sync.app.resources import find_resources
from hostaway_sync.errors import Forbidden, HostawaySyncError, NotFound, UsageError
from hostaway_sync.model.kinds.requested import Requested, RequestedAnswer
from hostaway_sync.model.records import Owner, Resource
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.messages import recipients
from hostaway_sync.store.runs.estimates import list_outlooks
from hostaway_sync.sync.account_order import order_shortest_first
from hostaway_sync.sync.fleet import AccountOutcome, RunningRuns, sync_fleet
from hostaway_sync.sync.progress import NullProgress
from hostaway_sync.sync.refresh import refresh_object
from hostaway_sync.sync.run import Run
from hostaway_sync.sync.run_options import RunOptions
from hostaway_sync.sync.verify.verifier import Verifier, VerifyOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.api_calls import CallObserver
    from hostaway_sync.model.records import RunReport
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.sync.fleet import FleetProgress
    from hostaway_sync.sync.progress import Progress
    from hostaway_sync.sync.refresh import RefreshResult
    from hostaway_sync.sync.verify.certificate import Certificate

# Small accounts wait for answers more than for the source's limits: several at once share that time.
FLEET_JOBS = 4

_REQUESTED: Final = {
    Requested.FINANCE: "what makes the prices of reservations",
    Requested.LOGS: "logs of reservations",
    Requested.AGREEMENT: "rental agreements",
}


class Sync:
    """Runs of one mirror.

    Args:
        container: opens sources, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database
        self._messages = Messages(container)
        self._calendar_writes = CalendarWrites(container)
        self._maintenance = Maintenance(container)

    def run(
        self,
        account_id: int,
        *,
        resources: Collection[str] = (),
        full: bool = False,
        accept_missing: bool = False,
        dry_run: bool = False,
        force_probe: bool = False,
        will_retry: bool = False,
        progress: Progress | None = None,
        observe: CallObserver | None = None,
    ) -> RunReport:
        """Mirror one account.

        Args:
            account_id: which account.
            resources: the names of those to read, and nothing else; empty: all that the settings choose.
            full: read everything, even where an incremental run would do.
            accept_missing: believe it when suspiciously many rows are gone at once.
            dry_run: compare and count, and write nothing.
            force_probe: send one request even while the source is known to be away.
            will_retry: the caller tries again while another run works on the account; that is no skipped run.
            progress: told of every page that was stored.
            observe: called with every request to the source when it ended.

        Raises:
            AccountError: the account is unknown or disabled.
            LeaseHeld: another run works on it.
            HostawaySyncError: nothing at all could be done.
        """
        account = account_queries.get_active_account(self._database, account_id)
        options = self._run_options(account, resources, full=full, dry_run=dry_run)
        run = Run(self._database, account, replace(options, accept_missing=accept_missing, will_retry=will_retry))
        with (
            self._messages.settle_around(account_id, dry_run=dry_run),
            self._container.source(account_id, force_probe=force_probe, observe=observe) as source,
        ):
            if not dry_run:
                self._calendar_writes.settle(account_id, source)
            registrar = self._container.registrar(source, account_id)
            report = run.attempt(source, progress or NullProgress(), registrar)
        if not dry_run:
            self._maintenance.prune_beside()
        return report

    def run_all(
        self,
        *,
        full: bool = False,
        dry_run: bool = False,
        jobs: int | None = None,
        jitter: timedelta = timedelta(0),
        progress: FleetProgress | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> list[AccountOutcome]:
        """Mirror every active account; a failed account stops no other.

        An account that another run has mirrored since this call began is skipped.

        Args:
            full: read everything, even where an incremental run would do.
            dry_run: compare and count, and write nothing.
            jobs: how many accounts at once; None: `FLEET_JOBS`.
            jitter: wait a random time up to this long first.
            progress: told of every page that was stored, and of every account that ended.
            sleep: waits for a number of seconds.

        Raises:
            ConfigurationError: the settings fit no account, or there is none.
        """
        known, now = list_outlooks(self._database)
        sleep(random.uniform(0, jitter.total_seconds()))  # noqa: S311  (no secret)
        since = None if dry_run else now
        active = {account.account_id: account for account in account_queries.list_mirrored_accounts(self._database)}
        ranked = order_shortest_first(known, now, full=full, sweep_after=self._sweep_after)
        runs: dict[int, Run] = {}
        for number in (number for number in ranked if number in active):
            options = self._run_options(active[number], full=full, dry_run=dry_run, max_retries=1)
            runs[number] = Run(self._database, active[number], replace(options, unless_since=since))
        running = RunningRuns()

        def attempt(account_id: int) -> RunReport:
            run = runs[account_id]
            with (
                self._messages.settle_around(account_id, dry_run=dry_run),
                self._container.source(account_id) as source,
                running.track(run, source),
            ):
                if not dry_run:
                    self._calendar_writes.settle(account_id, source)
                return run.attempt(source, progress or NullProgress(), self._container.registrar(source, account_id))

        outcomes = sync_fleet(list(runs), attempt, jobs=jobs or FLEET_JOBS, stop=running.stop, progress=progress)
        if not dry_run:
            self._maintenance.prune_beside()
        return outcomes

    def refresh(self, account_id: int, resource: Resource, record_id: int) -> RefreshResult:
        """Read one object again, and what depends on it; a run may be under way meanwhile.

        Raises:
            ValueError: `resource` is messages, which are read with their conversation.
            AccountError: the account is unknown or disabled.
            SourceError: something could not be read; what was stored before stays.
        """
        account = account_queries.get_active_account(self._database, account_id)
        with self._container.source(account_id) as source:
            return refresh_object(self._database, Owner(account_id, account.customer_id), source, resource, record_id)

    def verify(
        self,
        account_id: int,
        *,
        deep: bool = False,
        repair: bool = False,
        calendar: bool = False,
        progress: Progress | None = None,
    ) -> Certificate:
        """Compare one account's mirror with the source, payload by payload.

        Args:
            account_id: which account.
            deep: read every thread and every single object, too.
            repair: store what differs as the source has it.
            calendar: compare the days of calendars, too.
            progress: told of every page that was compared.

        Raises:
            AccountError: the account is unknown or disabled.
            ConfigurationError: calendars are to be compared, and are not mirrored.
            LeaseHeld: a run works on it.
            HostawaySyncError: nothing at all could be compared.
        """
        account = account_queries.get_active_account(self._database, account_id)
        choices, own = self._container.resources, account.resource_sets
        options = VerifyOptions(
            deep=deep,
            repair=repair,
            in_flight=self._container.settings.requests_in_flight,
            calendar=choices.require_calendar(account_id, own) if calendar else None,
        )
        with self._container.source(account_id) as source:
            return Verifier(self._database, account, options, source, progress or NullProgress()).certify()

    @property
    def _sweep_after(self) -> timedelta:
        return timedelta(hours=self._container.settings.sweep_after_hours)

    def _run_options(
        self, account: Account, names: Collection[str] = (), *, full: bool, dry_run: bool, max_retries: int = 0
    ) -> RunOptions:
        self._container.require_payload_rule()
        settings, mirrored = self._container.settings, self._container.resources.choose(account.resource_sets)
        resources, kinds = find_resources(names) if names else (tuple(Resource), mirrored.kinds)
        return RunOptions(
            resources=resources,
            full=full,
            dry_run=dry_run,
            in_flight=settings.requests_in_flight,
            max_retries=max_retries,
            sweep_after=self._sweep_after,
            threads_after=timedelta(days=settings.threads_after_days),
            calendar=mirrored.calendar,
            kinds=kinds,
            asks_kinds=bool(names),
        )


class ReservationObjects:
    """Asks the source about reservations of one mirror.

    Args:
        container: opens clients, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container

    def read(self, requested: Requested, reservation_id: int, *, account_id: int | None = None) -> RequestedAnswer:
        """Return what the source has of a reservation; nothing is stored.

        Args:
            requested: what is asked for.
            reservation_id: the source's id.
            account_id: whose reservation; needed where it is not mirrored, or several accounts have one with this id.

        Raises:
            UsageError: several accounts have such a reservation.
            AccountError: the account is unknown, removed or disabled.
            HostawaySyncError: there is no such reservation, or the account may not read this.
            SourceError: the source could not be asked.
        """
        account_id = self._find_account(reservation_id, account_id)
        try:
            with self._container.source(account_id, urgent=True) as source:
                found = source.read_requested(requested, reservation_id, f"{requested}: a person asked")
        except Forbidden:
            raise HostawaySyncError(
                f"account {account_id} may not read {_REQUESTED[requested]} (403): its plan, or the rights of its API"
                " key, do not include them"
            ) from None
        except NotFound:
            raise HostawaySyncError(f"account {account_id} has no reservation {reservation_id}: check the id") from None
        return RequestedAnswer(account_id, reservation_id, requested, tuple(found))

    def _find_account(self, reservation_id: int, account_id: int | None) -> int:
        database = self._container.database
        if account_id is None:
            found = [stay.account_id for stay in recipients.find_stays(database, reservation_id)]
            if len(found) > 1:
                accounts = ", ".join(map(str, found))
                raise UsageError(f"accounts {accounts} have a reservation {reservation_id}: use --account")
            if not found:
                raise HostawaySyncError(
                    f"no account has a reservation {reservation_id} here:"
                    " sync first, or use --account to ask the source"
                )
            account_id = found[0]
        return account_queries.get_active_account(database, account_id).account_id
