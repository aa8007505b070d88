"""Events for consumers: noted, found in the order of each record, settled.

waiting ──→ delivered
└──────→ dead ──→ waiting, when a person has it told again
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.automations.states import Delivery, DeliveryState
from hostaway_sync.store.tables import automation_deliveries as table
from hostaway_sync.store.tables import automations, changes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from hostaway_sync.model.history.feed import RecordChange

_COLUMNS: Final = tuple(table.c[name] for name in Delivery.__dataclass_fields__)
_WAITS: Final = table.c.state == sa.literal_column("'waiting'")


def add_deliveries(connection: sa.Connection, found: Iterable[tuple[int, str, RecordChange]]) -> set[int]:
    """Note who is to be told of which event; return the numbers of the automations. What is noted already stays.

    Args:
        connection: of the transaction that moves the cursor.
        found: the automation, the event, and its change.
    """
    told = [(automation_id, change.change_id, event) for automation_id, event, change in found]
    if not told:
        return set()
    numbers, change_ids, events = map(list, zip(*told, strict=True))
    # Three parameters, however many they are: each automation may be told of each change of a page.
    lists = sa.func.unnest(
        sa.literal(numbers, sa.ARRAY(sa.BigInteger)),
        sa.literal(change_ids, sa.ARRAY(sa.BigInteger)),
        sa.literal(events, sa.ARRAY(sa.Text)),
    )
    rows = lists.table_valued("automation_id", "change_id", "event").render_derived()
    query = sa.select(*rows.c, changes.c.account_id, changes.c.resource, changes.c.record_id).join_from(
        rows, changes, changes.c.change_id == rows.c.change_id
    )
    names = ["automation_id", "change_id", "event", "account_id", "resource", "record_id"]
    connection.execute(insert(table).from_select(names, query).on_conflict_do_nothing())
    return set(numbers)


def find_due(connection: sa.Connection, automation_id: int, *, limit: int) -> list[Delivery]:
    """Return what may be told now, oldest first: of each record only the first event that waits."""
    is_due = sa.or_(table.c.not_before_at.is_(None), table.c.not_before_at <= sa.func.clock_timestamp())
    query = sa.select(*_COLUMNS).where(table.c.automation_id == automation_id, _WAITS, is_due, _is_first())
    rows = connection.execute(query.order_by(table.c.change_id).limit(limit))
    return [_delivery(row) for row in rows]


def find_next_moment(connection: sa.Connection, automation_id: int) -> datetime | None:
    """Return when something may be told next, a moment of the past where it may now; None: nothing waits."""
    moment = sa.func.min(sa.func.coalesce(table.c.not_before_at, table.c.created_at))
    query = sa.select(moment).where(table.c.automation_id == automation_id, _WAITS, _is_first())
    found: datetime | None = connection.scalar(query)
    return found


def find_forgotten(connection: sa.Connection) -> list[int]:
    """Return the active automations for which something waits."""
    waiting = sa.exists().where(table.c.automation_id == automations.c.automation_id, _WAITS)
    return list(connection.scalars(sa.select(automations.c.automation_id).where(automations.c.is_active, waiting)))


def note_delivered(connection: sa.Connection, delivery: Delivery, *, status: int | None, output: str | None) -> None:
    """Note that an event was told."""
    values = {
        "state": DeliveryState.DELIVERED.value,
        "settled_at": sa.func.clock_timestamp(),
        "not_before_at": None,
        "status": status,
        "error": None,
        "output": _unless_erased(delivery, output),
        "began_at": sa.func.coalesce(table.c.began_at, sa.func.clock_timestamp()),
    }
    connection.execute(_update(delivery).values(values))


def note_failed(
    connection: sa.Connection,
    delivery: Delivery,
    error: str,
    *,
    status: int | None,
    output: str | None,
    began_at: datetime,
    retry_at: datetime | None,
) -> bool:
    """Note that a try failed, and when the next one is; None: there is none, it is dead. Return whether it waited."""
    is_dead = retry_at is None
    values = {
        "state": (DeliveryState.DEAD if is_dead else DeliveryState.WAITING).value,
        "settled_at": sa.func.clock_timestamp() if is_dead else None,
        "attempts": table.c.attempts + 1,
        "not_before_at": retry_at,
        "began_at": sa.func.coalesce(table.c.began_at, began_at),
        "status": status,
        "error": error,
        "output": _unless_erased(delivery, output),
    }
    return connection.execute(_update(delivery).values(values)).rowcount == 1


def is_wanted(connection: sa.Connection, delivery: Delivery) -> bool:
    """Whether an event still waits, and its automation is still told."""
    mine = (table.c.automation_id == delivery.automation_id, table.c.change_id == delivery.change_id, _WAITS)
    told = sa.exists().where(automations.c.automation_id == table.c.automation_id, automations.c.is_active)
    return bool(connection.scalar(sa.select(sa.exists().where(*mine, told))))


def drop(connection: sa.Connection, delivery: Delivery) -> None:
    """Delete an event that cannot be told of any more, because its change was deleted."""
    mine = (table.c.automation_id == delivery.automation_id, table.c.change_id == delivery.change_id)
    connection.execute(sa.delete(table).where(*mine))


def make_due(connection: sa.Connection, automation_id: int) -> None:
    """Have what waits for another try told now."""
    mine = (table.c.automation_id == automation_id, _WAITS, table.c.not_before_at.is_not(None))
    connection.execute(sa.update(table).where(*mine).values(not_before_at=None))


def revive(connection: sa.Connection, automation_id: int, change_id: int) -> bool:
    """Have an event that was given up wait again, with all tries; return whether it was given up."""
    values = {
        "state": DeliveryState.WAITING.value,
        "settled_at": None,
        "attempts": 0,
        "not_before_at": None,
        "began_at": None,
    }
    mine = (table.c.automation_id == automation_id, table.c.change_id == change_id)
    is_dead = table.c.state == DeliveryState.DEAD.value
    return connection.execute(sa.update(table).where(*mine, is_dead).values(values)).rowcount == 1


def list_deliveries(
    connection: sa.Connection, automation_id: int, *, state: DeliveryState | None, limit: int
) -> list[Delivery]:
    """Return the newest events of an automation, newest first."""
    query = sa.select(*_COLUMNS).where(table.c.automation_id == automation_id)
    if state is not None:
        query = query.where(table.c.state == state.value)
    return [_delivery(row) for row in connection.execute(query.order_by(table.c.change_id.desc()).limit(limit))]


def _is_first() -> sa.ColumnElement[bool]:
    """Return the condition that no earlier event of the same record waits for the same automation."""
    earlier = table.alias("earlier")
    same = ("automation_id", "account_id", "resource", "record_id")
    return ~sa.exists().where(
        *(earlier.c[name] == table.c[name] for name in same),
        earlier.c.state == sa.literal_column("'waiting'"),
        earlier.c.change_id < table.c.change_id,
    )


def _unless_erased(delivery: Delivery, output: str | None) -> sa.ColumnElement[str | None]:
    """Return what a command wrote, or NULL where the guest that it may quote was erased while it ran."""
    erased = sa.exists().where(
        changes.c.account_id == delivery.account_id,
        changes.c.resource == delivery.resource,
        changes.c.record_id == delivery.record_id,
        changes.c.change_id > delivery.change_id,
        changes.c.change == "erased",
    )
    return sa.case((erased, sa.null()), else_=sa.literal(output, sa.Text))


def _update(delivery: Delivery) -> sa.Update:
    return sa.update(table).where(
        table.c.automation_id == delivery.automation_id, table.c.change_id == delivery.change_id, _WAITS
    )


def _delivery(row: sa.Row[Any]) -> Delivery:
    values = row._asdict()
    return Delivery(**values | {"state": DeliveryState(values["state"])})
