"""Rows that the source no longer lists: found by a whole walk, and marked once their absence is proven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.records import Resource
from hostaway_sync.store.calendar.marks import mark_gone_stay
from hostaway_sync.store.records import due_threads
from hostaway_sync.store.tables import MIRRORED, conversation_messages, conversations, walk_pages, watermarks
from hostaway_sync.store.time_marks import is_within, null_if_unknown

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class UnlistedRow:
    """A row that a whole walk left out.

    Attributes:
        id: the row's id.
        parent: the conversation of a message.
        since: start of the first whole walk that left it out; None when this one is the first.
    """

    id: int
    parent: int | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class FinishedWalk:
    """A whole walk of a resource, and the start of the run that finished it."""

    walk_id: UUID
    account_id: int
    resource: Resource
    began_at: datetime


def list_unlisted(connection: sa.Connection, walk: FinishedWalk) -> list[UnlistedRow]:
    """Return the live rows that a whole walk did not meet; of messages, those in threads that it read whole."""
    table = MIRRORED[walk.resource]
    is_message = walk.resource is Resource.MESSAGES
    parent = table.c.conversation_id if is_message else sa.null()
    query = sa.select(table.c.id, parent.label("parent"), null_if_unknown(table.c.unlisted_since)).where(
        table.c.account_id == walk.account_id,
        table.c.missing_since.is_(None),
        # A single read since this run began showed the row: it was there.
        sa.func.coalesce(null_if_unknown(table.c.observed_at) < walk.began_at, sa.true()),
        ~_was_met(walk, table),
    )
    if is_message:
        read = sa.select(conversations.c.id).where(
            conversations.c.account_id == walk.account_id,
            null_if_unknown(conversations.c.thread_read_at) >= walk.began_at,
        )
        query = query.where(conversation_messages.c.conversation_id.in_(read))
    return [UnlistedRow(*row) for row in connection.execute(query.order_by(table.c.id))]


def count_live(connection: sa.Connection, account_id: int, resource: Resource) -> int:
    """Count the rows that are not missing."""
    table = MIRRORED[resource]
    query = sa.select(sa.func.count()).where(table.c.account_id == account_id, table.c.missing_since.is_(None))
    return int(connection.execute(query).scalar_one())


def count_marked_since(connection: sa.Connection, account_id: int, resource: Resource, *, within: timedelta) -> int:
    """Count the rows marked missing `within` the last time, and since a person last accepted missing rows.

    Messages that were marked together with their conversation do not count: no walk found them missing.
    """
    table = MIRRORED[resource]
    accepted = sa.select(null_if_unknown(watermarks.c.accepted_at)).where(
        watermarks.c.account_id == account_id, watermarks.c.resource == resource.value
    )
    query = sa.select(sa.func.count()).where(
        table.c.account_id == account_id,
        is_within(table.c.missing_since, within),
        sa.func.coalesce(table.c.missing_since > accepted.scalar_subquery(), sa.true()),
    )
    if resource is Resource.MESSAGES:
        query = query.where(
            ~sa.exists().where(
                conversations.c.account_id == account_id,
                conversations.c.id == conversation_messages.c.conversation_id,
                conversations.c.missing_since.is_not(None),
            )
        )
    return int(connection.execute(query).scalar_one())


def accept_missing(connection: sa.Connection, account_id: int, resource: Resource) -> None:
    """Record that a person accepts the rows marked missing until now."""
    statement = insert(watermarks).values(
        account_id=account_id, resource=resource.value, accepted_at=sa.func.clock_timestamp()
    )
    values = {"accepted_at": statement.excluded.accepted_at}
    connection.execute(statement.on_conflict_do_update(index_elements=["account_id", "resource"], set_=values))


def note_unlisted(
    connection: sa.Connection, walk: FinishedWalk, rows: list[UnlistedRow], *, met: sa.ColumnElement[bool] | None = None
) -> None:
    """Store since when rows are unlisted, and clear it for those that were met again.

    `met` is the condition for the rows that were met, where the walk stored no pages itself.
    """
    table = MIRRORED[walk.resource]
    of_account = table.c.account_id == walk.account_id
    again = sa.and_(of_account, table.c.unlisted_since.is_not(None), _was_met(walk, table) if met is None else met)
    connection.execute(sa.update(table).where(again).values(unlisted_since=None))
    first = [row.id for row in rows if row.since is None]
    is_first = table.c.id == sa.func.any(sa.literal(first, sa.ARRAY(sa.BigInteger)))
    connection.execute(sa.update(table).where(of_account, is_first).values(unlisted_since=walk.began_at))


def mark_missing(connection: sa.Connection, account_id: int, resource: Resource, row_id: int) -> None:
    """Mark a row as missing since now; with a conversation, its messages, too, which no list shows any more.

    The days of a reservation become due, and its threads, since its last stamp may have shown a message unseen.
    """
    _mark(connection, MIRRORED[resource], MIRRORED[resource].c.id == row_id, account_id)
    if resource is Resource.RESERVATIONS:
        due_threads.mark_threads_of_reservation(connection, account_id, row_id)
        mark_gone_stay(connection, account_id, row_id)
    if resource is Resource.CONVERSATIONS:
        _mark(connection, conversation_messages, conversation_messages.c.conversation_id == row_id, account_id)


def _mark(connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool], account_id: int) -> None:
    # An answer that was requested before now and is written later must not bring the row back.
    connection.execute(
        sa.update(table)
        .where(table.c.account_id == account_id, table.c.missing_since.is_(None), which)
        .values(
            missing_since=sa.func.now(),
            observed_at=sa.func.greatest(null_if_unknown(table.c.observed_at), sa.func.now()),
        )
    )


def _was_met(walk: FinishedWalk, table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that the walk met a row, as EXISTS: that is joined by hash, however many rows there are."""
    keys = sa.func.unnest(walk_pages.c.record_keys).table_valued("id", name="met").render_derived()
    met = (
        sa.select(keys.c.id)
        .select_from(walk_pages.join(keys, sa.true()))
        .where(walk_pages.c.walk_id == walk.walk_id, walk_pages.c.resource == walk.resource.value)
    )
    return met.where(keys.c.id == table.c.id).correlate(table).exists()
