"""What row-level security costs: pages written as the tables' owner and as a writer, and questions on a million rows.

Prints milliseconds, the best of five where roles take turns, and the plan of a question by a reader who is bound to one
account of 500. `customer` is bound to a customer whose all 500 are.

    python benchmarks/roles.py              1,000,000 reservations
    python benchmarks/roles.py 100000
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from stage import temporary_server

from hostaway_sync.model.records import Owner, Page, Record, Resource, Shape
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.records.upsert import write_page
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.schema.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostaway_sync.store.embedded import EmbeddedPostgres

ACCOUNTS = 500
CUSTOMER = UUID(int=7)
ROUNDS = 5
PAGES = 20
FILL = """
INSERT INTO hostaway.reservations (account_id, id, status, arrival_date, observed_at, payload_hash, raw_payload)
SELECT 1 + n % :accounts, n, 'new', date '2026-01-01' + n % 365, now(), '',
    jsonb_build_object('id', n, 'guestName', 'Guest ' || n, 'totalPrice', n % 1000, 'notes', repeat('x', 200))
FROM generate_series(1, :rows) AS n
"""
EVERYTHING = "SELECT count(*) FROM hostaway.reservations"
# Each with what one has to add who sees more than account 1.
QUESTIONS = {
    "all of one account": ("SELECT max(raw_payload->>'guestName') FROM hostaway.reservations", "WHERE account_id = 1"),
    "a day's arrivals": (f"{EVERYTHING} WHERE arrival_date = '2026-03-01'", "AND account_id = 1"),
    "one row by its id": ("SELECT status FROM hostaway.reservations WHERE id = 500", "AND account_id = 1"),
}


def main() -> None:
    """Measure on an embedded server that is deleted afterwards."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with temporary_server() as server, ExitStack() as stack:
        measure(server, rows, stack)


def measure(server: EmbeddedPostgres, rows: int, stack: ExitStack) -> None:
    """Create the roles, and measure how fast they write and query."""
    owner = stack.enter_context(closing(Database(server.url(), schema="hostaway")))
    revisions.upgrade_database(owner)
    Roles(owner).create("hostaway")
    accounts = (
        "INSERT INTO hostaway.accounts (account_id, customer_id) SELECT n, :customer FROM generate_series(1, :n) n"
    )
    run(owner, accounts, customer=CUSTOMER, n=ACCOUNTS + 2)
    roles = {"owner": owner}
    for name, group in {"writer": "writer", "analyst": "analyst", "reader": "reader", "customer": "reader"}.items():
        run(owner, f"CREATE ROLE {name} LOGIN IN ROLE hostaway_{group}")
        url = owner.engine.url.set(username=name).render_as_string(hide_password=False)
        roles[name] = stack.enter_context(closing(Database(url, schema="hostaway")))
    Roles(owner).bind("reader", [1], [])
    Roles(owner).bind("customer", [], [CUSTOMER])
    show(
        f"{PAGES} new pages of 500",
        {name: partial(write, roles[name], ACCOUNTS + 1 + place) for place, name in enumerate(("owner", "writer"))},
    )
    run(owner, FILL, accounts=ACCOUNTS, rows=rows)
    run(owner, "VACUUM ANALYZE hostaway.reservations")
    for title, (question, narrow) in QUESTIONS.items():
        acts = {name: partial(ask, roles[name], f"{question} {narrow}") for name in ("owner", "analyst")}
        show(title, acts | {"reader": partial(ask, roles["reader"], question)})
    show(
        "all of everybody's", {name: partial(ask, roles[name], EVERYTHING) for name in ("owner", "analyst", "customer")}
    )
    print(*(line for (line,) in run(roles["reader"], f"EXPLAIN (ANALYZE, COSTS OFF) {EVERYTHING}")), sep="\n")


def show(title: str, acts: Mapping[str, Callable[[int], object]]) -> None:
    """Print the shortest time of each; they take turns, so that a slow moment of the machine hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in acts}
    for turn in range(ROUNDS):
        for name, act in acts.items():
            began = time.perf_counter()
            act(turn)
            times[name].append(time.perf_counter() - began)
    print(f"{title:<22}" + "".join(f"{name:>10} {min(taken) * 1000:8.2f} ms" for name, taken in times.items()))


def write(database: Database, account_id: int, turn: int) -> None:
    """Write pages of new reservations, each in a transaction."""
    for number in range(PAGES):
        first = 1 + (turn * PAGES + number) * 500
        records = [_record(first + place) for place in range(500)]
        page = Page(Shape(Resource.RESERVATIONS), records, datetime.now(UTC))
        database.transaction(partial(write_page, owner=Owner(account_id), page=page))


def ask(database: Database, question: str, turn: int) -> None:
    """Run one query."""
    del turn
    run(database, question)


def run(database: Database, statement: str, **values: object) -> list[tuple[object, ...]]:
    """Run one statement and return its rows."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        result = connection.execute(sa.text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def _record(number: int) -> Record:
    text = f'{{"id":{number},"guestName":"Guest {number}","notes":"{"x" * 1500}"}}'
    digest = b"\x01" + blake2b(text.encode(), digest_size=16).digest()
    return Record(number, text, digest, None, {})


if __name__ == "__main__":
    main()
