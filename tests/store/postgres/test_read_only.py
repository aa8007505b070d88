from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.records import add_account

from hostaway_sync.errors import StoreError, UsageError
from hostaway_sync.store.postgres.read_only import run_read_only

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database


def test_query_returns_names_and_rows(database: Database) -> None:
    """Unqualified names are the mirror's tables."""
    add_account(database, 7)
    assert run_read_only(database, "SELECT account_id, name AS called FROM accounts WHERE true OR name LIKE '%s'") == (
        ["account_id", "called"],
        [(7, None)],
    )


def test_query_changes_nothing(database: Database) -> None:
    """A statement that would write is refused, and the next query is answered."""
    add_account(database, 7)
    with pytest.raises(StoreError, match="read-only transaction"):
        run_read_only(database, "DELETE FROM accounts RETURNING account_id")
    assert run_read_only(database, "SELECT count(*) FROM accounts")[1] == [(1,)]
    assert sql.row(database, "SHOW transaction_read_only").transaction_read_only == "off"


def test_query_cannot_end_its_transaction(database: Database) -> None:
    """A second statement behind a COMMIT does not escape from the read-only transaction."""
    add_account(database, 7)
    with pytest.raises(UsageError, match="the query cannot be run: "):
        run_read_only(database, "COMMIT; DELETE FROM accounts")
    assert sql.row(database, "SELECT count(*) FROM accounts").count == 1
