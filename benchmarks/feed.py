"""What it takes to read the feed of changes and the life of a reservation, among a million of each.

python benchmarks/feed.py [CHANGES]
"""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import sqlalchemy as sa
from stage import stage

from hostaway_sync.app.container import Container
from hostaway_sync.app.history.history import History
from hostaway_sync.cli.history.changes import json_lines
from hostaway_sync.model.history.feed import OLDEST, FeedFilter
from hostaway_sync.settings import load_settings

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

CHANGES = 1_000_000
LOOKS = 50
STAY = 41_000_000
TARGET = 0.5
CHANGE_ROWS = """
INSERT INTO hostaway.changes (account_id, resource, record_id, change, keys, before, after, cause, position)
SELECT account_id, 'reservations', (41000000 + i % 100000)::text, 'updated', ARRAY['status', 'updatedOn'],
    '{"status": "new", "updatedOn": "2026-01-01 00:00:00"}',
    '{"status": "modified", "updatedOn": "2026-01-02 00:00:00"}', 'sync', pg_current_xact_id()::text::bigint
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) i, hostaway.accounts
"""
STAY_ROWS = """
INSERT INTO hostaway.reservations (account_id, id, arrival_date, departure_date, observed_at, payload_hash, raw_payload)
SELECT account_id, 41000000 + i, '2026-05-01', '2026-05-04', now(), '', '{"status": "new"}'
FROM generate_series(1, CAST(:last AS int)) i, hostaway.accounts
"""


def main() -> None:
    """Print the seconds of a page, of the whole feed, of a follower that hears of a change, and of a life."""
    number = int(sys.argv[1]) if sys.argv[1:] else CHANGES
    with stage("--reservations", "1") as on:
        os.environ.update(on.environment)
        with closing(Container(load_settings())) as container:
            database, history = container.database, History(container)
            for first in range(1, number + 1, 50_000):
                run(database, CHANGE_ROWS, first=first, last=min(first + 49_999, number))
            run(database, STAY_ROWS, last=number)
            print(f"{number:,} changes in one batch, of which the planner has no statistics")
            for name, wanted in (("all", FeedFilter()), ("a resource without any", FeedFilter(resource="tasks"))):
                began = time.perf_counter()
                history.feed.read(OLDEST, wanted)
                print(f"  a page of {name}: {time.perf_counter() - began:.3f} s")
            print_whole(history)
            print_follower(history, database)
            began = time.perf_counter()
            history.tell(STAY + number // 2)
            print(
                f"the life of a stay: {time.perf_counter() - began:.3f} s (target {TARGET} s with the program's start)"
            )


def print_whole(history: History) -> None:
    """Print how long all lines of the feed take, and the most memory that the process held."""
    began, size = time.perf_counter(), 0
    for page in history.feed.pages(OLDEST):
        size += sum(map(len, json_lines(page)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  all lines: {time.perf_counter() - began:.1f} s, {size / 1e6:.0f} MB; at most {peak:.0f} MB of memory")


def print_follower(history: History, database: Database) -> None:
    """Print how long after its commit a follower has a change: the median, and the longest."""
    cursor = history.feed.begin(None)
    for page in history.feed.pages(cursor, FeedFilter(resource="tasks")):
        cursor = page.cursor
    pages, took = history.feed.follow(cursor), []
    next(pages)
    for _ in range(LOOKS):
        run(database, CHANGE_ROWS, first=1, last=1)
        run(database, "NOTIFY hostaway_sync_changes")
        committed = time.perf_counter()
        while not next(pages).entries:
            pass
        took.append(time.perf_counter() - committed)
    pages.close()
    print(f"a follower hears of a change after {sorted(took)[LOOKS // 2]:.3f} s, at most {max(took):.3f} s")


def run(database: Database, statement: str, **values: int) -> None:
    """Run a statement in a transaction of its own."""
    database.transaction(lambda connection: connection.execute(sa.text(statement), values))


if __name__ == "__main__":
    main()
