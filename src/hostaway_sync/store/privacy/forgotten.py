"""Guests who are forgotten: which objects are theirs, and whatever comes of those loses the guest before it is stored.

Whoever writes a page has asked for its owner before, and whoever forgets a guest waits for all of those: so no page in
flight can bring a guest back. Deliveries are stored after their account's row was locked, and then look here.
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
from hostaway_sync.store.tables import conversation_messages, forgotten_guests, webhook_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hostaway_sync.model.records import Page, Record, Shape

# Columns that say whose a record is.
_OWNERS: Final = frozenset({"reservation_id", "conversation_id"})
_DIGITS: Final = re.compile(r"(?<![0-9])[0-9]{1,19}(?![0-9])")


def keep_size_only(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Say of bytes only how many there were; of what says so already, the same."""
    beginning = sa.literal(erasure_rules.ERASED_BYTES, sa.LargeBinary)
    size = sa.func.convert_to(sa.cast(sa.func.length(column), sa.Text) + " bytes", "UTF8")
    is_gone = sa.func.substring(column, 1, len(erasure_rules.ERASED_BYTES)) == beginning
    return sa.case((is_gone, column), else_=beginning.op("||")(size))


_EVENT: Final = webhook_log.c.event
_REQUEST: Final = webhook_log.c.headers[REQUEST_ID].astext
EMPTIED_DELIVERY: Final[Mapping[str, Any]] = {
    "payload": sa.null(),
    "body": keep_size_only(webhook_log.c.body),
    "event": sa.case((_EVENT.regexp_match("^[A-Za-z_.]{0,60}$"), _EVENT), else_=erasure_rules.ERASED),
    "headers": sa.case(
        (_REQUEST.regexp_match("^[0-9a-f-]{36}$"), sa.func.jsonb_build_object(REQUEST_ID, _REQUEST)),
        else_=sa.literal_column("'{}'::jsonb"),
    ),
    "signature": None,
}
"""What stands in a delivery of which nothing may stay but what it was about."""


@dataclass(frozen=True, slots=True)
class ForgottenObjects:
    """Objects of an account whose guests are forgotten."""

    reservations: frozenset[int] = frozenset()
    conversations: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return bool(self.reservations or self.conversations)

    def has(self, record: Record, shape: Shape, parent: int | None = None) -> bool:
        """Say whether a record is of a forgotten guest, or of whom nobody can say whose it is.

        Args:
            record: as received, or as the source may have damaged it.
            shape: of its payload.
            parent: whose list it stood in; that counts whatever the record says.
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
        is_nobodys = conversation is None and columns.get("reservation_id") is None
        is_unclear = parent is None and (is_nobodys or not _OWNERS.isdisjoint(record.misfits))
        return is_unclear or self._are_copied_in(record.payload, shape)

    def _are_owners(self, resource: Resource, parent: int | None) -> bool:
        """Whether a list belongs to one of these: of conversations to a reservation, of messages to a conversation."""
        return parent in (self.reservations if resource is Resource.CONVERSATIONS else self.conversations)

    def _are_copied_in(self, payload: str, shape: Shape) -> bool:
        """Whether a conversation holds copies of these objects, though it says that it is another reservation's."""
        if shape.resource is not Resource.CONVERSATIONS:
            return False
        owners = erasure_rules.find_copied_owners(payload, shape.vocabulary)
        return owners is None or not self._all.isdisjoint(_numbers(list(owners)))

    @property
    def _all(self) -> frozenset[int]:
        return self.reservations | self.conversations

    def are_named_in(self, payload: str | None) -> bool:
        """Say whether JSON text names one of these objects, or nobody can say what it names."""
        if payload is None:
            return True
        try:
            return not self._all.isdisjoint(_numbers(msgspec.json.decode(payload)))
        except (msgspec.MsgspecError, RecursionError):
            return True


def read_forgotten(connection: sa.Connection, account_id: int) -> ForgottenObjects:
    """Give the objects of an account whose guests are forgotten."""
    columns = (forgotten_guests.c.resource, forgotten_guests.c.object_id)
    rows = connection.execute(sa.select(*columns).where(forgotten_guests.c.account_id == account_id)).all()
    ids = {resource: frozenset(row.object_id for row in rows if row.resource == resource) for resource in Resource}
    return ForgottenObjects(ids[Resource.RESERVATIONS], ids[Resource.CONVERSATIONS])


def remember_objects(connection: sa.Connection, account_id: int, resource: Resource, ids: Iterable[int]) -> None:
    """Take down that these objects are a forgotten guest's, and are to be erased, again where they were before."""
    rows = [{"account_id": account_id, "resource": resource.value, "object_id": number} for number in sorted(ids)]
    if rows:
        statement = insert(forgotten_guests).values(rows)
        keys = ["account_id", "resource", "object_id"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={"erased_at": None}))


def remove_forgotten_guests(connection: sa.Connection, account_id: int, page: Page, *, writing: bool = False) -> Page:
    """Give a page in which no forgotten guest is.

    With `writing`, a conversation of such a guest that is new is remembered, too: its messages may not say whose.
    """
    resource = page.shape.resource
    if resource is Resource.LISTINGS:
        return page
    known = read_forgotten(connection, account_id)
    if not known:
        return page
    before = _stored(connection, account_id, page, known)
    theirs = [record.id in before or known.has(record, page.shape, page.parent) for record in page.records]
    if writing and resource is Resource.CONVERSATIONS:
        ids = {record.id for record, is_theirs in zip(page.records, theirs, strict=True) if is_theirs and record.id}
        _remember_later(connection, account_id, ids - known.conversations)
    pairs = zip(page.records, theirs, strict=True)
    records = [
        _owned(erasure_rules.erase_record(record, page.shape), before) if is_theirs else record
        for record, is_theirs in pairs
    ]
    return replace(page, records=tuple(records))


def _stored(
    connection: sa.Connection, account_id: int, page: Page, known: ForgottenObjects
) -> dict[int, dict[str, Any]]:
    """Return the owners of those messages of a page that are stored as a forgotten guest's, whatever they say now."""
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


def _owned(record: Record, before: Mapping[int, dict[str, Any]]) -> Record:
    """Return a message with the owners that it had, or nobody would know it again."""
    owners = before.get(record.id) if record.id is not None else None
    return record if owners is None else replace(record, columns={**record.columns, **owners})


def _remember_later(connection: sa.Connection, account_id: int, ids: set[int]) -> None:
    """Remember conversations that turned out to be a forgotten guest's, and empty the deliveries that told of them."""
    if not ids:
        return
    remember_objects(connection, account_id, Resource.CONVERSATIONS, ids)
    about = (
        webhook_log.c.account_id == account_id,
        webhook_log.c.target_resource == Resource.CONVERSATIONS.value,
        webhook_log.c.object_id == sa.func.any(sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger))),
    )
    connection.execute(sa.update(webhook_log).where(*about).values(EMPTIED_DELIVERY))


def _numbers(document: object) -> Iterator[int]:
    """Return every number in JSON that may be an id, those within texts and keys, too; however deep it lies."""
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
