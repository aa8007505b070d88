"""Writes to a calendar: what an operator asks for, its row in the ledger, and the API of a source that takes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from hostaway_sync.errors import HostawaySyncError
    from hostaway_sync.model.calendar.days import Days
    from hostaway_sync.model.calendar.listing_calendar import StoredDay

Value: TypeAlias = bool | int | Decimal | str | None
"""Of a column of a day."""
Values: TypeAlias = "Mapping[str, Value]"
"""By column; a column that is left out keeps what it has."""

WRITABLE: Final = (
    "is_available",
    "price",
    "minimum_stay",
    "maximum_stay",
    "closed_on_arrival",
    "closed_on_departure",
    "note",
)
"""The columns of a day that can be written."""


class WriteState(StrEnum):
    """How far a write came; see `store.calendar.writes`."""

    PENDING = "pending"
    SENDING = "sending"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    OUTCOME_UNKNOWN = "outcome_unknown"


OPEN_STATES: Final = frozenset({WriteState.PENDING, WriteState.SENDING, WriteState.OUTCOME_UNKNOWN})


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What an operator asks for: the same values for each day of a stretch.

    Attributes:
        listing_id: the source's id.
        days: which days.
        values: what each of them is to have, whatever it has now.
        account_id: whose listing; None: of the only account that has one with this id.
    """

    listing_id: int
    days: Days
    values: Values
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class CalendarWrite:
    """One row of the ledger.

    Attributes:
        write_id: its number.
        account_id: whose listing.
        listing_id: the source's id.
        days: which days.
        new: what each of them is to have.
        old: what they had just before, in the columns of `new`.
        state: how far it came.
        owner: the process that sends it, or did so.
        os_user: the user of that process.
        host: the machine of that process.
        error: why it failed, which days differ, or why its outcome is not known.
        created_at: when it was written down.
        sending_at: when its request left.
        settled_at: when its end was known.
    """

    write_id: int
    account_id: int
    listing_id: int
    days: Days
    new: Values
    old: Mapping[date, Values]
    state: WriteState
    owner: str
    os_user: str
    host: str
    error: str | None
    created_at: datetime
    sending_at: datetime | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What the answer to a request that writes tells.

    Attributes:
        was_accepted: the source says that it was done.
        may_be_done: without that, it may have been done nevertheless.
        was_answered: an answer came, of which at least the status could be read.
        error: what went wrong, as a sentence; None if nothing did.
        fault: the error itself.
    """

    was_accepted: bool
    may_be_done: bool = False
    was_answered: bool = True
    error: str | None = None
    fault: HostawaySyncError | None = field(default=None, compare=False)


class CalendarApi(Protocol):
    """The platform's API for writing days of one account's listings."""

    def write_days(
        self, listing_id: int, days: Days, values: Values, *, before_send: Callable[[], None]
    ) -> WriteAnswer:
        """Ask the source once, and never again, to give each of these days these values.

        Args:
            listing_id: the platform's id.
            days: which days.
            values: by column; columns that are left out keep what they have.
            before_send: called the instant before the request leaves; if it raises, nothing leaves.

        Raises:
            Exception: what `before_send` raises, if it is no `HostawaySyncError`.
        """


def pick_values(day: StoredDay, columns: Mapping[str, object] | tuple[str, ...]) -> dict[str, Value]:
    """Return what a day has in some columns."""
    return {name: getattr(day, name) for name in columns}
