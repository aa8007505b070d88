"""Read all that the tables know of one reservation, by a few bounded index look-ups."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.history.life import (
    StayDayChange,
    StayDelivery,
    StayFacts,
    StayMessage,
    StaySend,
    StayWrite,
)
from hostaway_sync.model.records import Resource
from hostaway_sync.store.history.feed import CHANGE_COLUMNS, build_change
from hostaway_sync.store.postgres.json_values import read_exact_json
from hostaway_sync.store.tables import (
    accounts,
    calendar_writes,
    changes,
    conversation_messages,
    conversations,
    reservations,
    sent_messages,
    webhook_log,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hostaway_sync.model.history.feed import RecordChange
    from hostaway_sync.model.vocabulary import StayKeys

# Of a message as much as its first words may need, and of a stay as many days as a calendar has.
_BODY_LENGTH: Final = 500
_MOST_DAYS: Final = 400


def find_accounts(connection: sa.Connection, reservation_id: int) -> list[int]:
    """Return the accounts that have a reservation with this id and were not removed."""
    query = (
        sa.select(reservations.c.account_id)
        .where(
            # One look-up an account: the id alone has no index.
            reservations.c.account_id == sa.func.any(sa.func.array(sa.select(accounts.c.account_id).scalar_subquery())),
            reservations.c.id == reservation_id,
        )
        .order_by(reservations.c.account_id)
    )
    removed = sa.select(accounts.c.account_id).where(accounts.c.removed_at.is_not(None))
    found, gone = connection.scalars(query).all(), set(connection.scalars(removed))
    return [account_id for account_id in found if account_id not in gone]


def read_stay(connection: sa.Connection, account_id: int, reservation_id: int, keys: StayKeys) -> StayFacts | None:
    """Return what the tables know of a reservation; None: the account has none with this id."""
    table = reservations.c
    query = sa.select(
        sa.cast(table.raw_payload, sa.Text),
        table.created_at,
        table.missing_since,
        table.listing_id,
        table.arrival_date,
        table.departure_date,
    ).where(table.account_id == account_id, table.id == reservation_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    payload, first_seen_at, missing_since, listing_id, arrival, departure = row
    # A damaged payload is told as if it had no keys, as its changes are.
    whole = read_exact_json(payload)
    own = list_changes(connection, account_id, Resource.RESERVATIONS, [str(reservation_id)])
    days = _days_of_stays([(arrival, departure), *_former_stays(own, keys)])
    return StayFacts(
        account_id=account_id,
        reservation_id=reservation_id,
        payload=whole if isinstance(whole, dict) else {},
        first_seen_at=first_seen_at,
        missing_since=missing_since,
        changes=own,
        messages=_messages(connection, account_id, reservation_id, keys),
        sends=_sends(connection, account_id, reservation_id),
        deliveries=_deliveries(connection, account_id, reservation_id),
        days=_day_changes(connection, account_id, listing_id, days) if listing_id is not None else (),
        writes=_writes(connection, account_id, listing_id, days) if listing_id is not None else (),
    )


def list_changes(
    connection: sa.Connection, account_id: int, resource: str, record_ids: Sequence[str]
) -> list[RecordChange]:
    """Return the changes of some records of one resource, in the order in which each was made."""
    return [build_change(row) for row in _change_rows(connection, account_id, resource, record_ids)]


def _change_rows(
    connection: sa.Connection, account_id: int, resource: str, record_ids: Sequence[str], *more: sa.Column[Any]
) -> Sequence[sa.Row[Any]]:
    query = sa.select(*CHANGE_COLUMNS, *more).where(
        changes.c.account_id == account_id,
        changes.c.resource == resource,
        changes.c.record_id == sa.func.any(sa.cast(list(record_ids), sa.ARRAY(sa.Text))),
    )
    return connection.execute(query.order_by(changes.c.change_id)).all()


def _messages(connection: sa.Connection, account_id: int, reservation_id: int, keys: StayKeys) -> list[StayMessage]:
    table = conversation_messages.c
    ids = select_message_ids(account_id, reservation_id)
    query = (
        sa.select(
            table.id,
            table.sent_at,
            table.created_at,
            table.is_incoming,
            table.status,
            sa.func.left(table.raw_payload[keys.body].as_string(), _BODY_LENGTH),
            table.missing_since,
        )
        .where(table.account_id == account_id, table.id == sa.func.any(sa.func.array(ids.scalar_subquery())))
        .order_by(table.sent_at, table.id)
    )
    return [StayMessage(*row) for row in connection.execute(query)]


def select_message_ids(
    account_id: int | sa.ColumnElement[Any], reservation_id: int | sa.ColumnElement[Any]
) -> sa.CompoundSelect[tuple[int]]:
    """Return the query of the ids of a reservation's messages: its own, and those of its conversations."""
    table = conversation_messages.c
    of_account = sa.select(table.id).where(table.account_id == account_id)
    threads = sa.func.array(_threads(account_id, reservation_id).scalar_subquery())
    return sa.union(
        of_account.where(table.reservation_id == reservation_id),
        of_account.where(table.conversation_id == sa.func.any(threads)),
    )


def _threads(
    account_id: int | sa.ColumnElement[Any], reservation_id: int | sa.ColumnElement[Any]
) -> sa.Select[tuple[int]]:
    return sa.select(conversations.c.id).where(
        conversations.c.account_id == account_id, conversations.c.reservation_id == reservation_id
    )


def _sends(connection: sa.Connection, account_id: int, reservation_id: int) -> list[StaySend]:
    names = ("intent_id", "channel_type", "body", "state", "os_user", "message_id", "error")
    stamps = ("created_at", "sending_at", "settled_at")
    table = sent_messages.c
    query = sa.select(*(table[name] for name in (*names, *stamps))).where(
        table.account_id == account_id, table.reservation_id == reservation_id
    )
    return [StaySend(*row) for row in connection.execute(query.order_by(table.intent_id))]


def _deliveries(connection: sa.Connection, account_id: int, reservation_id: int) -> list[StayDelivery]:
    """Return the deliveries about the reservation or one of its conversations."""
    table = webhook_log.c
    threads = sa.func.array(_threads(account_id, reservation_id).scalar_subquery())
    query = sa.select(sa.cast(table.id, sa.Text), table.event, table.status, table.error, table.created_at).where(
        table.account_id == account_id,
        # One condition for the index, and one for two kinds of objects that have one id.
        table.object_id == sa.func.any(sa.func.array_append(threads, reservation_id)),
        table.target_resource
        == sa.case(
            (table.object_id == reservation_id, Resource.RESERVATIONS.value), else_=Resource.CONVERSATIONS.value
        ),
    )
    return [StayDelivery(*row) for row in connection.execute(query.order_by(table.created_at, table.id))]


def _day_changes(
    connection: sa.Connection, account_id: int, listing_id: int, days: Iterable[date]
) -> list[StayDayChange]:
    record_ids = {f"{listing_id}/{day.isoformat()}": day for day in days}
    rows = _change_rows(connection, account_id, Resource.CALENDAR, list(record_ids), changes.c.position)
    return [StayDayChange(row.position, record_ids[row.record_id], build_change(row)) for row in rows]


def _writes(connection: sa.Connection, account_id: int, listing_id: int, days: Sequence[date]) -> list[StayWrite]:
    if not days:
        return []
    table = calendar_writes.c
    names = ("write_id", "first_day", "last_day", "new_values", "state", "os_user", "error", "created_at")
    query = sa.select(*(table[name] for name in names)).where(
        table.account_id == account_id,
        table.listing_id == listing_id,
        table.first_day <= max(days),
        table.last_day >= min(days),
    )
    return [StayWrite(*row) for row in connection.execute(query.order_by(table.write_id))]


def _former_stays(own: Sequence[RecordChange], keys: StayKeys) -> list[tuple[date | None, date | None]]:
    """Return the dates that the stay had before, one day each where only one end of it moved."""
    found: list[tuple[date | None, date | None]] = []
    for change in own:
        before = change.before or {}
        ends = [_read_date(before.get(key)) for key in (keys.arrival, keys.departure)]
        known = [end for end in ends if end is not None]
        if known:
            found.append((min(known), max(known) + timedelta(days=len(known) == 1)))
    return found


def _read_date(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _days_of_stays(stays: Iterable[tuple[date | None, date | None]]) -> list[date]:
    """Return the nights of some stays, in order, each once; of a stay without end none, of a long one the first."""
    days: set[date] = set()
    for first, last in stays:
        if first is not None and last is not None:
            days |= {first + timedelta(days=number) for number in range(min((last - first).days, _MOST_DAYS))}
    return sorted(days)
