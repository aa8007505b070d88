"""Where the lists of rows are: which table finds the rows of each, in which order, and which view says what they are.

Tables find rows, because they have numbers, days and moments in indexes that the views of `core` do not show. Views
say what a row is, and what a word of a filter means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa

from hostaway_sync.model.ids import read_id
from hostaway_sync.model.rows.cursor import refuse_cursor
from hostaway_sync.model.rows.lists import RowList
from hostaway_sync.store.history.stay import select_message_ids
from hostaway_sync.store.tables import (
    accounts,
    calendar_days,
    conversation_messages,
    dead_letters,
    listings,
    reservations,
    sent_messages,
    sync_runs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.sql.elements import ColumnElement

OTHER_STATUS: Final = "other_status"
"""The condition of reservations whose status is unknown to `core`; its values are the statuses that it knows."""

LETTER_STATE: Final = sa.func.coalesce(dead_letters.c.resolution, sa.literal("waiting", sa.Text))
"""The state of a dead letter, as callers name it."""

_RUN_SEPARATOR: Final = "/"


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The key of a row inside its account, as a cursor has it.

    Attributes:
        read: returns the values of a text, in the order of the columns; raises ValueError if there are none.
        write: returns the text of values.
    """

    read: Callable[[str], tuple[Any, ...]]
    write: Callable[..., str]

    def parse(self, text: str) -> tuple[Any, ...]:
        """Return the values of a key that was written as this text.

        Raises:
            UsageError: no key is written so.
        """
        try:
            values = self.read(text)
        except (ValueError, OverflowError):
            raise refuse_cursor() from None
        if self.write(*values) != text:
            raise refuse_cursor()
        return values


@dataclass(frozen=True, slots=True)
class ListPlace:
    """Where the rows of a list are.

    Attributes:
        table: that finds them.
        key: its columns that order the rows of one account.
        form: how a cursor has their values.
        view: of `core`, that says what they are; None: the table says it itself.
        lookup: by which columns a row of the table is found in the view: the table's, and the view's name.
        conditions: by the name of a filter; each gets the parameter of that name.
        children: by the name of the filter that names a parent of rows; each gets the parent's account and number.
        words: filters by a word of the view: its column.
        is_newest_first: whether the order is descending.
        is_of_all: whether a page walks all accounts at once: an account has one row.
    """

    table: sa.Table
    key: tuple[sa.Column[Any], ...]
    form: KeyForm
    view: str | None
    lookup: tuple[tuple[sa.Column[Any], str], ...]
    conditions: Mapping[str, Callable[[ColumnElement[Any]], ColumnElement[bool]]] = field(default_factory=dict)
    children: Mapping[str, Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[bool]]] = field(
        default_factory=dict
    )
    words: frozenset[str] = frozenset()
    is_newest_first: bool = False
    is_of_all: bool = False


def _read_number(text: str) -> tuple[int]:
    number = read_id(text)
    if number is None:
        raise ValueError(text)
    return (number,)


def _read_run(text: str) -> tuple[datetime, UUID]:
    moment, _, run_id = text.partition(_RUN_SEPARATOR)
    return datetime.fromisoformat(moment), UUID(run_id)


def _write_run(moment: datetime, run_id: UUID) -> str:
    return f"{moment.astimezone(UTC).isoformat()}{_RUN_SEPARATOR}{run_id}"


_NUMBER: Final = KeyForm(_read_number, str)
_DAY: Final = KeyForm(lambda text: (date.fromisoformat(text),), date.isoformat)
_RUN: Final = KeyForm(_read_run, _write_run)


def _updated(table: sa.Table) -> Callable[[ColumnElement[Any]], ColumnElement[bool]]:
    """Return the condition of rows that were stored, changed or missed since: a mark alone is no change of the row."""
    return lambda since: sa.or_(table.c.updated_at >= since, table.c.missing_since >= since)


def _messages_of(account_id: ColumnElement[Any], reservation_id: ColumnElement[Any]) -> ColumnElement[bool]:
    ids = select_message_ids(account_id, reservation_id)
    return conversation_messages.c.id == sa.func.any(sa.func.array(ids.scalar_subquery()))


def _is_other_status(known: ColumnElement[Any]) -> ColumnElement[bool]:
    status = reservations.c.status
    return sa.or_(status.is_(None), status != sa.func.all(sa.cast(known, sa.ARRAY(sa.Text))))


PLACES: Final[Mapping[RowList, ListPlace]] = {
    RowList.ACCOUNTS: ListPlace(
        accounts, (accounts.c.account_id,), _NUMBER, "accounts", ((accounts.c.core_key, "account_key"),), is_of_all=True
    ),
    RowList.LISTINGS: ListPlace(
        listings,
        (listings.c.id,),
        _NUMBER,
        "listings",
        ((listings.c.core_key, "listing_key"),),
        {"updated_since": _updated(listings)},
    ),
    RowList.RESERVATIONS: ListPlace(
        reservations,
        (reservations.c.id,),
        _NUMBER,
        "reservations",
        ((reservations.c.core_key, "reservation_key"),),
        {
            "listing_id": reservations.c.listing_id.__eq__,
            "status": lambda words: reservations.c.status == sa.func.any(sa.cast(words, sa.ARRAY(sa.Text))),
            OTHER_STATUS: _is_other_status,
            "check_in_from": reservations.c.arrival_date.__ge__,
            "check_in_to": reservations.c.arrival_date.__le__,
            "updated_since": _updated(reservations),
        },
        children={"listing_id": lambda _, number: reservations.c.listing_id == number},
        words=frozenset({"channel"}),
    ),
    RowList.MESSAGES: ListPlace(
        conversation_messages,
        (conversation_messages.c.id,),
        _NUMBER,
        "messages",
        ((conversation_messages.c.core_key, "message_key"),),
        {"reservation_id": lambda number: _messages_of(sa.bindparam("one", type_=sa.BigInteger), number)},
        children={"reservation_id": _messages_of},
    ),
    RowList.CALENDAR_DAYS: ListPlace(
        calendar_days,
        (calendar_days.c.date,),
        _DAY,
        "calendar_days",
        ((calendar_days.c.core_listing_key, "listing_key"), (calendar_days.c.date, "date")),
        {
            "listing_id": calendar_days.c.listing_id.__eq__,
            "first_day": calendar_days.c.date.__ge__,
            "last_day": calendar_days.c.date.__le__,
        },
        children={"listing_id": lambda _, number: calendar_days.c.listing_id == number},
    ),
    RowList.SYNC_RUNS: ListPlace(
        sync_runs,
        (sync_runs.c.triggered_at, sync_runs.c.run_id),
        _RUN,
        None,
        ((sync_runs.c.run_id, "run_id"),),
        {"state": sync_runs.c.state.__eq__},
        is_newest_first=True,
    ),
    RowList.SENT_MESSAGES: ListPlace(
        sent_messages,
        (sent_messages.c.intent_id,),
        _NUMBER,
        None,
        ((sent_messages.c.intent_id, "number"),),
        {"state": sent_messages.c.state.__eq__},
        is_newest_first=True,
    ),
    RowList.DEAD_LETTERS: ListPlace(
        dead_letters,
        (dead_letters.c.dead_letter_id,),
        _NUMBER,
        None,
        ((dead_letters.c.dead_letter_id, "number"),),
        {"state": LETTER_STATE.__eq__},
        is_newest_first=True,
    ),
}
