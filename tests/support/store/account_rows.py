"""How many rows each table has of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import sql

from hostaway_sync.store.tables import metadata

if TYPE_CHECKING:
    from tests.support.sync_env import SyncEnv


def count_rows(env: SyncEnv, account_id: int = 70001) -> dict[str, int]:
    """Count the rows of an account, by table."""
    tables = [table.name for table in metadata.sorted_tables if "account_id" in table.c]
    counts = {
        name: sql.rows(env.database, f"SELECT count(*) FROM {name} WHERE account_id = {account_id}")[0][0]
        for name in tables
    }
    return {name: rows for name, rows in counts.items() if rows}
