"""Calendars of listings: read from the mirror."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hostaway_sync.errors import AccountError, HostawaySyncError, UsageError
from hostaway_sync.model.calendar.listing_calendar import ListingCalendar, choose_days, fill_days
from hostaway_sync.store import jobs
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.calendar import readings, stored_days

if TYPE_CHECKING:
    from datetime import date, datetime, tzinfo

    from sqlalchemy import Connection

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.calendar.days import Days
    from hostaway_sync.model.calendar.listing_calendar import ListingFacts


class Calendar:
    """The calendars of one mirror.

    Args:
        container: names the database, and knows the payloads of listings.
    """

    def __init__(self, container: Container) -> None:
        self._database = container.database
        self._words = container.vocabulary

    def read_listing(
        self, listing_id: int, days: Days | None = None, *, account_id: int | None = None
    ) -> ListingCalendar:
        """Return the mirrored days of a listing, without a request.

        Args:
            listing_id: the source's id.
            days: None: three months, from today by the listing's own clock.
            account_id: whose listing; needed where several accounts have one with this id.

        Raises:
            AccountError: the account is unknown.
            UsageError: several accounts have such a listing.
            HostawaySyncError: no account has one.
        """
        if account_id is not None and account_queries.find_account(self._database, account_id) is None:
            raise AccountError.unknown(account_id)

        def read(connection: Connection) -> ListingCalendar:
            found = stored_days.find_listings(connection, listing_id, self._words, account_id=account_id)
            listing = _require_one(found, listing_id, account_id)
            shown = days or choose_days(find_today(jobs.read_clock(connection), listing.time_zone))
            # Before the days: what is read in between is then newer than said, never older.
            reading = readings.read_reading(connection, listing.account_id, listing_id, self._words.archived_listing)
            stored = stored_days.read_days(connection, listing.account_id, listing_id, shown)
            return ListingCalendar(listing, shown, reading, fill_days(shown, stored), self._words.taken_day_statuses)

        return self._database.transaction(read)


def _require_one(found: list[ListingFacts], listing_id: int, account_id: int | None) -> ListingFacts:
    if len(found) > 1:
        accounts = ", ".join(str(listing.account_id) for listing in found)
        raise UsageError(f"accounts {accounts} have a listing {listing_id}: use --account")
    if not found:
        who = "no account" if account_id is None else f"account {account_id}"
        raise HostawaySyncError(f"{who} has a listing {listing_id} here: check the id, or sync first")
    return found[0]


def find_today(now: datetime, time_zone: str | None) -> date:
    """Return the day by the listing's own clock; by UTC where its zone is not known."""
    try:
        zone: tzinfo = ZoneInfo(time_zone or "UTC")
    except (ValueError, OSError, KeyError):
        zone = UTC
    return now.astimezone(zone).date()
