from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from tests.support import sql
from tests.support.records import add_account

from hostaway_sync.model.vocabulary import StayKeys
from hostaway_sync.store.history import stay

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

RESERVATION = """
INSERT INTO reservations
    (account_id, id, listing_id, arrival_date, departure_date, observed_at, payload_hash, raw_payload)
VALUES (1, 7, 8, '2026-05-01', '2026-05-04', now(), '', '{}')
"""


def test_each_look_at_a_stay_follows_an_index_to_it(database: Database) -> None:
    """No statement reads all rows of an account, whatever the planner believes of their number."""
    add_account(database)
    sql.execute(database, RESERVATION)
    plans: list[str] = []

    def explain(_c: Any, cursor: Any, statement: str, values: Any, *_: object) -> None:
        if statement.startswith("SELECT") and "hostaway." in statement and "FROM hostaway.accounts" not in statement:
            cursor.execute(f"EXPLAIN {statement}", values)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))

    def read(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET LOCAL enable_seqscan TO off")
        stay.find_accounts(connection, 7)
        stay.read_stay(connection, 1, 7, StayKeys(arrival="from", departure="to", body="body"))

    sa.event.listen(database.engine, "before_cursor_execute", explain)
    database.transaction(read)
    sa.event.remove(database.engine, "before_cursor_execute", explain)
    assert len(plans) == 7
    conditions = [line for plan in plans for line in plan.splitlines() if "Index Cond" in line]
    assert len(conditions) >= len(plans)
    assert [plan for plan in plans if "Seq Scan" in plan] == []
    keys = ("id =", "record_id =", "reservation_id =", "object_id =", "listing_id =", "conversation_id =")
    assert [line for line in conditions if not any(key in line for key in keys)] == []
