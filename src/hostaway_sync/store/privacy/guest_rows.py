"""How the rows about a guest are found in a table: by ids, by traces, and by parts of the guest's name."""

from __future__ import annotations

from dataclasses import dataclass, field
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.records import Resource
from hostaway_sync.store.privacy import guest_traces
from hostaway_sync.store.privacy.guest_names import GuestNames
from hostaway_sync.store.tables import conversations, reservations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.store.privacy.forgotten import ForgottenObjects

    Whose = Callable[["Guest"], sa.ColumnElement[bool]]

_BATCH: Final = 500
# Columns with what a sender wrote; all others hold sentences of this program.
_DOCUMENTS: Final = frozenset({"payload", "headers", "raw_payload", "before", "after"})


@dataclass(frozen=True, slots=True)
class Guest:
    """What identifies rows of a guest in an account.

    Attributes:
        account_id: the account.
        objects: the guest's reservations and conversations.
        words: the vocabulary of the platform.
        traces: texts that name this guest only.
        names: parts of the guest's name.
    """

    account_id: int
    objects: ForgottenObjects
    words: Vocabulary
    traces: tuple[str, ...] = ()
    names: GuestNames = field(default_factory=GuestNames)

    def ids(self, resource: Resource) -> sa.ColumnElement[Any]:
        """Return the ids of the guest's reservations or conversations as an array."""
        is_reservation = resource is Resource.RESERVATIONS
        ids = self.objects.reservations if is_reservation else self.objects.conversations
        return sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger))

    def is_named_in(self, words: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Return the condition that a text holds the id of one of the guest's objects."""
        ids = "|".join(map(str, sorted(self.objects.reservations | self.objects.conversations)))
        return words.regexp_match(rf"\m({ids})\M") if ids else sa.false()


@dataclass(frozen=True, slots=True)
class GuestTable:
    """A table that may hold data of guests, and how its rows are found and emptied.

    Attributes:
        table: the table; it has a column `account_id`.
        instead: the new values of emptied rows, by column.
        whose: the condition of rows about a guest; None: only `searched` finds rows.
        searched: columns that are searched for traces, ids and names; a row with a hit is emptied.
        unclear: the condition of rows about an object that may be the guest's; None: no row is.
        find_clean: returns the keys of rows that hold nothing of the guest, though they are about it; None: none do.
    """

    table: sa.Table
    instead: Mapping[str, Any]
    whose: Whose | None = None
    searched: tuple[str, ...] = ()
    unclear: sa.ColumnElement[bool] | None = None
    find_clean: Callable[[sa.Connection, Guest], Collection[Any]] | None = None

    def erase(self, connection: sa.Connection, guest: Guest) -> int:
        """Empty the rows of a guest; return how many changed."""
        found = [self.whose(guest)] if self.whose else []
        for name in self.searched:
            words = sa.cast(self.table.c[name], sa.Text)
            found += [_has_trace(words, guest.traces), guest.is_named_in(words)]
        if self.searched and guest.names.parts:
            found.append(_has_key(self.table, self._find_named(connection, guest)))
        clean = self.find_clean(connection, guest) if self.find_clean else ()
        differs = [self.table.c[name].is_distinct_from(value) for name, value in self.instead.items()]
        statement = sa.update(self.table).where(
            self.table.c.account_id == guest.account_id,
            sa.or_(sa.false(), *found),
            sa.or_(*differs),
            ~_has_key(self.table, clean),
        )
        return connection.execute(statement.values(dict(self.instead))).rowcount

    def _find_named(self, connection: sa.Connection, guest: Guest) -> Collection[Any]:
        """Return the keys of the rows with a part of the guest's name. Python compares: lower case is no locale's."""
        texts = [sa.cast(self.table.c[name], sa.Text) for name in self.searched]
        unclear = sa.false() if self.unclear is None else self.unclear
        query = sa.select(*self.table.primary_key.columns, unclear.label("is_unclear"), *texts).where(
            self.table.c.account_id == guest.account_id
        )
        known = guest.names.list_ascii()
        if known is not None:
            # Letters beyond ASCII may stand for others; such texts are all read.
            may_name = [sa.func.octet_length(text) != sa.func.length(text) for text in texts]
            may_name += [sa.func.strpos(_lowered(text), one) > 0 for text in texts for one in known]
            query = query.where(sa.or_(*may_name))
        found = []
        for row in connection.execute(query.execution_options(yield_per=_BATCH)):
            *key, is_unclear = row[: -len(texts)]
            values = zip(self.searched, row[-len(texts) :], strict=True)
            if any(
                guest.names.are_in(value, is_document=name in _DOCUMENTS, is_whose=not is_unclear)
                for name, value in values
                if value is not None
            ):
                found.append(tuple(key))
        return found


def match_target(kind: sa.Column[Any], number: sa.Column[Any]) -> Whose:
    """Return the condition of rows that name an object of the guest as their target."""
    kinds = (Resource.RESERVATIONS, Resource.CONVERSATIONS)
    return lambda guest: sa.or_(*(sa.and_(kind == one.value, number == sa.func.any(guest.ids(one))) for one in kinds))


def match_columns(reservation: sa.Column[Any], conversation: sa.Column[Any]) -> Whose:
    """Return the condition of rows with a reservation or a conversation of the guest in one of two columns."""
    return lambda guest: sa.or_(
        reservation == sa.func.any(guest.ids(Resource.RESERVATIONS)),
        conversation == sa.func.any(guest.ids(Resource.CONVERSATIONS)),
    )


def match_reservation(reservation: sa.Column[Any]) -> Whose:
    """Return the condition of rows with a reservation of the guest in a column."""
    return lambda guest: reservation == sa.func.any(guest.ids(Resource.RESERVATIONS))


def is_unknown(resource: sa.Column[Any], number: sa.Column[Any], table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition of rows about an object of one kind that is not mirrored: whose it is cannot be told."""
    kind = Resource.RESERVATIONS if table is reservations else Resource.CONVERSATIONS
    mirrored = sa.exists().where(table.c.account_id == resource.table.c.account_id, table.c.id == number)
    return sa.and_(resource == kind.value, ~mirrored)


def is_ownerless(resource: sa.Column[Any], number: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Return the condition of deliveries that may be about any guest: of no object, a listing, an unknown thread."""
    return sa.or_(number.is_(None), resource == Resource.LISTINGS.value, is_unknown(resource, number, conversations))


def _has_key(table: sa.Table, keys: Collection[Any]) -> sa.ColumnElement[bool]:
    columns = list(table.primary_key.columns)
    return sa.tuple_(*columns).in_(keys) if keys else sa.false()


def _lowered(text: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    # Only ASCII letters are lowered: others depend on the locale of the database.
    return sa.func.translate(text, ascii_uppercase, ascii_lowercase)


def _has_trace(words: sa.ColumnElement[str], known: tuple[str, ...]) -> sa.ColumnElement[bool]:
    spellings = sorted(guest_traces.list_spellings(known))
    return sa.or_(sa.false(), *(sa.func.strpos(_lowered(words), form) > 0 for form in spellings))
