"""Guests who are forgotten: which objects are theirs, and whatever comes of those loses the guest before it is stored.

Whoever writes a page has asked for its owner before, and whoever forgets a guest waits for all of those: so no page in
flight can bring a guest back. Deliveries are stored after their account's row was locked, and then look here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.records import Resource
from hostaway_sync.store import erasure
from hostaway_sync.store.tables import forgotten_guests, webhook_log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.records import Page, Record

_MOST_NESTED = 6


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Objects of an account whose guests are forgotten."""

    reservations: frozenset[int] = frozenset()
    conversations: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return bool(self.reservations or self.conversations)

    def has(self, resource: Resource, record: Record) -> bool:
        """Say whether a record is of a forgotten guest, or of whom nobody can say whose it is."""
        if resource is Resource.LISTINGS:
            return False
        if record.id is None:
            return True
        reservation = record.id if resource is Resource.RESERVATIONS else record.columns.get("reservation_id")
        conversation = record.id if resource is Resource.CONVERSATIONS else record.columns.get("conversation_id")
        return reservation in self.reservations or conversation in self.conversations

    def are_named_in(self, payload: str | None) -> bool:
        """Say whether JSON text names one of these objects, or nobody can say what it names."""
        if payload is None:
            return True
        try:
            numbers = set(_numbers(msgspec.json.decode(payload)))
        except (msgspec.MsgspecError, RecursionError):
            return True
        return not numbers.isdisjoint(self.reservations | self.conversations)


def of_account(connection: sa.Connection, account_id: int) -> Forgotten:
    """Give the objects of an account whose guests are forgotten."""
    columns = (forgotten_guests.c.resource, forgotten_guests.c.object_id)
    rows = connection.execute(sa.select(*columns).where(forgotten_guests.c.account_id == account_id)).all()
    ids = {resource: frozenset(row.object_id for row in rows if row.resource == resource) for resource in Resource}
    return Forgotten(ids[Resource.RESERVATIONS], ids[Resource.CONVERSATIONS])


def remember(connection: sa.Connection, account_id: int, resource: Resource, ids: Iterable[int]) -> None:
    """Take down that these objects are a forgotten guest's, and are to be erased, again where they were before."""
    rows = [{"account_id": account_id, "resource": resource.value, "object_id": number} for number in sorted(ids)]
    if rows:
        statement = insert(forgotten_guests).values(rows)
        keys = ["account_id", "resource", "object_id"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={"erased_at": None}))


def without_guests(connection: sa.Connection, account_id: int, page: Page, *, writing: bool = False) -> Page:
    """Give a page in which no forgotten guest is.

    With `writing`, a conversation of such a guest that is new is remembered, too: its messages may not say whose.
    """
    resource = page.shape.resource
    if resource is Resource.LISTINGS:
        return page
    known = of_account(connection, account_id)
    if not known:
        return page
    theirs = [known.has(resource, record) for record in page.records]
    if writing and resource is Resource.CONVERSATIONS:
        ids = {record.id for record, is_theirs in zip(page.records, theirs, strict=True) if is_theirs and record.id}
        _remember_later(connection, account_id, ids - known.conversations)
    pairs = zip(page.records, theirs, strict=True)
    records = [erasure.erased(resource, record) if is_theirs else record for record, is_theirs in pairs]
    return replace(page, records=tuple(records))


def _remember_later(connection: sa.Connection, account_id: int, ids: set[int]) -> None:
    """Remember conversations that turned out to be a forgotten guest's, and empty the deliveries that told of them."""
    if not ids:
        return
    remember(connection, account_id, Resource.CONVERSATIONS, ids)
    about = (
        webhook_log.c.account_id == account_id,
        webhook_log.c.target_resource == Resource.CONVERSATIONS.value,
        webhook_log.c.object_id == sa.func.any(sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger))),
    )
    empty = {"payload": sa.null(), "body": erasure.GONE}
    connection.execute(sa.update(webhook_log).where(*about).values(empty))


def _numbers(value: Any, depth: int = 0) -> Iterable[int]:  # noqa: ANN401  (whatever JSON can hold)
    if isinstance(value, int):
        yield value
    elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004  (an id)
        yield int(value)
    elif depth < _MOST_NESTED and isinstance(value, dict):
        for part in value.values():
            yield from _numbers(part, depth + 1)
    elif depth < _MOST_NESTED and isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from _numbers(part, depth + 1)
