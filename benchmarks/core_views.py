"""How fast the views of `core` answer a reader who is bound to one account of 100, and one who is bound to ten.

Every account has 200 listings and 10,000 reservations, payloads as large as Hostaway's; ten accounts have calendars of
a year. Prints milliseconds, the best of five.

    python benchmarks/core_views.py              1,000,000 reservations
    python benchmarks/core_views.py 100000
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import sqlalchemy as sa
from stage import temporary_server

from hostaway_sync.app.resources import name_core
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.schema.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.embedded import EmbeddedPostgres

ACCOUNTS = 100
LISTINGS = 200
WITH_CALENDAR = 10
ROUNDS = 5
# Stays of three and a half years around January 2026, one to eight nights each; one of five is cancelled, and all have
# changed within the last year.
FILL = (
    "INSERT INTO hostaway.accounts (account_id) SELECT generate_series(1, :accounts)",
    """
INSERT INTO hostaway.listings (account_id, id, observed_at, payload_hash, raw_payload)
SELECT a, a * 1000 + i, now(), '', jsonb_build_object('name', 'House ' || i, 'currencyCode', 'EUR', 'insertedOn',
    '2023-12-01 08:00:00', 'timeZoneName', 'Europe/Oslo', 'listingUnits', '[]'::jsonb, 'description',
    (SELECT string_agg(md5((a * i * k)::text), '') FROM generate_series(1, 300) AS k))
FROM generate_series(1, :accounts) AS a, generate_series(1, :listings) AS i
""",
    """
INSERT INTO hostaway.reservations (account_id, id, listing_id, channel_id, status, arrival_date, departure_date,
    source_updated_at, updated_at, observed_at, payload_hash, raw_payload)
SELECT a, a * 1000000 + i, a * 1000 + 1 + i % :listings, 2018, status, day, day + nights,
    now() - age, now() - age, now(), '',
    jsonb_build_object('id', a * 1000000 + i, 'listingMapId', a * 1000 + 1 + i % :listings,
        'channelName', 'airbnbOfficial',
        'status', status, 'arrivalDate', day, 'departureDate', day + nights, 'nights', nights, 'currency', 'EUR',
        'totalPrice', nights * 100 + i % 7, 'cleaningFee', 40, 'taxAmount', 12.5, 'guestName', 'Guest ' || i,
        'numberOfGuests', 2, 'adults', 2, 'checkInTime', 15, 'checkOutTime', 11, 'reservationUnit', '[]'::jsonb,
        'insertedOn', '2025-01-01 00:00:00', 'reservationDate', '2025-01-01 00:00:00', 'confirmationCode', 'HM' || i)
    || (SELECT jsonb_object_agg('key' || k, repeat(chr(97 + k % 26), 20)) FROM generate_series(1, 90) AS k)
FROM generate_series(1, :accounts) AS a, generate_series(1, :each) AS i,
    LATERAL (SELECT date '2024-04-01' + (hashint4(i * 7 + a) & 2147483647) % 1280 AS day,
        1 + (hashint4(i + a) & 7) AS nights, CASE WHEN i % 5 = 0 THEN 'cancelled' ELSE 'new' END AS status,
        (hashint4(i * 3 + a) & 2147483647) % 31536000 * interval '1 second' AS age) AS stay
""",
    """
INSERT INTO hostaway.calendar_days
    (account_id, listing_id, date, is_available, status, observed_at, payload_hash, raw_payload)
SELECT a, a * 1000 + i, date '2026-01-01' + d, (d + i) % 9 > 2, CASE WHEN (d + i) % 9 > 2 THEN 'available'
    WHEN (d + i) % 9 > 0 THEN 'reserved' ELSE 'blocked' END, now(), '', '{}'
FROM generate_series(1, :calendars) AS a, generate_series(1, :listings) AS i, generate_series(0, 364) AS d
""",
    "VACUUM ANALYZE",
)
# Each with what the design allows, in milliseconds, for a reader who is bound to one account.
QUESTIONS: dict[str, tuple[str, int | None]] = {
    "a month's arrivals": (
        "SELECT * FROM core.arrivals WHERE check_in_date >= '2026-10-01' AND check_in_date < '2026-11-01'",
        50,
    ),
    "a month's departures": (
        "SELECT * FROM core.departures WHERE check_out_date >= '2026-10-01' AND check_out_date < '2026-11-01'",
        None,
    ),
    "a year's occupancy": (
        "SELECT * FROM core.occupancy_monthly WHERE month >= '2026-01-01' AND month < '2027-01-01'",
        2000,
    ),
    "a listing's month": (
        "SELECT * FROM core.occupancy_monthly WHERE listing_key = 'hostaway:1:1007' AND month = '2026-02-01'",
        None,
    ),
    "all months": ("SELECT * FROM core.occupancy_monthly", None),
    "a year's nights": (
        "SELECT date, sum(revenue) FROM core.nights WHERE date >= '2026-01-01' AND date < '2027-01-01' GROUP BY date",
        None,
    ),
}


def main() -> None:
    """Measure on an embedded server that is deleted afterwards."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with temporary_server() as server, ExitStack() as stack:
        measure(server, rows, stack)


def measure(server: EmbeddedPostgres, rows: int, stack: ExitStack) -> None:
    """Fill the tables, and print how long each question takes each reader."""
    owner = stack.enter_context(closing(Database(server.url(), schema="hostaway")))
    fill(owner, rows)
    readers = {}
    for name, count in {"one account": 1, "ten accounts": 10}.items():
        role = name.replace(" ", "_")
        list(run(owner, f"CREATE ROLE {role} LOGIN IN ROLE hostaway_reader"))
        Roles(owner).bind(role, range(1, count + 1), [])
        url = owner.engine.url.set(username=role).render_as_string(hide_password=False)
        readers[name] = stack.enter_context(closing(Database(url, schema="hostaway")))
    print(f"{rows:,} reservations of {ACCOUNTS} accounts; milliseconds, and rows")
    for title, (question, target) in QUESTIONS.items():
        parts = []
        for name, reader in readers.items():
            taken, found = measure_question(reader, question)
            parts.append(f"{name} {taken * 1000:8.1f} ms {found:7,} rows")
        print(f"{title:<22}{'   '.join(parts)}{f'   (target {target} ms for one)' if target else ''}")


def fill(owner: Database, rows: int) -> None:
    """Migrate an empty database, fill its tables, and create the groups of roles."""
    revisions.upgrade_database(owner, core=name_core("core"))
    sizes = {"accounts": ACCOUNTS, "listings": LISTINGS, "each": rows // ACCOUNTS, "calendars": WITH_CALENDAR}
    for statement in FILL:
        list(run(owner, statement, **{name: size for name, size in sizes.items() if f":{name}" in statement}))
    Roles(owner, "core").create("hostaway")


def measure_question(reader: Database, question: str) -> tuple[float, int]:
    """Return the shortest time that a question took, all rows read, and how many these were."""
    times, found = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = len(list(run(reader, question)))
        times.append(time.perf_counter() - began)
    return min(times), found


def run(database: Database, statement: str, **values: object) -> Iterator[sa.Row[tuple[object, ...]]]:
    """Run one statement and yield its rows."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        # As in a first sync: what is filled in is no history.
        connection.exec_driver_sql("SET hostaway_sync.changes = 'off'")
        result = connection.execute(sa.text(statement.replace("::", r"\:\:")), values)
        if result.returns_rows:
            yield from result


if __name__ == "__main__":
    main()
