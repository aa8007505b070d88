"""Writes to calendars: prepared from the mirror, sent once, settled; and their ledger."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostaway_sync.app.calendar import Calendar, find_today
from hostaway_sync.errors import AccountError, ConfigurationError, SourceError
from hostaway_sync.store import jobs
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.calendar import writes as ledger
from hostaway_sync.sync.calendar.writes import guards
from hostaway_sync.sync.calendar.writes.live_days import LiveDays
from hostaway_sync.sync.calendar.writes.settlement import settle_open_writes
from hostaway_sync.sync.calendar.writes.writer import CalendarWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.calendar.listing_calendar import ListingCalendar
    from hostaway_sync.model.calendar.writes import CalendarWrite, WriteRequest, WriteState
    from hostaway_sync.platforms.hostaway.client import Client
    from hostaway_sync.sync.calendar.writes.writer import WriteOutcome

MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class PreparedWrite:
    """A write that may be sent.

    Attributes:
        request: what is asked for.
        account_id: whose listing.
        calendar: the days as the mirror has them.
        concerns: what a person should know before, a sentence each.
    """

    request: WriteRequest
    account_id: int
    calendar: ListingCalendar
    concerns: tuple[str, ...]


class CalendarWrites:
    """The writes to calendars of one mirror.

    Args:
        container: opens clients, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database
        self._calendar = Calendar(container)
        self._taken = container.vocabulary.taken_day_statuses

    def prepare(self, request: WriteRequest) -> PreparedWrite:
        """Check a request against the mirror, without a request to the source.

        Raises:
            UsageError: its days or values cannot be right, or several accounts have such a listing.
            AccountError: the account is unknown or disabled.
            WriteRefused: the listing is archived or gone.
            ConfigurationError: calendars are not mirrored.
            HostawaySyncError: no account has such a listing.
        """
        guards.require_values(request.values)
        guards.require_order(request.days)
        if not self._container.settings.calendar_days:
            raise ConfigurationError(
                "calendars are not mirrored, so nothing tells whether one changed meanwhile: "
                "HOSTAWAY_SYNC_CALENDAR_DAYS is 0; set it, and sync once"
            )
        calendar = self._calendar.read_listing(request.listing_id, request.days, account_id=request.account_id)
        listing = calendar.listing
        today = find_today(self._database.transaction(jobs.read_clock), listing.time_zone)
        guards.require_days(request.days, today)
        guards.require_writable(calendar)
        account = account_queries.get_active_account(self._database, listing.account_id)
        self._container.resources.require_calendar(account.account_id, account.resource_sets)
        filled = replace(request, account_id=account.account_id)
        return PreparedWrite(filled, account.account_id, calendar, guards.list_concerns(calendar))

    def write(self, prepared: PreparedWrite) -> WriteOutcome:
        """Send a prepared write, unless its days changed since; settle before it what other processes left open.

        What this raises, `CalendarWriter.write` says.
        """
        with self._container.source(prepared.account_id, urgent=True) as source:
            self.settle(prepared.account_id, source)
            live = self._live_days(prepared.account_id, source)
            writer = CalendarWriter(self._database, source.calendar_api, live, prepared.account_id, self._taken)
            return writer.write(prepared.request, prepared.calendar.days)

    def settle(self, account_id: int, source: Client) -> list[CalendarWrite]:
        """Settle the writes of an account that other processes left open, a request each; return those that changed.

        A source that does not answer is no reason to stop: they stay open.
        """
        with suppress(SourceError, AccountError):
            return settle_open_writes(self._database, self._live_days(account_id, source), account_id, self._taken)
        return []

    def list_newest(
        self, *, states: Sequence[WriteState] = (), account_id: int | None = None, limit: int = MOST_LISTED
    ) -> list[CalendarWrite]:
        """Return the newest rows of the ledger, in the order in which they were written."""
        return self._database.transaction(
            lambda connection: ledger.list_newest(connection, states=states, account_id=account_id, limit=limit)
        )

    def _live_days(self, account_id: int, source: Client) -> LiveDays:
        return LiveDays(
            self._database,
            source,
            account_id,
            self._container.resources.mirrored_by(self._database, account_id).calendar,
        )
