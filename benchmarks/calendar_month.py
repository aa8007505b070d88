"""How long `calendar show` takes for a month of one listing, among a year of days of many listings.

Printed beside it: what any command takes that opens the database, and the part that is this command's own.

python benchmarks/calendar_month.py [LISTINGS]
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from stage import Stage, play, stage

from hostaway_sync.app.mirror import Mirror
from hostaway_sync.cli.calendar.picture import draw_picture
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.settings import load_settings
from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.postgres.database import Database

LISTINGS = 1_000
DAYS = 365
REPEATS = 5
TARGET = 0.5
LISTING_ROWS = """
INSERT INTO hostaway.listings (account_id, id, observed_at, payload_hash, raw_payload)
SELECT account_id, i, now(), '', jsonb_build_object('name', 'House ' || i, 'currencyCode', 'EUR',
    'text', (SELECT string_agg(md5((i * k)::text), '') FROM generate_series(1, 200) k))
FROM generate_series(1, :listings) i, hostaway.accounts
"""
DAY_ROWS = """
INSERT INTO hostaway.calendar_days
    (account_id, listing_id, date, is_available, status, price, minimum_stay, observed_at, payload_hash, raw_payload)
SELECT account_id, i, current_date + d, (i + d) % 3 > 0, CASE WHEN (i + d) % 3 > 0 THEN 'available' ELSE 'reserved' END,
    100 + (i + d) % 200, 2, now(), '', jsonb_build_object('date', current_date + d, 'price', 100 + (i + d) % 200)
FROM generate_series(1, :listings) i, generate_series(0, :days - 1) d, hostaway.accounts
"""


def main() -> None:
    """Print how many seconds each form of the answer takes, and the start-up of the program without it."""
    listings = int(sys.argv[1]) if sys.argv[1:] else LISTINGS
    first = datetime.now(UTC).date()
    month = Days(first, first + timedelta(days=30))
    with stage("--reservations", "1") as on:
        fill(on, listings)
        print(f"{listings:,} listings, {listings * DAYS:,} days; seconds, and those of the processor")
        show = ("calendar", "show", str(listings // 2), str(month.first), str(month.last))
        for words in ((*show, "--json"), (*show, "--csv"), show, ("account", "list")):
            ended = [play(on, *words, json_output=False) for _ in range(REPEATS)]
            wall, cpu = min(one.seconds for one in ended), min(one.cpu for one in ended)
            print(f"{' '.join(words):>50}: {wall:.2f} s, {cpu:.2f} s")
        os.environ.update(on.environment)
        with Mirror(load_settings()) as mirror:
            read, draw = zip(*(measure_month(mirror, listings // 2, month) for _ in range(20)), strict=True)
        print(f"of these, reading a month {min(read):.3f} s, drawing it {min(draw):.3f} s (target {TARGET} s in all)")


def measure_month(mirror: Mirror, listing_id: int, month: Days) -> tuple[float, float]:
    """Return the seconds for reading a month and for drawing its picture."""
    began = time.perf_counter()
    calendar = mirror.calendar.read_listing(listing_id, month)
    was_read = time.perf_counter()
    draw_picture(calendar, 80)
    return was_read - began, time.perf_counter() - was_read


def fill(on: Stage, listings: int) -> None:
    """Write listings and days straight into the database, without a request."""
    server = EmbeddedPostgres(Path(on.environment["HOSTAWAY_SYNC_DATA_DIR"]) / "postgresql")
    server.start()
    database = Database(server.url(), schema="hostaway")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("SET statement_timeout = 0"))
        connection.execute(sa.text(LISTING_ROWS), {"listings": listings})
        connection.execute(sa.text(DAY_ROWS), {"listings": listings, "days": DAYS})
        connection.execute(sa.text("VACUUM ANALYZE"))
    database.close()
    server.release()


if __name__ == "__main__":
    main()
