from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.records import add_account

from hostaway_sync.errors import StoreError, UsageError
from hostaway_sync.store.queries.values import read_values

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database


def test_query_returns_names_and_rows(database: Database) -> None:
    """Unqualified names are the mirror's tables."""
    add_account(database, 7)
    assert read_values(database, "SELECT account_id, name AS called FROM accounts WHERE true OR name LIKE '%s'") == (
        ["account_id", "called"],
        [(7, None)],
    )


def test_query_changes_nothing(database: Database) -> None:
    """A statement that would write is refused, and the next query is answered."""
    add_account(database, 7)
    with pytest.raises(UsageError, match="it can only read"):
        read_values(database, "DELETE FROM accounts RETURNING account_id")
    with pytest.raises(StoreError, match="the query would write, and only reading is allowed: "):
        read_values(database, "SELECT nextval('audit_log_audit_id_seq')")
    assert read_values(database, "SELECT count(*) FROM accounts")[1] == [(1,)]
    assert sql.row(database, "SHOW transaction_read_only").transaction_read_only == "off"


def test_query_cannot_end_its_transaction(database: Database) -> None:
    """A second statement behind a COMMIT does not escape from the read-only transaction."""
    add_account(database, 7)
    with pytest.raises(UsageError, match="only one query can be run"):
        read_values(database, "COMMIT; DELETE FROM accounts")
    assert sql.row(database, "SELECT count(*) FROM accounts").count == 1
