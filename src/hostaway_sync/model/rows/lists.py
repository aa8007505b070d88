"""The lists of rows that a caller can ask for, and what narrows each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

LARGEST_PAGE: Final = 500


class RowList(StrEnum):
    """A list of rows: a view of `core`, the runs of syncs, what was sent to guests, or dead letters."""

    ACCOUNTS = "accounts"
    LISTINGS = "listings"
    RESERVATIONS = "reservations"
    MESSAGES = "messages"
    CALENDAR_DAYS = "calendar_days"
    SYNC_RUNS = "sync_runs"
    SENT_MESSAGES = "sent_messages"
    DEAD_LETTERS = "dead_letters"


class Part(StrEnum):
    """What can be read together with a reservation."""

    MESSAGES = "messages"
    HISTORY = "history"
    LISTING = "listing"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilters:
    """Which rows of a list are wanted; None: whatever they have there.

    Attributes:
        account_id: those of this account.
        listing_id: those of this listing, by its id at the source or its whole key.
        reservation_id: those of this reservation, likewise.
        status: of a reservation, in the word of `core`.
        channel: of a reservation, in the word of `core`.
        check_in_from: earliest day of arrival.
        check_in_to: latest day of arrival, included.
        first_day: earliest day of a calendar.
        last_day: latest day of a calendar, included.
        updated_since: those that this mirror stored, saw change or missed at this moment or later.
        state: of a run, of a message that was sent from here, or of a dead letter.
    """

    account_id: int | None = None
    listing_id: str | None = None
    reservation_id: str | None = None
    status: str | None = None
    channel: str | None = None
    check_in_from: date | None = None
    check_in_to: date | None = None
    first_day: date | None = None
    last_day: date | None = None
    updated_since: datetime | None = None
    state: str | None = None

    def given(self) -> dict[str, Any]:
        """Return those that are given, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


EVERYTHING: Final = RowFilters()

FILTERS: Final[Mapping[RowList, frozenset[str]]] = {
    RowList.ACCOUNTS: frozenset({"account_id"}),
    RowList.LISTINGS: frozenset({"account_id", "updated_since"}),
    RowList.RESERVATIONS: frozenset(
        {"account_id", "listing_id", "status", "channel", "check_in_from", "check_in_to", "updated_since"}
    ),
    RowList.MESSAGES: frozenset({"account_id", "reservation_id"}),
    RowList.CALENDAR_DAYS: frozenset({"account_id", "listing_id", "first_day", "last_day"}),
    RowList.SYNC_RUNS: frozenset({"account_id", "state"}),
    RowList.SENT_MESSAGES: frozenset({"account_id", "state"}),
    RowList.DEAD_LETTERS: frozenset({"account_id", "state"}),
}
"""The filters that each list knows."""

PARENTS: Final[Mapping[RowList, tuple[RowList, str]]] = {
    RowList.MESSAGES: (RowList.RESERVATIONS, "reservation_id"),
    RowList.CALENDAR_DAYS: (RowList.LISTINGS, "listing_id"),
}
"""The lists of one object's rows: the list in which that object is, and the filter that names it."""


def require_filters(wanted: RowList, filters: RowFilters) -> None:
    """Raise UsageError unless the list knows these filters."""
    unknown = filters.given().keys() - FILTERS[wanted]
    if unknown:
        raise UsageError(f"{wanted} cannot be chosen by {min(unknown)}: use {', '.join(sorted(FILTERS[wanted]))}")


def require_limit(limit: int) -> None:
    """Raise UsageError unless a page may have so many rows."""
    if not 0 < limit <= LARGEST_PAGE:
        raise UsageError(f"a page cannot have {limit} rows: ask for 1 to {LARGEST_PAGE}")
