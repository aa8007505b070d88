from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from pydantic import SecretStr
from tests.support import sql
from tests.support.barrier import PATIENCE
from tests.support.records import add_account, at, page, record, rows_by_id

from hostaway_sync.errors import AccountError, SourceUnavailable
from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import AccessToken, Resource
from hostaway_sync.queue import outcomes
from hostaway_sync.queue.outcomes import FailedAttempt
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store import audit_log
from hostaway_sync.store.accounts import (
    changes as account_changes,
)
from hostaway_sync.store.accounts import (
    owner as account_owner,
)
from hostaway_sync.store.accounts import (
    queries as account_queries,
)
from hostaway_sync.store.accounts.changes import AccountChanges
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.records.upsert import write_page
from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

OLD, NEW = UUID(int=1), UUID(int=2)
SECRET = SecretStr("hunter2-secret")


def insert(database: Database, ring: KeyRing) -> None:
    """Store an account."""
    account_changes.insert_account(database, ring, 1, SECRET, None, name="Sea View", customer_id=OLD)


def test_running_page_and_change_of_customer_wait_for_each_other(database: Database, ring: KeyRing) -> None:
    """The page is written with the old customer, and rewritten with all rows before any reader sees the new one."""
    insert(database, ring)
    changed = threading.Event()

    def change() -> None:
        account_changes.change_account(database, ring, 1, AccountChanges({"customer_id": NEW}))
        changed.set()

    thread = threading.Thread(target=change)
    with database.engine.begin() as connection:
        owner = account_owner.lock_owner(connection, 1)
        thread.start()
        waits = "wait_event_type = 'Lock' AND datname = current_database()"
        while sql.row(database, f"SELECT 1 FROM pg_stat_activity WHERE {waits}") is None:
            pass
        assert not changed.is_set()
        write_page(connection, owner, page(record(1, {"v": 1})))
    thread.join(PATIENCE)
    assert owner.customer_id == OLD
    assert rows_by_id(database)[1].customer_id == NEW


def test_delivery_does_not_wait_for_a_change_of_customer(database: Database, ring: KeyRing) -> None:
    """While the change locks the rows, others may refer to the account, and its token may be renewed."""
    insert(database, ring)
    with database.engine.begin() as connection:
        account_owner.lock_rows_exclusively(connection, 1)
        leases.acquire_lease(database, 1, "somebody")
        account_queries.StoredToken(database, ring, 1).save(AccessToken(SecretStr("t"), at(0), at(1)))


def test_disabled_or_removed_account_has_no_owner(database: Database, ring: KeyRing) -> None:
    """Neither has an account that does not exist."""
    insert(database, ring)
    account_changes.set_active(database, 1, active=False)
    for account_id in (1, 2):
        with pytest.raises(AccountError, match=f"account {account_id} is disabled"):
            database.transaction(lambda connection, number=account_id: account_owner.lock_owner(connection, number))  # type: ignore[misc]


def test_purged_account_gets_no_lease(database: Database) -> None:
    """It is unknown then, and causes no error of the database."""
    with pytest.raises(AccountError, match="account 7 is not known"):
        leases.acquire_lease(database, 7, "somebody")


@pytest.mark.parametrize("job", [Job(7), Job(7, RefreshTarget(Resource.LISTINGS, 1))])
def test_failed_job_of_a_purged_account_stores_nothing(database: Database, job: Job) -> None:
    """Neither an attempt nor another job."""
    failure = FailedAttempt(SourceUnavailable("down"), timedelta(seconds=1))
    assert outcomes.record_failure(database, job, failure, JobRetryPolicy(), jitter=0.5) is None
    assert sql.row(database, "SELECT 1 FROM procrastinate_jobs") is None


def test_removed_account_gets_no_token(database: Database, ring: KeyRing) -> None:
    """A process that renews one meanwhile does not restore the account."""
    insert(database, ring)
    account_changes.set_active(database, 1, active=False)
    account_changes.remove_account(database, ring, 1)
    account_queries.StoredToken(database, ring, 1).save(AccessToken(SecretStr("t"), at(0), at(1)))
    assert sql.row(database, "SELECT access_token FROM accounts").access_token is None
    with pytest.raises(AccountError, match="account 1 was removed"):
        account_changes.remove_account(database, ring, 1)


def test_secret_that_does_not_open_is_replaced(database: Database, ring: KeyRing) -> None:
    """After the loss of a key, the new secret is sealed with another key."""
    insert(database, ring)
    other = KeyRing([b"x" * 32])
    assert account_changes.change_account(database, other, 1, AccountChanges(client_secret=SECRET)) == (
        "client_secret",
    )
    assert account_queries.open_client_secret(database, other, 1) == SECRET


def test_change_to_equal_values_is_not_logged(database: Database, ring: KeyRing) -> None:
    """It makes no entry, and no new stamp."""
    insert(database, ring)
    before = sql.row(database, "SELECT * FROM accounts")
    wishes = AccountChanges({"name": "Sea View", "customer_id": OLD}, SECRET)
    assert account_changes.change_account(database, ring, 1, wishes) == ()
    assert sql.row(database, "SELECT * FROM accounts") == before
    assert [entry.action for entry in audit_log.list_last_entries(database, 1, limit=9)] == ["added"]


def test_audit_log_names_the_system_user(database: Database, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's name of the user, whatever the environment says; its number where it has no name."""
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    insert(database, ring)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    account_changes.set_active(database, 1, active=False)
    newest, oldest = audit_log.list_last_entries(database, 1, limit=9)
    assert newest.os_user == "4000000"
    assert oldest.os_user not in ("somebody-else", "4000000")


def test_another_account_keeps_its_customer(database: Database, ring: KeyRing) -> None:
    """Only rows of the account itself are rewritten."""
    insert(database, ring)
    add_account(database, 2, OLD)
    with database.engine.begin() as connection:
        write_page(connection, account_owner.lock_owner(connection, 2), page(record(1, {"v": 1})))
    account_changes.change_account(database, ring, 1, AccountChanges({"customer_id": NEW}))
    assert rows_by_id(database)[1].customer_id == OLD
