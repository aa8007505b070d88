"""Whether a range of dates or months reaches an index, asked by a reader who is bound to one account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.sql import execute

if TYPE_CHECKING:
    from tests.support.db_roles import DbRoles

    from hostaway_sync.store.postgres.database import Database

RANGES = (
    "SELECT * FROM core.arrivals WHERE check_in_date >= '2026-10-01' AND check_in_date < '2026-11-01'",
    "SELECT * FROM core.departures WHERE check_out_date BETWEEN '2026-10-01' AND '2026-10-31'",
    "SELECT * FROM core.stays WHERE check_in_date = '2026-10-01'",
    "SELECT * FROM core.occupancy_monthly WHERE month >= '2026-01-01' AND month < '2027-01-01'",
    "SELECT * FROM core.occupancy_monthly WHERE listing_key = 'hostaway:3:7' AND month = '2026-02-01'",
)


def test_ranges_of_dates_reach_an_index(database: Database, db_roles: DbRoles) -> None:
    """Row-level security lets only leakproof conditions into an index, and a month is worked out from dates."""
    execute(database, "INSERT INTO accounts (account_id) SELECT generate_series(1, 4)")
    execute(
        database,
        "INSERT INTO reservations (account_id, id, listing_id, status, arrival_date, departure_date, observed_at,"
        " payload_hash, raw_payload) SELECT a, n, n % 20, 'new', date '2024-01-01' + n % 1200,"
        " date '2024-01-02' + n % 1200, now(), '', jsonb_build_object('text', repeat('x', 1000))"
        " FROM generate_series(1, 4) AS a, generate_series(1, 2500) AS n",
    )
    execute(
        database,
        "INSERT INTO listings (account_id, id, observed_at, payload_hash, raw_payload)"
        " SELECT a, n, now(), '', '{}' FROM generate_series(1, 4) AS a, generate_series(1, 20) AS n",
    )
    execute(
        database,
        "INSERT INTO calendar_days (account_id, listing_id, date, is_available, observed_at, payload_hash, raw_payload)"
        " SELECT a, n, date '2026-01-01' + d, d % 5 > 0, now(), '', '{}'"
        " FROM generate_series(1, 4) AS a, generate_series(1, 20) AS n, generate_series(0, 364) AS d",
    )
    execute(database, "ANALYZE")
    reader = db_roles.create_login("bound", db_roles.groups.reader)
    db_roles.roles.bind(reader, [3], [])
    for query in RANGES:
        plan = "\n".join(line for (line,) in db_roles.rows(reader, f"EXPLAIN {query}"))
        assert not re.search("Seq Scan on (reservations|calendar_days)", plan), plan
        conditions = " ".join(re.findall(r"Index Cond: (.*)", plan))
        assert "arrival_date" in conditions or "departure_date" in conditions or "core_listing_key" in conditions, plan
