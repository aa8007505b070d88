"""How fast callers of the API get rows: one reservation by its id, and pages of 100, of one account, of ten and of all.

Every account of 100 has 10,000 reservations with payloads as large as Hostaway's. Prints milliseconds of database and
Python together, and how the database found the rows: by which indexes, and whether it planned anew each time (custom)
or kept a plan (generic). One process asks, one question after another.

    python benchmarks/api_rows.py                1,000,000 reservations
    python benchmarks/api_rows.py 100000
"""

from __future__ import annotations

import re
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from core_views import ACCOUNTS, fill
from stage import temporary_server

from hostaway_sync.app.data.rows import Rows
from hostaway_sync.app.resources import VOCABULARY
from hostaway_sync.model.callers import Access
from hostaway_sync.model.rows.lists import EVERYTHING, RowFilters, RowList
from hostaway_sync.store.callers.scoped_reads import ScopedReads
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine.interfaces import DBAPICursor

    from hostaway_sync.model.rows.cursor import RowCursor

ROUNDS = 300
WARM_UP = 20
CALLERS = {
    "one account": Access.of_accounts([7]),
    "ten accounts": Access.of_accounts(range(1, 11)),
    "all accounts": Access.everything(),
}
MAY, JULY = date(2026, 5, 1), date(2026, 7, 31)
NOW = datetime.now(UTC)
# Each with what the design allows for the slowest of 100, in milliseconds.
PAGES: dict[str, tuple[RowFilters, int | None]] = {
    "a page": (EVERYTHING, 25),
    "a summer's confirmed": (RowFilters(status="confirmed", check_in_from=MAY, check_in_to=JULY), 25),
    "a summer's Airbnb": (RowFilters(channel="airbnb", check_in_from=MAY, check_in_to=JULY), 25),
    "changed within an hour": (RowFilters(updated_since=NOW - timedelta(hours=1)), 25),
    "changed within a month": (RowFilters(updated_since=NOW - timedelta(days=30)), 25),
    "pending: none there": (RowFilters(status="pending"), None),
}
PLACES = re.compile(r"(?:Scan using|Index Scan on) (\w+)|(Seq Scan on \w+)")


@dataclass(frozen=True)
class Bench:
    """The rows, and the database that they are in."""

    rows: Rows
    database: Database


def main() -> None:
    """Measure on an embedded server that is deleted afterwards."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with temporary_server() as server, closing(Database(server.url(), schema="hostaway")) as database:
        fill(database, count)
        measure(database, count, "hostaway_api")


def measure(database: Database, count: int, role: str | None) -> None:
    """Print how long each question of each caller takes."""
    reads = ScopedReads(database, role)
    bench = Bench(Rows(reads, "core", VOCABULARY), database)
    each = count // ACCOUNTS
    print(f"{count:,} reservations of {ACCOUNTS} accounts, as role {role}; milliseconds")
    for caller, access in CALLERS.items():
        print(caller)
        tell(bench, "one reservation", single(bench.rows, access, each), 5)
        for title, (filters, target) in PAGES.items():
            tell(bench, title, pages(bench.rows, access, filters), target)


def single(rows: Rows, access: Access, each: int) -> Iterator[Callable[[], Any]]:
    """Yield look-ups of reservations of account 7, by the source's id."""
    number = 0
    while True:
        number = number * 31 % each + 1
        yield lambda number=number: rows.find_row(access, RowList.RESERVATIONS, str(7_000_000 + number))  # type: ignore[misc]


def pages(rows: Rows, access: Access, filters: RowFilters) -> Iterator[Callable[[], Any]]:
    """Yield readings of one page after the other, from the first one again after the last."""
    after: RowCursor | None = None

    def read() -> None:
        nonlocal after
        after = rows.list_rows(access, RowList.RESERVATIONS, filters, after=after).next

    while True:
        yield read


def tell(bench: Bench, title: str, questions: Iterator[Callable[[], Any]], target: int | None) -> None:
    """Print how long a question takes, and how the database answers it."""
    for _ in range(WARM_UP):
        next(questions)()
    times = []
    for _ in range(ROUNDS):
        question = next(questions)
        began = time.perf_counter()
        question()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    middle, slow = times[ROUNDS // 2], times[ROUNDS * 99 // 100]
    limit = f" (target {target})" if target else ""
    print(f"  {title:<24}p50 {middle:7.2f}  p99 {slow:7.2f}{limit:<12}  {explain(bench, next(questions))}")


def explain(bench: Bench, question: Callable[[], Any]) -> str:
    """Return which indexes find the rows of a question, and whether the plans of its statements are kept."""
    indexes: dict[str, None] = {}

    def look(_: object, cursor: DBAPICursor, statement: str, values: Any, *_more: object) -> None:  # noqa: ANN401
        if "reservations" in statement:
            cursor.execute(f"EXPLAIN {statement}", values)
            for (line,) in cursor.fetchall():
                indexes.update(dict.fromkeys(one or other for one, other in PLACES.findall(line)))

    sa.event.listen(bench.database.engine, "before_cursor_execute", look)
    question()
    sa.event.remove(bench.database.engine, "before_cursor_execute", look)
    kept = bench.database.transaction(
        lambda connection: connection.exec_driver_sql(
            "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements WHERE NOT from_sql"
        ).one()
    )
    return f"plans so far {kept[0]} generic, {kept[1]} custom; {', '.join(indexes)}"


if __name__ == "__main__":
    main()
