"""How long `database move` takes from one server to another, both here: reservations, a message each, and the rest.

Prints seconds, rows a second and the most memory that the program held. Both sides are compared row by row, which is
in the time.

    python benchmarks/move.py              100,000 reservations
    python benchmarks/move.py 1000000
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import sqlalchemy as sa
from stage import Stage, play

from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import revisions

ACCOUNTS = 20
FILL = (
    "INSERT INTO hostaway.accounts (account_id) SELECT n FROM generate_series(1, :accounts) n",
    """
    INSERT INTO hostaway.reservations (account_id, id, status, arrival_date, observed_at, payload_hash, raw_payload)
    SELECT 1 + n % :accounts, n, 'new', date '2026-01-01' + n % 365, now(), decode(md5(n::text), 'hex'),
        jsonb_build_object('id', n, 'guestName', 'Guest ' || n, 'totalPrice', n % 1000,
            'notes', repeat(md5(n::text), 60))
    FROM generate_series(1, :rows) AS n
    """,
    """
    INSERT INTO hostaway.conversation_messages (account_id, id, conversation_id, observed_at, payload_hash, raw_payload)
    SELECT 1 + n % :accounts, n, n, now(), decode(md5(n::text), 'hex'),
        jsonb_build_object('id', n, 'conversationId', n, 'body', repeat(md5(n::text), 10))
    FROM generate_series(1, :rows) AS n
    """,
)


def main() -> None:
    """Fill one server, start another one, and measure the move between them."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    directory = Path(tempfile.mkdtemp(prefix="hostaway-sync-benchmark-"))
    directory.chmod(0o711)
    try:
        with ExitStack() as stack:
            env, there = (started(stack, directory / name) for name in ("here", "there"))
            fill(env, rows)
            target = directory / "url"
            target.touch(mode=0o600)
            target.write_text(there, encoding="utf-8")
            names = {"HOSTAWAY_SYNC_DATABASE_URL": env, "HOSTAWAY_SYNC_DATA_DIR": str(directory)}
            ended = play(Stage(1, os.environ | names), "database", "move", "--to", str(target))
    finally:
        shutil.rmtree(directory)
    moved = sum(table["rows"] for table in ended.output["tables"])
    print(f"{moved:,} rows in {ended.seconds:.1f} s: {moved / ended.seconds:,.0f} a second, {ended.peak_mb:.0f} MB")


def started(stack: ExitStack, directory: Path) -> str:
    """Start a server of its own and return its URL."""
    server = EmbeddedPostgres(directory)
    server.start()
    stack.callback(server.release)
    return server.url()


def fill(url: str, rows: int) -> None:
    """Store a mirror with this number of reservations."""
    with closing(Database(url, schema="hostaway")) as database:
        revisions.upgrade_database(database)
        with database.engine.begin() as connection:
            for statement in FILL:
                wanted = {"accounts": ACCOUNTS, "rows": rows}
                text = sa.text(statement)
                connection.execute(text, {name: wanted[name] for name in text.compile().params})


if __name__ == "__main__":
    main()
