"""How long `status` and `plan` take over many accounts: 500 of them, with a million rows and a month of hourly runs.

python benchmarks/status.py [ROWS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy as sa
from stage import Stage, play, stage

from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.postgres.database import Database

ACCOUNTS = 500
ROWS = 1_000_000
REPEATS = 3
# How a million rows spread over the tables, and how large each payload is, in bytes.
SHARES = {
    "listings": (0.01, 6400),
    "reservations": (0.25, 2900),
    "conversations": (0.24, 800),
    "conversation_messages": (0.50, 800),
}
OTHER_ACCOUNTS = """
INSERT INTO hostaway.accounts (account_id, client_secret, last_sync_at)
SELECT n, '', now() - interval '1 hour' FROM generate_series(1, :others) n
"""
ROWS_OF = """
INSERT INTO hostaway.{table} (account_id, id, observed_at, payload_hash, raw_payload)
SELECT account_id, i, now(), '', (SELECT jsonb_build_object('text', string_agg(md5((i * k)::text), ''))
    FROM generate_series(1, :size / 32) k)
FROM generate_series(1, :each) i, hostaway.accounts
"""
RUNS = """
INSERT INTO hostaway.sync_runs (account_id, state, mode, triggered_at, started_at, finished_at, api_calls)
SELECT account_id, 'success', CASE WHEN h % 20 = 0 THEN 'full' ELSE 'incremental' END,
    now() - h * interval '1 hour', now() - h * interval '1 hour', now() - h * interval '1 hour' + interval '4 s', 3
FROM hostaway.accounts, generate_series(1, 720) h
"""


def main() -> None:
    """Print how many seconds each command takes."""
    rows = int(sys.argv[1]) if sys.argv[1:] else ROWS
    with stage("--reservations", "1") as on:
        fill(on, rows)
        print(f"{ACCOUNTS} accounts, {rows:,} rows, {ACCOUNTS * 720:,} runs; the program's start-up is in the seconds")
        for words in (["status"], ["status", "100"], ["plan"]):
            seconds = min(play(on, *words).seconds for _ in range(REPEATS))
            print(f"{' '.join(words):>12}: {seconds:.2f} s")


def fill(on: Stage, rows: int) -> None:
    """Write accounts, rows and runs straight into the database, without a request."""
    server = EmbeddedPostgres(Path(on.environment["HOSTAWAY_SYNC_DATA_DIR"]) / "postgresql")
    server.start()
    database = Database(server.url(), schema="hostaway")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("SET statement_timeout = 0"))
        # The account of the sandbox is there already.
        connection.execute(sa.text(OTHER_ACCOUNTS), {"others": ACCOUNTS - 1})
        for table, (share, size) in SHARES.items():
            each = {"each": int(rows * share / ACCOUNTS), "size": size}
            connection.execute(sa.text(ROWS_OF.format(table=table)), each)
        connection.execute(sa.text(RUNS))
        connection.execute(sa.text("VACUUM ANALYZE"))
    database.close()
    server.release()


if __name__ == "__main__":
    main()
