"""The ledger of writes to calendars: each is written down before its request leaves, and settled by its days.

pending ──→ sending ──→ done | partial | failed      by the days that were read back
   │           └──────→ outcome_unknown               they could not be read, or the process died
   └──→ failed                                        no request left

outcome_unknown ──→ done | partial | failed           a later command or sync has read them

A process that writes the calendar of a listing claims the right of `right_name`; only it changes open rows.
"""

from __future__ import annotations

import socket
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.errors import LeaseLost, WriteUnsettled
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.writes import OPEN_STATES, WRITABLE, CalendarWrite, WriteState
from hostaway_sync.store import audit_log
from hostaway_sync.store.calendar import marks
from hostaway_sync.store.tables import calendar_writes as ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hostaway_sync.model.calendar.writes import Value, Values

_NOW: Final = sa.func.clock_timestamp()
# If the server lost this commit in a crash, nothing would tell that the request had left.
_DURABLY: Final = sa.select(sa.func.set_config("synchronous_commit", "on", True)).where(  # noqa: FBT003  (SQL's)
    sa.func.current_setting("synchronous_commit") == "off"
)
# What a host wrote may name a guest: the audit log says only that it was replaced.
_UNSAID: Final = "note"


def right_name(account_id: int, listing_id: int) -> str:
    """Return the name of the right to write the calendar of a listing."""
    return f"calendar of listing {listing_id} of account {account_id}"


def insert_write(
    connection: sa.Connection,
    *,
    account_id: int,
    listing_id: int,
    days: Days,
    new: Values,
    old: Mapping[date, Values],
    owner: str,
) -> CalendarWrite:
    """Store a new write, pending; return the row of this owner where the answer to our own commit was lost."""
    known = connection.execute(sa.select(ledger).where(ledger.c.account_id == account_id, ledger.c.owner == owner))
    if (row := known.one_or_none()) is not None:
        return _as_write(row)
    statement = sa.insert(ledger).values(
        account_id=account_id,
        listing_id=listing_id,
        first_day=days.first,
        last_day=days.last,
        new_values=_as_json(new),
        old_values=_join_days(old),
        owner=owner,
        os_user=audit_log.current_os_user(),
        host=socket.gethostname(),
    )
    return _as_write(connection.execute(statement.returning(ledger)).one())


def mark_sending(connection: sa.Connection, write: CalendarWrite) -> CalendarWrite:
    """Move pending → sending, durably, and mark its days: from here on they may have changed.

    Raises:
        LeaseLost: another process has settled the row.
    """
    connection.execute(_DURABLY)
    # It is `sending` already where the answer to our own commit was lost.
    states = WriteState.PENDING, WriteState.SENDING
    values = {"state": WriteState.SENDING.value, "sending_at": _NOW}
    marked = _move(connection, write.write_id, states, values, ledger.c.owner == write.owner)
    if marked is None:
        raise LeaseLost(f"calendar write {write.write_id} was settled by another process: this process sent nothing")
    _mark_days(connection, write)
    return marked


def record_unsent(connection: sa.Connection, write: CalendarWrite, error: str) -> CalendarWrite:
    """Move an open write → failed: its request did not leave, or was refused; return the row as it is then."""
    values = {"state": WriteState.FAILED.value, "error": error, "settled_at": _NOW}
    return _move(connection, write.write_id, tuple(OPEN_STATES), values) or _read(connection, write)


def record_interruption(connection: sa.Connection, write: CalendarWrite, error: str) -> CalendarWrite:
    """Move pending → failed, or sending → outcome_unknown: the writing process was stopped."""
    values = {"state": WriteState.FAILED.value, "error": error, "settled_at": _NOW}
    failed = _move(connection, write.write_id, (WriteState.PENDING,), values)
    return failed or record_unknown(connection, write, error)


def record_unknown(connection: sa.Connection, write: CalendarWrite, error: str) -> CalendarWrite:
    """Move an open write → outcome_unknown; return the row as it is then."""
    values: dict[str, Any] = {"state": WriteState.OUTCOME_UNKNOWN.value, "error": error}
    values["sending_at"] = sa.func.coalesce(ledger.c.sending_at, ledger.c.created_at)
    return _move(connection, write.write_id, tuple(OPEN_STATES), values) or _read(connection, write)


def record_settlement(
    connection: sa.Connection, write: CalendarWrite, state: WriteState, error: str | None
) -> CalendarWrite:
    """Move an open write → its end, mark its days once more, and add a change to the audit log.

    Returns:
        The row as it is then, which another process may have settled before.
    """
    values: dict[str, Any] = {"state": state.value, "error": error, "settled_at": _NOW}
    if state is not WriteState.FAILED:
        # In a backup that was restored, a row is older than its request.
        values["sending_at"] = sa.func.coalesce(ledger.c.sending_at, ledger.c.created_at)
    settled = _move(connection, write.write_id, tuple(OPEN_STATES), values)
    if settled is None:
        return _read(connection, write)
    _mark_days(connection, write)
    if state in {WriteState.DONE, WriteState.PARTIAL}:
        audit_log.add_entry(
            connection,
            write.account_id,
            audit_log.Action.CALENDAR_WRITTEN,
            _describe_change(write),
            made_by=(write.os_user, write.host),
        )
    return settled


def list_open(connection: sa.Connection, account_id: int, listing_id: int | None = None) -> list[CalendarWrite]:
    """Return the writes whose end is not known, oldest first; of one listing, or of all."""
    # Constants, not parameters: only then the planner can use the partial index of open rows.
    states: list[sa.ColumnElement[str]] = [sa.literal_column(f"'{state.value}'") for state in sorted(OPEN_STATES)]
    wanted = [ledger.c.account_id == account_id, ledger.c.state.in_(states)]
    if listing_id is not None:
        wanted.append(ledger.c.listing_id == listing_id)
    rows = connection.execute(sa.select(ledger).where(*wanted).order_by(ledger.c.write_id))
    return [_as_write(row) for row in rows]


def list_newest(
    connection: sa.Connection, *, states: Sequence[WriteState] = (), account_id: int | None = None, limit: int
) -> list[CalendarWrite]:
    """Return the newest rows of the ledger, in the order in which they were written."""
    query = sa.select(ledger).order_by(ledger.c.write_id.desc()).limit(limit)
    if states:
        query = query.where(ledger.c.state.in_([state.value for state in states]))
    if account_id is not None:
        query = query.where(ledger.c.account_id == account_id)
    return [_as_write(row) for row in connection.execute(query)][::-1]


def read_clock(connection: sa.Connection) -> datetime:
    """Return the time by the database's clock."""
    now: datetime = connection.scalars(sa.select(_NOW)).one()
    return now


def _mark_days(connection: sa.Connection, write: CalendarWrite) -> None:
    marks.mark_days(connection, write.account_id, write.listing_id, write.days, read_clock(connection))


def _read(connection: sa.Connection, write: CalendarWrite) -> CalendarWrite:
    row = connection.execute(sa.select(ledger).where(ledger.c.write_id == write.write_id)).one_or_none()
    if row is None:
        raise WriteUnsettled(f"calendar write {write.write_id} is not in the ledger any more: its account was purged")
    return _as_write(row)


def _move(
    connection: sa.Connection,
    write_id: int,
    states: Sequence[WriteState],
    values: dict[str, Any],
    *wanted: sa.ColumnElement[bool],
) -> CalendarWrite | None:
    is_in = ledger.c.state.in_([state.value for state in states])
    statement = sa.update(ledger).where(ledger.c.write_id == write_id, is_in, *wanted).values(values)
    row = connection.execute(statement.returning(ledger)).one_or_none()
    return None if row is None else _as_write(row)


def _describe_change(write: CalendarWrite) -> dict[str, Any]:
    """Return old and new by column, as the audit log of an account has them."""
    days = f"{write.days.first}/{write.days.last}"
    changes: dict[str, Any] = {"write": write.write_id, "listing": write.listing_id, "days": days}
    for name, value in _as_json(write.new).items():
        if name == _UNSAID:
            changes[name] = audit_log.REPLACED
            continue
        stretches = _join_days({day: {name: values.get(name)} for day, values in write.old.items()})
        old = {f"{one['first']}/{one['last']}": one["values"][name] for one in stretches}
        is_one = len(stretches) == 1
        changes[name] = {"old": stretches[0]["values"][name] if is_one else old, "new": value}
    return changes


def _join_days(old: Mapping[date, Values]) -> list[dict[str, Any]]:
    """Return stretches of neighbouring days with equal values, as they are stored."""
    stretches: list[dict[str, Any]] = []
    last: date | None = None
    for day in sorted(old):
        values = _as_json(old[day])
        if last is not None and stretches[-1]["values"] == values and (day - last).days == 1:
            stretches[-1]["last"] = day.isoformat()
        else:
            stretches.append({"first": day.isoformat(), "last": day.isoformat(), "values": values})
        last = day
    return stretches


def _split_days(stretches: Sequence[Mapping[str, Any]]) -> dict[date, Values]:
    found: dict[date, Values] = {}
    for one in stretches:
        days = Days(date.fromisoformat(one["first"]), date.fromisoformat(one["last"]))
        found.update(dict.fromkeys(days.list_days(), _from_json(one["values"])))
    return found


def _as_json(values: Values) -> dict[str, Any]:
    # An amount as text: JSON's numbers are not exact everywhere.
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in values.items()}


def _from_json(values: Mapping[str, Any]) -> dict[str, Value]:
    # PostgreSQL keeps no order of keys.
    found: dict[str, Value] = {name: values[name] for name in WRITABLE if name in values}
    if isinstance(price := found.get("price"), str):
        found["price"] = Decimal(price)
    return found


def _as_write(row: sa.Row[Any]) -> CalendarWrite:
    return CalendarWrite(
        write_id=row.write_id,
        account_id=row.account_id,
        listing_id=row.listing_id,
        days=Days(row.first_day, row.last_day),
        new=_from_json(row.new_values),
        old=_split_days(row.old_values),
        state=WriteState(row.state),
        owner=row.owner,
        os_user=row.os_user,
        host=row.host,
        error=row.error,
        created_at=row.created_at,
        sending_at=row.sending_at,
        settled_at=row.settled_at,
    )
