"""Counts the suspected rows and the setbacks of accounts."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hostaway_sync.model.doubts import Doubt, Doubts
from hostaway_sync.model.records import Resource
from hostaway_sync.store.records import setbacks, suspicions
from hostaway_sync.store.tables import setbacks as setbacks_table
from hostaway_sync.store.tables import suspicions as suspicions_table

if TYPE_CHECKING:
    import sqlalchemy as sa


def count_doubts(connection: sa.Connection, account_id: int | None) -> defaultdict[int, Doubts]:
    """Return the doubts of one account, or of all; an account without any has empty ones."""
    suspected = suspicions.select_standing(), suspicions_table
    set_back = setbacks.select_standing(), setbacks_table
    found: list[dict[int, dict[Resource, Doubt]]] = []
    for query, table in (suspected, set_back):
        by_account: dict[int, dict[Resource, Doubt]] = {}
        wanted = query if account_id is None else query.where(table.c.account_id == account_id)
        for row in connection.execute(wanted):
            by_account.setdefault(row.account_id, {})[Resource(row.resource)] = Doubt(row.rows, row.since)
        found.append(by_account)
    accounts = {*found[0], *found[1]}
    return defaultdict(
        Doubts, {number: Doubts(found[0].get(number, {}), found[1].get(number, {})) for number in accounts}
    )
