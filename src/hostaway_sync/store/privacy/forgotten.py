"""Forgotten guests: the objects that belong to them, and the erasure of new data about these objects.

A transaction that writes a page has locked the owner of its rows, and one that forgets a guest waits for all of these:
so no page in flight brings a guest back. A delivery locks the row of its account, and then reads these objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.deliveries import REQUEST_ID
from hostaway_sync.model.records import Resource
from hostaway_sync.store.privacy import erasure_rules
from hostaway_sync.store.tables import conversation_messages, conversations, dead_letters, forgotten_guests, webhook_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hostaway_sync.model.deliveries import RefreshTarget
    from hostaway_sync.model.kinds.kind import KindRecord
    from hostaway_sync.model.records import Page, Record, Shape

# Columns with the ids of the owners of a record.
_OWNERS: Final = frozenset({"reservation_id", "conversation_id"})
_DIGITS: Final = re.compile(r"(?<![0-9])[0-9]{1,19}(?![0-9])")


def keep_size_only(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return an expression for the size of bytes in their place; a value that is such a size already stays."""
    beginning = sa.literal(erasure_rules.ERASED_BYTES, sa.LargeBinary)
    size = sa.func.convert_to(sa.cast(sa.func.length(column), sa.Text) + " bytes", "UTF8")
    is_gone = sa.func.substring(column, 1, len(erasure_rules.ERASED_BYTES)) == beginning
    return sa.case((is_gone, column), else_=beginning.op("||")(size))


_EVENT: Final = webhook_log.c.event
_REQUEST: Final = webhook_log.c.headers[REQUEST_ID].astext
EMPTIED_DELIVERY: Final[Mapping[str, Any]] = {
    "payload": sa.null(),
    "body": keep_size_only(webhook_log.c.body),
    # An event with an object is one that we know; any other is a text of the sender.
    "event": sa.case(
        (webhook_log.c.target_resource.is_not(None) & _EVENT.regexp_match("^[A-Za-z_.]{0,60}$"), _EVENT),
        else_=erasure_rules.ERASED,
    ),
    "headers": sa.case(
        (_REQUEST.regexp_match("^[0-9a-f-]{36}$"), sa.func.jsonb_build_object(REQUEST_ID, _REQUEST)),
        else_=sa.literal_column("'{}'::jsonb"),
    ),
    "signature": None,
}
"""The values of an emptied delivery: of its content nothing stays but the object that it was about."""
EMPTIED_LETTER: Final[Mapping[str, Any]] = {"payload": sa.null(), "headers": sa.null()}
"""The values of a dead letter without what its delivery said."""


@dataclass(frozen=True, slots=True)
class ForgottenObjects:
    """The objects of an account whose guests are forgotten, by their ids."""

    reservations: frozenset[int] = frozenset()
    conversations: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        """Return whether any object is forgotten."""
        return bool(self.reservations or self.conversations)

    def has(self, record: Record, shape: Shape, parent: int | None = None) -> bool:
        """Return whether a record belongs to a forgotten guest, or its owner cannot be told.

        Args:
            record: the record as it was received, perhaps damaged.
            shape: the shape of its payload.
            parent: the id of the object whose list held the record; it counts even if the record names another one.
        """
        resource = shape.resource
        if resource is Resource.LISTINGS:
            return False
        if record.id is None or self._are_owners(resource, parent):
            return True
        if resource is Resource.RESERVATIONS:
            return record.id in self.reservations
        columns = record.columns
        conversation = record.id if resource is Resource.CONVERSATIONS else columns.get("conversation_id")
        if columns.get("reservation_id") in self.reservations or conversation in self.conversations:
            return True
        has_no_owner = conversation is None and columns.get("reservation_id") is None
        is_unclear = parent is None and (has_no_owner or not _OWNERS.isdisjoint(record.misfits))
        return is_unclear or self._are_copied_in(record.payload, shape)

    def _are_owners(self, resource: Resource, parent: int | None) -> bool:
        """Return whether the reservation of a list of conversations, or the conversation of messages, is forgotten."""
        return parent in (self.reservations if resource is Resource.CONVERSATIONS else self.conversations)

    def _are_copied_in(self, payload: str, shape: Shape) -> bool:
        """Return whether a conversation holds copies of these objects, even if it names another reservation."""
        if shape.resource is not Resource.CONVERSATIONS:
            return False
        owners = erasure_rules.find_copied_owners(payload, shape.vocabulary)
        return owners is None or not self._all.isdisjoint(_numbers_in(list(owners)))

    @property
    def _all(self) -> frozenset[int]:
        return self.reservations | self.conversations

    def are_named_in(self, payload: str | None) -> bool:
        """Return whether JSON text names one of these objects, or cannot be read."""
        if payload is None:
            return True
        try:
            return not self._all.isdisjoint(_numbers_in(msgspec.json.decode(payload)))
        except (msgspec.MsgspecError, RecursionError):
            return True


def read_forgotten(connection: sa.Connection, account_id: int) -> ForgottenObjects:
    """Return the objects of an account whose guests are forgotten."""
    columns = (forgotten_guests.c.resource, forgotten_guests.c.object_id)
    rows = connection.execute(sa.select(*columns).where(forgotten_guests.c.account_id == account_id)).all()
    ids = {resource: frozenset(row.object_id for row in rows if row.resource == resource) for resource in Resource}
    return ForgottenObjects(ids[Resource.RESERVATIONS], ids[Resource.CONVERSATIONS])


def may_be_about_them(
    connection: sa.Connection, account_id: int, target: RefreshTarget | None, payload: str | None
) -> bool:
    """Return whether a delivery may be about a forgotten guest of the account.

    It is kept as it came only if its object belongs to another guest: a reservation that is not forgotten, or a
    conversation that is mirrored and not forgotten. A name tells nothing here, because it is forgotten, too.
    """
    known = read_forgotten(connection, account_id)
    if not known:
        return False
    if target is None or target.resource is Resource.LISTINGS or known.are_named_in(payload):
        return True
    if target.resource is Resource.RESERVATIONS:
        return target.object_id in known.reservations
    mine = (conversations.c.account_id == account_id, conversations.c.id == target.object_id)
    is_mirrored = connection.scalar(sa.select(sa.exists().where(*mine)))
    return target.object_id in known.conversations or not is_mirrored


def erase_kind_records(
    connection: sa.Connection, account_id: int, records: Sequence[KindRecord]
) -> Sequence[KindRecord]:
    """Return objects of the other kinds without the data of forgotten guests; texts that name one go whole."""
    known = read_forgotten(connection, account_id)
    if not known:
        return records
    return [_erase_kind_record(one) if known.are_named_in(one.payload) else one for one in records]


def _erase_kind_record(record: KindRecord) -> KindRecord:
    columns = {name: None if isinstance(value, str) else value for name, value in record.columns.items()}
    return replace(record, payload="{}", columns=columns, exact=None, reason=None)


def remember_objects(connection: sa.Connection, account_id: int, resource: Resource, ids: Iterable[int]) -> None:
    """Store that these objects belong to forgotten guests and are to be erased, also those that were erased before."""
    rows = [{"account_id": account_id, "resource": resource.value, "object_id": number} for number in sorted(ids)]
    if rows:
        statement = insert(forgotten_guests).values(rows)
        keys = ["account_id", "resource", "object_id"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={"erased_at": None}))


def remove_forgotten_guests(connection: sa.Connection, account_id: int, page: Page, *, writing: bool = False) -> Page:
    """Return a page without the data of forgotten guests.

    With `writing`, a new conversation of such a guest is remembered, too: its messages may not name their owner.
    """
    resource = page.shape.resource
    if resource is Resource.LISTINGS:
        return page
    known = read_forgotten(connection, account_id)
    if not known:
        return page
    before = _read_stored_owners(connection, account_id, page, known)
    theirs = [record.id in before or known.has(record, page.shape, page.parent) for record in page.records]
    if writing and resource is Resource.CONVERSATIONS:
        ids = {record.id for record, is_theirs in zip(page.records, theirs, strict=True) if is_theirs and record.id}
        _remember_later(connection, account_id, ids - known.conversations)
    pairs = zip(page.records, theirs, strict=True)
    records = [
        _with_owners(erasure_rules.erase_record(record, page.shape), before) if is_theirs else record
        for record, is_theirs in pairs
    ]
    return replace(page, records=tuple(records))


def _read_stored_owners(
    connection: sa.Connection, account_id: int, page: Page, known: ForgottenObjects
) -> dict[int, dict[str, Any]]:
    """Return the stored owners of those messages of a page whose rows belong to a forgotten guest."""
    if page.shape.resource is not Resource.MESSAGES:
        return {}
    table, array = conversation_messages, sa.ARRAY(sa.BigInteger)
    owners = (table.c.reservation_id, table.c.conversation_id)
    of_one = [
        column == sa.func.any(sa.literal(sorted(ids), array))
        for column, ids in zip(owners, (known.reservations, known.conversations), strict=True)
    ]
    ids = [record.id for record in page.records if record.id is not None]
    is_one = (table.c.account_id == account_id, table.c.id == sa.func.any(sa.literal(ids, array)))
    rows = connection.execute(sa.select(table.c.id, *owners).where(*is_one, sa.or_(*of_one)))
    return {row.id: {"reservation_id": row.reservation_id, "conversation_id": row.conversation_id} for row in rows}


def _with_owners(record: Record, before: Mapping[int, dict[str, Any]]) -> Record:
    """Return a message with its stored owners: without them, it could not be recognized in the next page."""
    owners = before.get(record.id) if record.id is not None else None
    return record if owners is None else replace(record, columns={**record.columns, **owners})


def _remember_later(connection: sa.Connection, account_id: int, ids: set[int]) -> None:
    """Remember newly found conversations of forgotten guests; empty the deliveries and dead letters about them."""
    if not ids:
        return
    remember_objects(connection, account_id, Resource.CONVERSATIONS, ids)
    theirs = sa.func.any(sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger)))
    for table, number, values in (
        (webhook_log, webhook_log.c.object_id, EMPTIED_DELIVERY),
        (dead_letters, dead_letters.c.target_id, EMPTIED_LETTER),
    ):
        about = (table.c.target_resource == Resource.CONVERSATIONS.value, number == theirs)
        connection.execute(sa.update(table).where(table.c.account_id == account_id, *about).values(values))


def _numbers_in(document: object) -> Iterator[int]:
    """Yield every number in JSON that may be an id, at any depth, also within texts and keys."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield from (int(digits) for digits in _DIGITS.findall(value))
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
            yield int(value)
