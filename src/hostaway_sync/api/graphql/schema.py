"""The fields that can be asked for: columns of the views, by their types and comments, and what rows have of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import GenericAlias, new_class
from typing import Any, Final

import strawberry
from graphql import GraphQLSchema
from strawberry.annotation import StrawberryAnnotation
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from hostaway_sync.api.graphql import fields
from hostaway_sync.api.graphql.scalars import BY_TYPE, SCALARS, DateTime, Json
from hostaway_sync.model.rows.columns import RowColumn
from hostaway_sync.model.rows.lists import RowList

TYPES: Final[Mapping[RowList, tuple[str, str]]] = {
    RowList.ACCOUNTS: ("Account", "An account."),
    RowList.LISTINGS: ("Listing", "What can be booked."),
    RowList.RESERVATIONS: ("Reservation", "A stay, or what may become one."),
    RowList.MESSAGES: ("Message", "A message of a thread."),
    RowList.CALENDAR_DAYS: ("CalendarDay", "A day of the calendar of a listing."),
}
"""The lists of rows that have a type, with its name and meaning."""

_EVENT: Final[tuple[tuple[str, Any, str], ...]] = (
    ("at", DateTime, "When it happened, by the source's clock where it says so, else when it was stored."),
    ("kind", str, "What it is about."),
    ("says", str, "What happened, in words."),
    ("resource", str, "Of the record that it is about."),
    ("record_id", str, "Of that record."),
    ("change_id", str, "The change that tells it."),
    ("before", Json, "The values that were replaced."),
    ("after", Json, "The values that replaced them."),
    ("cause", str, "What made the change."),
    ("cause_id", str, "Which one."),
)


def build_schema(columns: Mapping[RowList, Iterable[RowColumn]]) -> GraphQLSchema:
    """Return the schema of rows that have these columns."""
    names: dict[str, Any] = {}
    related = _relate(names)
    for one, (name, meaning) in TYPES.items():
        own = {column.name: _column(column) for column in columns[one]} | related.get(one, {})
        names[name] = _create_type(name, own.values(), meaning)
        names[f"{name}Page"] = _create_type(
            f"{name}Page",
            [
                _plain("items", GenericAlias(list, (names[name],)), "The rows of this page."),
                _plain("next", str | None, "The cursor of the next page; null: this is the last."),
            ],
        )
    event = [_plain(name, kind | None, meaning) for name, kind, meaning in _EVENT]
    names["LifeEvent"] = _create_type("LifeEvent", event, "One thing that happened to a stay.")
    config = StrawberryConfig(auto_camel_case=False, default_resolver=_read_member, scalar_map=SCALARS)
    query = _create_type("Query", _roots(names))
    return strawberry.Schema(query, config=config)._schema  # noqa: SLF001  (no other way to it)


def _create_type(name: str, members: Iterable[StrawberryField], meaning: str | None = None) -> type:
    """Return a type; what its fields with a resolver return is resolved with the schema, when all types are made."""
    found = {str(member.python_name or member.graphql_name): member for member in members}
    later = {key: member.type_annotation for key, member in found.items() if member.base_resolver is not None}
    plain = {key: member.type for key, member in found.items() if key not in later}
    made = new_class(name, (), {}, lambda space: space.update({**found, "__annotations__": plain}))
    whole = strawberry.type(made, description=meaning)
    for key, annotation in later.items():
        found[key].type_annotation = annotation  # Strawberry forgets names that it cannot resolve yet
    return whole


def _roots(names: dict[str, Any]) -> list[StrawberryField]:
    field = _Namer(names)
    return [
        field("accounts", "AccountPage", fields.list_accounts, "The accounts of the caller, by id."),
        field("account", "Account | None", fields.get_account, "One account; null: the caller has none of this id."),
        field("listings", "ListingPage", fields.list_listings, "Listings, by account and id."),
        field("listing", "Listing | None", fields.get_listing, "One listing; null: the caller has none of this id."),
        field("reservations", "ReservationPage", fields.list_reservations, "Reservations, by account and id."),
        field(
            "reservation",
            "Reservation | None",
            fields.get_reservation,
            "One reservation; null: the caller has none of this id.",
        ),
        field(
            "history",
            "list[LifeEvent] | None",
            fields.tell_history,
            "The life of one reservation, in the order in which it happened; null: the caller has none of this id.",
        ),
    ]


def _relate(names: dict[str, Any]) -> dict[RowList, dict[str, StrawberryField]]:
    """Return what rows have of others, by name."""
    field = _Namer(names)
    account = field("account", "Account | None", fields.get_account_of_row, "The account of the row.")
    of_account, of_listing = fields.RESERVATIONS_OF_ACCOUNT, fields.RESERVATIONS_OF_LISTING
    related = {
        RowList.ACCOUNTS: (
            field("listings", "ListingPage", fields.list_listings_of_account, "Its listings, by id."),
            field("reservations", "ReservationPage", of_account, "Its reservations, by id."),
        ),
        RowList.LISTINGS: (
            account,
            field("calendar", "CalendarDayPage", fields.list_days, "Its days; the last day is included."),
            field("reservations", "ReservationPage", of_listing, "Its reservations, by id."),
        ),
        RowList.RESERVATIONS: (
            account,
            field("listing", "Listing | None", fields.get_listing_of_row, "What was booked, where it is mirrored."),
            field("messages", "MessagePage", fields.list_messages, "Its messages, by id."),
        ),
    }
    return {one: {str(each.graphql_name): each for each in found} for one, found in related.items()}


class _Namer:
    """Makes fields of types that may not be made yet.

    Args:
        names: the types, by name, once they are made.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def __call__(self, name: str, kind: str, resolver: Callable[..., Any], meaning: str) -> StrawberryField:
        """Return a field."""
        made = strawberry.field(
            resolver=resolver,
            name=name,
            graphql_type=StrawberryAnnotation(kind, namespace=self._names),
            description=meaning,
        )
        assert isinstance(made, StrawberryField)  # noqa: S101  (declared as Any)
        made.python_name = name
        return made


def _column(column: RowColumn) -> StrawberryField:
    return _plain(column.name, BY_TYPE[column.type] | None, column.comment)


def _plain(name: str, kind: Any, meaning: str | None) -> StrawberryField:  # noqa: ANN401  (a type)
    made: StrawberryField = strawberry.field(name=name, graphql_type=kind, description=meaning)
    return made


def _read_member(row: Mapping[str, Any], name: str) -> object:
    """Return a member of a row; what was not read is null."""
    return row.get(name)
