"""Stores the alarms of accounts, so that they outlive the process that raised them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.alarms import Alarm, AlarmKind, Cause
from hostaway_sync.store.tables import alarms

if TYPE_CHECKING:
    from hostaway_sync.model.alarms import AlarmUpdate


def list_standing(connection: sa.Connection, account_id: int | None = None) -> dict[int, tuple[Alarm, ...]]:
    """Return the alarms of an account, or of all, by account and oldest first."""
    query = sa.select(alarms).order_by(alarms.c.account_id, alarms.c.since, alarms.c.kind, alarms.c.resource)
    if account_id is not None:
        query = query.where(alarms.c.account_id == account_id)
    found: dict[int, tuple[Alarm, ...]] = {}
    for row in connection.execute(query):
        cause = Cause(AlarmKind(row.kind), row.resource, row.sentence, row.needs_sweep)
        others = {digest: datetime.fromisoformat(at) for digest, at in row.others_told.items()}
        found[row.account_id] = (*found.get(row.account_id, ()), Alarm(cause, row.since, row.told_at, others))
    return found


def store_alarms(connection: sa.Connection, account_id: int, after: AlarmUpdate) -> None:
    """Store the alarms that stand, and delete those that ended."""
    for alarm in after.ended:
        connection.execute(sa.delete(alarms).where(*_is(account_id, alarm)))
    for alarm in after.alarms:
        values = {
            "sentence": alarm.cause.sentence,
            "since": alarm.since,
            "told_at": alarm.told_at,
            "others_told": {digest: at.isoformat() for digest, at in alarm.others_told.items()},
            "needs_sweep": alarm.cause.needs_sweep,
        }
        statement = insert(alarms).values(
            account_id=account_id, kind=alarm.cause.kind.value, resource=alarm.cause.resource, **values
        )
        key = ["account_id", "kind", "resource"]
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))


def _is(account_id: int, alarm: Alarm) -> tuple[sa.ColumnElement[bool], ...]:
    kind, resource = alarm.key
    return alarms.c.account_id == account_id, alarms.c.kind == kind.value, alarms.c.resource == resource
