"""What the tables know of a mirror, without a request to the source."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.errors import AccountError
from hostaway_sync.model.capacity import ForecastTerms, forecast_capacity
from hostaway_sync.platforms.hostaway.parsing.resources import SPECS
from hostaway_sync.store.runs import alarms
from hostaway_sync.store.runs.states import find_marks
from hostaway_sync.store.status.calendars import read_calendar_figures
from hostaway_sync.store.status.overview import read_history

if TYPE_CHECKING:
    from pathlib import Path

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.alarms import Alarm
    from hostaway_sync.model.capacity import Forecast
    from hostaway_sync.model.records import Mark, Resource
    from hostaway_sync.model.run_history import RunDetail
    from hostaway_sync.model.status import Overview
    from hostaway_sync.store.status.size import Size


class Status:
    """The state of one mirror.

    Args:
        container: names the database, and knows the limits and what was measured.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    def overview(self, account_id: int | None = None) -> Overview:
        """Return what the tables know of every account, or of one.

        Raises:
            AccountError: the account is unknown.
        """
        found = self._container.overview(account_id)
        if account_id is not None and not found.accounts:
            raise AccountError.unknown(account_id)
        return found

    def history(self, account_id: int, *, runs: int) -> tuple[dict[Resource, Mark], list[RunDetail]]:
        """Return how far each resource of an account is mirrored, and its last runs, newest first."""
        return find_marks(self._database, account_id)[0], read_history(self._database, account_id, runs=runs)

    def alarms(self) -> dict[int, tuple[Alarm, ...]]:
        """Return the alarms that stand, by account."""
        return self._database.transaction(alarms.list_standing)

    def forecast(self, *, every: timedelta) -> Forecast:
        """Return how many requests the active accounts need when each is synced at this interval."""
        terms, figures = self._forecast_terms(every), {}
        if terms.calendars.is_on:
            figures = read_calendar_figures(self._database, self._container.vocabulary.archived_listing)
        return forecast_capacity(self.overview().accounts, terms, figures)

    def size(self) -> Size:
        """Return what takes space in the database, in bytes."""
        from hostaway_sync.store.status.size import read_size

        return read_size(self._database)

    def write_metrics(self, directory: Path) -> None:
        """Write what was measured since the mirror was opened, and what the tables know, for node_exporter.

        Raises:
            OSError: the file cannot be written.
            StoreUnavailable, StoreError: the database cannot be asked; the file stays as it was.
        """
        from hostaway_sync.observability.prometheus import write_textfile

        stored = self._container.readings()
        write_textfile(directory, self._container.meter.samples(reset=True), stored)

    def _forecast_terms(self, run_interval: timedelta) -> ForecastTerms:
        settings = self._container.settings
        calendars, kinds = self._container.resources.terms(self._database)
        address, account = settings.rate_limit_ip, settings.rate_limit_account
        return ForecastTerms(
            run_interval=run_interval,
            page_sizes={resource: spec.limit for resource, spec in SPECS.items()},
            address_rate=address.requests / address.window.total_seconds(),
            account_rate=account.requests / account.window.total_seconds(),
            sweep_after=timedelta(hours=settings.sweep_after_hours),
            threads_after=timedelta(days=settings.threads_after_days),
            calendars=calendars,
            kind_page_size=kinds.page_size,
        )
