"""Which threads must be read, stored so that a crash, a second process or a later day finds it.

    reservation moved ──→ its conversations are due            (none known yet: the reservation is due, to be looked up)
    conversation moved or new ──→ due
    reservation gone ──→ its conversations are due
    sweep: never read whole, not for long, or a message whose time has passed ──→ due
    read whole ──→ no longer due, unless it was marked again since that reading began, or has lost messages
    lost messages proven to be gone, or there ──→ no longer due

A mark is the time at which the request that showed the move was granted, so that all marks have one clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from hostaway_sync.model.records import Resource
from hostaway_sync.store.tables import conversation_messages, conversations, listings, reservations, walk_pages
from hostaway_sync.store.tables.metadata import Timestamp
from hostaway_sync.store.time_marks import cap_at_now, null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from hostaway_sync.store.postgres.database import Database

# Threads that were read on one day do not all become due on the same later day.
_EARLIEST_SHARE = 0.75
_NEVER_READ = "messages: thread never read whole"
_TIME_PASSED = "messages: thread with one that waited for a time which has passed"
_NOT_FOR_LONG = "messages: thread not read whole for long"
_MOVED = "messages: thread due, something moved at "


def move_marks_to_conversations(connection: sa.Connection, account_id: int, reservation_ids: Sequence[int]) -> None:
    """Move the marks of due reservations to their conversations; a reservation without any keeps its mark."""
    of_due = (
        conversations.c.account_id == account_id,
        conversations.c.reservation_id == reservations.c.id,
        reservations.c.account_id == account_id,
        reservations.c.id == _any(reservation_ids),
        reservations.c.thread_due_at.is_not(None),
    )
    later = sa.func.greatest(cap_at_now(conversations.c.thread_due_at), cap_at_now(reservations.c.thread_due_at))
    connection.execute(sa.update(conversations).where(*of_due).values(thread_due_at=later))
    known = sa.exists().where(
        conversations.c.account_id == account_id, conversations.c.reservation_id == reservations.c.id
    )
    connection.execute(
        sa.update(reservations)
        .where(
            reservations.c.account_id == account_id,
            reservations.c.id == _any(reservation_ids),
            reservations.c.thread_due_at.is_not(None),
            known,
        )
        .values(thread_due_at=None)
    )


def inherit_reservation_marks(connection: sa.Connection, account_id: int, conversation_ids: Sequence[int]) -> None:
    """Move the marks of reservations to these conversations, which were just stored."""
    of_them = sa.select(conversations.c.reservation_id).where(
        conversations.c.account_id == account_id, conversations.c.id == _any(conversation_ids)
    )
    due = sa.select(reservations.c.id).where(
        reservations.c.account_id == account_id,
        reservations.c.thread_due_at.is_not(None),
        reservations.c.id.in_(of_them),
    )
    move_marks_to_conversations(connection, account_id, connection.scalars(due).all())


def clear_reservation_marks(
    connection: sa.Connection, account_id: int, reservation_id: int | None, *, began_at: datetime
) -> None:
    """Clear the mark of a reservation, or of all, whose conversations were listed whole since `began_at`."""
    # Only rows with a mark: the others would be rewritten for nothing, and there may be a million.
    is_marked = reservations.c.thread_due_at.is_not(None)
    wanted = [reservations.c.account_id == account_id, is_marked, ~_was_marked_since(reservations, began_at)]
    if reservation_id is not None:
        wanted.append(reservations.c.id == reservation_id)
    connection.execute(sa.update(reservations).where(*wanted).values(thread_due_at=None))


def record_thread_read(
    connection: sa.Connection, account_id: int, conversation_id: int, *, began_at: datetime, met: Collection[int]
) -> None:
    """Clear the mark of a thread that was read whole, unless it was set again since that reading began.

    A thread with stored messages that were not `met` stays due until these are proven to be gone.
    """
    parameters = {"of_account": account_id, "thread": conversation_id, "began_at": began_at, "met": list(met)}
    connection.execute(_record_read(), parameters)


def mark_due(connection: sa.Connection, account_id: int, conversation_id: int) -> None:
    """Mark a thread as due now: a message that we sent must be found in it."""
    _mark_now(connection, account_id, conversations.c.id == conversation_id)


def mark_threads_of_reservation(connection: sa.Connection, account_id: int, reservation_id: int) -> None:
    """Mark the threads of a reservation as due now, because its own stamp will show nothing any more."""
    is_of_it = conversations.c.reservation_id == reservation_id
    _mark_now(connection, account_id, is_of_it, conversations.c.missing_since.is_(None))


def _mark_now(connection: sa.Connection, account_id: int, *which: sa.ColumnElement[bool]) -> None:
    later = sa.func.greatest(null_if_unknown(conversations.c.thread_due_at), sa.func.clock_timestamp())
    connection.execute(
        sa.update(conversations).where(conversations.c.account_id == account_id, *which).values(thread_due_at=later)
    )


def clear_proven_marks(connection: sa.Connection, account_id: int, conversation_ids: Sequence[int]) -> None:
    """Clear the marks of threads that stayed due only until their lost messages were asked for."""
    connection.execute(
        sa.update(conversations)
        .where(conversations.c.account_id == account_id, conversations.c.id == _any(conversation_ids))
        .where(~_was_marked_since(conversations, null_if_unknown(conversations.c.thread_read_at)))
        .values(thread_due_at=None)
    )


def mark_for_sweep(connection: sa.Connection, account_id: int, *, whole_after: timedelta) -> None:
    """Mark the threads that no stamp shows: not read whole for long, or with a scheduled message whose time passed."""
    connection.execute(
        sa.update(conversations)
        .where(
            conversations.c.account_id == account_id,
            conversations.c.thread_due_at.is_(None),
            conversations.c.missing_since.is_(None),
            sa.or_(
                null_if_unknown(conversations.c.thread_read_at).is_(None),
                _is_old(whole_after),
                has_overdue_message(account_id),
            ),
        )
        .values(thread_due_at=sa.func.now())
    )


def list_due_threads(
    database: Database, account_id: int, listed_by: UUID | None, *, whole_after: timedelta | None
) -> dict[str, list[int]]:
    """Return the due conversations by the reason why, with `listed_by` only those that this run has listed.

    A conversation that a whole list left out is gone, and what its thread would answer is not known. The reasons
    are judged now, because a mark does not store its own. With `whole_after` the reasons of a sweep are among them.
    """
    why = _why(account_id, whole_after)
    ids = sa.func.array_agg(aggregate_order_by(conversations.c.id, conversations.c.id))
    query = sa.select(why, ids.label("ids"))
    query = query.where(*_is_marked(conversations, account_id)).group_by(why).order_by(why)
    if listed_by is not None:
        listed = sa.func.unnest(walk_pages.c.record_keys).table_valued("id", name="listed").render_derived()
        query = query.where(
            conversations.c.id.in_(
                sa.select(listed.c.id)
                .select_from(walk_pages.join(listed, sa.true()))
                .where(walk_pages.c.run_id == listed_by, walk_pages.c.resource == Resource.CONVERSATIONS.value)
            )
        )
    return database.transaction(lambda connection: {row.why: row.ids for row in connection.execute(query)})


def list_lookups(database: Database, account_id: int) -> list[int]:
    """Return the due reservations without a known conversation."""
    query = _marked(reservations, account_id)
    return database.transaction(lambda connection: list(connection.scalars(query)))


@dataclass(frozen=True, slots=True)
class Dependents:
    """What depends on a reservation, and may have to be read with it.

    Attributes:
        listing_is_known: whether its listing has a row, which may be missing at the source.
        is_lookup: whether the reservation is due, and has no known conversation.
        threads: its due conversations.
    """

    listing_is_known: bool
    is_lookup: bool
    threads: list[int]


def find_dependents(
    database: Database, account_id: int, listing_ids: Mapping[int, int | None]
) -> dict[int, Dependents]:
    """Return what depends on reservations, by their ids, in one statement, because every delivery needs it.

    Args:
        database: with the tables.
        account_id: the account of the reservations.
        listing_ids: the listing of each reservation.
    """
    ids = [_bigints(listing_ids), _bigints(listing_ids.values())]
    asked = sa.func.unnest(*ids).table_valued("id", "listing_id", name="asked").render_derived()
    of_it = conversations.c.reservation_id == asked.c.id
    is_its_listing = (listings.c.account_id == account_id, listings.c.id == asked.c.listing_id)
    query = sa.select(
        asked.c.id,
        sa.exists().where(*is_its_listing).correlate(asked).label("listing_is_known"),
        _marked(reservations, account_id).where(reservations.c.id == asked.c.id).exists().label("is_lookup"),
        sa.func.array(_marked(conversations, account_id).where(of_it).scalar_subquery()).label("threads"),
    )
    rows = database.transaction(lambda connection: connection.execute(query).all(), is_one_statement=True)
    return {row.id: Dependents(row.listing_is_known, row.is_lookup, row.threads) for row in rows}


def list_due_threads_of(database: Database, account_id: int, reservation_id: int) -> list[int]:
    """Return the due conversations of a reservation."""
    query = _marked(conversations, account_id).where(conversations.c.reservation_id == reservation_id)
    return database.transaction(lambda connection: list(connection.scalars(query)), is_one_statement=True)


def list_conversations_of(database: Database, account_id: int, reservation_ids: Sequence[int]) -> dict[int, list[int]]:
    """Return the known conversations by reservation; a reservation without any has no entry."""
    query = sa.select(conversations.c.reservation_id, conversations.c.id).where(
        conversations.c.account_id == account_id, conversations.c.reservation_id == _any(reservation_ids)
    )
    found: dict[int, list[int]] = {}
    for row in database.transaction(lambda connection: connection.execute(query).all()):
        found.setdefault(row.reservation_id, []).append(row.id)
    return found


def _marked(table: sa.Table, account_id: int) -> sa.Select[int]:
    return sa.select(table.c.id).where(*_is_marked(table, account_id)).order_by(table.c.id)


def _is_marked(table: sa.Table, account_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.account_id == account_id, table.c.thread_due_at.is_not(None), table.c.missing_since.is_(None)


def _why(account_id: int, whole_after: timedelta | None) -> sa.Label[str]:
    since = sa.func.to_char(sa.func.timezone("UTC", cap_at_now(conversations.c.thread_due_at)), "YYYY-MM-DD HH24:MI")
    cases: list[tuple[sa.ColumnElement[bool], str]] = [
        (null_if_unknown(conversations.c.thread_read_at).is_(None), _NEVER_READ)
    ]
    if whole_after is not None:
        cases += [(has_overdue_message(account_id), _TIME_PASSED), (_is_old(whole_after), _NOT_FOR_LONG)]
    return sa.case(*cases, else_=sa.func.concat(_MOVED, since)).label("why")


# Built once: it runs for each thread that is read, and takes longer to build than to run.
@cache
def _record_read() -> sa.Update:
    account_id, thread = (sa.bindparam(name, type_=sa.BigInteger) for name in ("of_account", "thread"))
    began_at = sa.bindparam("began_at", type_=Timestamp)
    lost = sa.exists().where(
        conversation_messages.c.account_id == account_id,
        conversation_messages.c.conversation_id == thread,
        conversation_messages.c.missing_since.is_(None),
        ~sa.func.coalesce(null_if_unknown(conversation_messages.c.observed_at) >= began_at, sa.false()),
        conversation_messages.c.id != sa.func.all(sa.bindparam("met", type_=sa.ARRAY(sa.BigInteger))),
    )
    threads = conversations.c
    again = sa.case((_was_marked_since(conversations, began_at), threads.thread_due_at), (lost, began_at))
    read_at = sa.func.greatest(null_if_unknown(threads.thread_read_at), began_at)
    itself = sa.update(conversations).where(threads.account_id == account_id, threads.id == thread)
    return itself.values(thread_read_at=read_at, thread_due_at=again)


def _was_marked_since(table: sa.Table, moment: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401  (a time, or a column)
    """Whether a mark was set after a time; a mark from the future was not, or it could never be cleared."""
    return sa.func.coalesce(null_if_unknown(table.c.thread_due_at) > moment, sa.false())


def has_overdue_message(account_id: int) -> sa.ColumnElement[bool]:
    """Return the condition that a conversation holds an unsent message whose time has passed."""
    return sa.exists().where(
        conversation_messages.c.account_id == account_id,
        conversation_messages.c.conversation_id == conversations.c.id,
        conversation_messages.c.is_final.is_(False),
        conversation_messages.c.missing_since.is_(None),
        sa.or_(conversation_messages.c.sent_at.is_(None), conversation_messages.c.sent_at < sa.func.now()),
    )


def _is_old(whole_after: timedelta) -> sa.ColumnElement[bool]:
    share = _EARLIEST_SHARE + (1 - _EARLIEST_SHARE) * sa.func.mod(sa.func.abs(conversations.c.id), 256) / 256.0
    age = sa.func.extract("epoch", sa.func.now() - null_if_unknown(conversations.c.thread_read_at))
    return age > whole_after.total_seconds() * share


def _bigints(numbers: Iterable[int | None]) -> sa.ColumnElement[Any]:
    return sa.literal(list(numbers), sa.ARRAY(sa.BigInteger))


def _any(ids: Sequence[int]) -> sa.ColumnElement[int]:
    return sa.func.any(sa.literal(list(ids), sa.ARRAY(sa.BigInteger)))
