"""The library's door: has everything opened, hands it to who does the work, and does none itself."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from hostaway_sync.app.container import Container
from hostaway_sync.app.doors import Doors
from hostaway_sync.app.remembered_settings import upgrade
from hostaway_sync.errors import AccountError
from hostaway_sync.model.capacity import forecast
from hostaway_sync.model.records import Owner, Resource, Unwatched
from hostaway_sync.settings import SCHEMA
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.messages import restored
from hostaway_sync.store.postgres.read_only import read_only
from hostaway_sync.store.runs.estimates import outlooks
from hostaway_sync.store.runs.states import marks
from hostaway_sync.store.schema import revisions as schema_revisions
from hostaway_sync.store.status.overview import history
from hostaway_sync.sync.account_order import order_shortest_first
from hostaway_sync.sync.fleet import AccountOutcome, RunningRuns, sync_fleet
from hostaway_sync.sync.refresh import refresh_object
from hostaway_sync.sync.run import Run
from hostaway_sync.sync.run_options import RunOptions
from hostaway_sync.sync.verify.verifier import Verification, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from hostaway_sync.app.accounts import Accounts
    from hostaway_sync.app.webhooks import Webhooks
    from hostaway_sync.model.api_calls import Observer
    from hostaway_sync.model.capacity import Forecast
    from hostaway_sync.model.records import Mark, Progress, RunReport
    from hostaway_sync.model.run_history import RunDetail
    from hostaway_sync.model.status import Overview
    from hostaway_sync.settings import Settings
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.sync.fleet import FleetProgress
    from hostaway_sync.sync.refresh import RefreshResult
    from hostaway_sync.sync.verify.certificate import Certificate

# Small accounts are held up by the way to the source, not by its limits: some at once take their turns.
FLEET_JOBS = 4


class Mirror(Doors):
    """Accounts mirrored into one database; a context manager.

    Args:
        settings: where the database is, the limits, the key.
        check_schema: refuse an outdated schema at once; only `migrate` may work on one. The embedded database is
            migrated by itself.
        application: whose connections these are, as the server shows it.
        connections: how many it may take of the database at most, where that is not the usual number.

    Raises:
        ConfigurationError: the settings describe nothing that runs.
        SchemaOutdated: the database must be migrated first.
        StoreUnavailable: the database cannot be reached.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        check_schema: bool = True,
        application: str = "hostaway-sync",
        connections: int | None = None,
    ) -> None:
        self._settings = settings
        self._container = Container(settings, schema=SCHEMA, application=application, connections=connections)
        self._database = self._container.database
        try:
            if self._database.embedded is not None and schema_revisions.is_behind(self._database):
                upgrade(self._database)
            if check_schema:
                schema_revisions.require_current(self._database)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back connections, and stop the embedded database if nobody else uses it."""
        self._container.close()

    def migrate(self) -> tuple[str | None, str]:
        """Bring the schema to this program's revision; return the revision before and after."""
        before = schema_revisions.current(self._database)
        upgrade(self._database)
        self._database.transaction(restored.recognise)
        return before, schema_revisions.head()

    def revisions(self) -> tuple[str | None, str]:
        """Give the database's revision and the one this program needs."""
        return schema_revisions.current(self._database), schema_revisions.head()

    def accounts(self) -> list[Account]:
        """Give all accounts, by id; those that were removed too, while rows of theirs may be there."""
        return account_queries.list_accounts(self._database)

    def sync(
        self,
        account_id: int,
        *,
        resources: tuple[Resource, ...] = tuple(Resource),
        full: bool = False,
        accept_missing: bool = False,
        dry_run: bool = False,
        force_probe: bool = False,
        will_retry: bool = False,
        progress: Progress | None = None,
        observe: Observer | None = None,
    ) -> RunReport:
        """Mirror one account; `observe` is told of every request to the source, when it ended.

        Where the source is known to be away, `force_probe` has it asked whether it is back. When another run works on
        the account, a run that `will_retry` is not written down as skipped.

        Raises:
            AccountError: it is unknown or disabled.
            LeaseHeld: another run works on it.
            HostawaySyncError: nothing could be done at all.
        """
        account = account_queries.get_account(self._database, account_id)
        order = self._order(resources, full=full, dry_run=dry_run)
        run = Run(self._database, account, replace(order, accept_missing=accept_missing, will_retry=will_retry))
        with (
            self.messages.settling(account_id, dry_run=dry_run),
            self._container.source(account_id, force_probe=force_probe, observe=observe) as source,
        ):
            webhook = self._container.webhook(source, account_id, platform=SCHEMA)
            report = run.attempt(source, progress or Unwatched(), webhook)
        if not dry_run:
            self.upkeep.prune_beside()
        return report

    def sync_all(
        self,
        *,
        full: bool = False,
        dry_run: bool = False,
        jobs: int | None = None,
        jitter: timedelta = timedelta(0),
        progress: FleetProgress | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> list[AccountOutcome]:
        """Mirror every active account, `jobs` at once (four); none keeps the others from theirs.

        First it waits up to `jitter`. An account that another run has mirrored since the wait began is skipped.

        Raises:
            ConfigurationError: the settings fit no account, or there is none.
        """
        known, now = outlooks(self._database)
        sleep(random.uniform(0, jitter.total_seconds()))  # noqa: S311  (no secret)
        order = self._order(tuple(Resource), full=full, dry_run=dry_run, max_retries=1)
        order = replace(order, unless_since=None if dry_run else now)
        active = {account.account_id: account for account in account_queries.fleet(self._database)}
        ranked = order_shortest_first(known, now, full=full, sweep_after=order.sweep_after)
        runs = {number: Run(self._database, active[number], order) for number in ranked if number in active}
        underway = RunningRuns()

        def attempt(account_id: int) -> RunReport:
            run = runs[account_id]
            with (
                self.messages.settling(account_id, dry_run=dry_run),
                self._container.source(account_id) as source,
                underway.track(run, source),
            ):
                told = progress or Unwatched()
                return run.attempt(source, told, self._container.webhook(source, account_id, platform=SCHEMA))

        outcomes = sync_fleet(list(runs), attempt, jobs=jobs or FLEET_JOBS, stop=underway.stop, progress=progress)
        if not dry_run:
            self.upkeep.prune_beside()
        return outcomes

    def refresh(self, account_id: int, resource: Resource, record_id: int) -> RefreshResult:
        """Read one object again and what hangs on it, beside whatever run is under way.

        Raises:
            ValueError: `resource` is messages, which are read with their conversation.
            AccountError: the account is unknown or disabled.
            SourceError: something could not be had; what was stored before stays.
        """
        account = account_queries.get_account(self._database, account_id)
        with self._container.source(account_id) as source:
            return refresh_object(self._database, Owner(account_id, account.customer_id), source, resource, record_id)

    def verify(
        self, account_id: int, *, deep: bool = False, repair: bool = False, progress: Progress | None = None
    ) -> Certificate:
        """Compare one account's mirror with Hostaway, payload by payload.

        Raises:
            AccountError: it is unknown or disabled.
            LeaseHeld: a run works on it.
            HostawaySyncError: nothing could be compared at all.
        """
        account = account_queries.get_account(self._database, account_id)
        wanted = Verification(deep=deep, repair=repair, in_flight=self._settings.requests_in_flight)
        with self._container.source(account_id) as source:
            return Verifier(self._database, account, wanted, source, progress or Unwatched()).certify()

    def status(self, account_id: int | None = None) -> Overview:
        """Give what the tables know of every account, or of one.

        Raises:
            AccountError: the one is unknown.
        """
        found = self._container.overview(account_id)
        if account_id is not None and not found.accounts:
            raise AccountError.unknown(account_id)
        return found

    def history(self, account_id: int, *, runs: int) -> tuple[dict[Resource, Mark], list[RunDetail]]:
        """Give how far each resource of an account is mirrored, and the account's last runs, newest first."""
        return marks(self._database, account_id)[0], history(self._database, account_id, runs=runs)

    def plan(self, *, every: timedelta) -> Forecast:
        """Say what the active accounts need of the source, when each is synced so often."""
        return forecast(self.status().accounts, self._container.terms(every))

    def _order(self, resources: tuple[Resource, ...], *, full: bool, dry_run: bool, max_retries: int = 0) -> RunOptions:
        self._container.require_payload_rule()
        return RunOptions(
            resources=resources,
            full=full,
            dry_run=dry_run,
            in_flight=self._settings.requests_in_flight,
            max_retries=max_retries,
            sweep_after=timedelta(hours=self._settings.sweep_after_hours),
            threads_after=timedelta(days=self._settings.threads_after_days),
        )

    def write_metrics(self, directory: Path) -> None:
        """Put what was measured since this was opened, and what the tables know, where node_exporter reads it.

        Raises:
            OSError: the file cannot be written.
            StoreUnavailable, StoreError: the database cannot be asked; the file stays as it was.
        """
        from hostaway_sync.observability.prometheus import write_textfile

        stored = self._container.readings()
        write_textfile(directory, self._container.meter.samples(take=True), stored)

    @property
    def roster(self) -> Accounts:
        """The door to what adds, changes and removes accounts."""
        from hostaway_sync.app.accounts import Accounts

        return Accounts(self._container, platform=SCHEMA)

    @property
    def push(self) -> Webhooks:
        """The door to the push pipe: receiver, queue, dead letters."""
        from hostaway_sync.app.webhooks import Webhooks

        return Webhooks(
            self._container,
            lambda account, full: self.sync(account.account_id, full=full, will_retry=True),
            platform=SCHEMA,
        )

    def query(self, sql: str) -> tuple[list[str], list[Sequence[object]]]:
        """Give column names and rows of a question in SQL, which can change nothing."""
        return read_only(self._database, sql)
