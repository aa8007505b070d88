"""The owner of mirrored rows: read under a lock, because an account may change its customer or be disabled meanwhile.

Every mirrored row repeats its account's customer. A transaction that writes rows reads the customer under a shared
lock. One that changes the customer of all rows, or disables the account, holds that lock exclusively. So no page in
flight brings an old customer back, and no page is written once an account is disabled. The lock is not the row of the
account: a delivery that arrives must be able to refer to that row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import AccountError
from hostaway_sync.model.records import Owner
from hostaway_sync.store.postgres import change_settings
from hostaway_sync.store.postgres.database import note_changes
from hostaway_sync.store.processes import rights
from hostaway_sync.store.tables import accounts, metadata

if TYPE_CHECKING:
    from uuid import UUID

    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.model.kinds.kind import Kind
    from hostaway_sync.model.records import Shape

# Built once: it takes longer to build than to run.
_OWNER: Final = sa.select(
    accounts.c.customer_id,
    accounts.c.is_active,
    *change_settings.cause_columns(),
    *change_settings.key_columns(),
).where(accounts.c.account_id == sa.bindparam("of_account", type_=sa.BigInteger))
COPIES: Final = tuple(
    table
    for table in metadata.sorted_tables
    if "account_id" in table.c and "customer_id" in table.c and table is not accounts
)


def lock_owner(
    connection: sa.Connection,
    account_id: int,
    resource: str | None = None,
    *,
    is_listed: bool = False,
    shape: Shape | Kind | None = None,
    keeps_prices: bool = False,
    cause: Cause | None = None,
) -> Owner:
    """Return the owner of the rows that the transaction of `connection` writes, locked until the transaction ends.

    Call it before any row is touched. A page of a list (`is_listed`) locks its resource exclusively: it finds rows
    unchanged without locking them, and an older answer must not be stored in that moment.

    Args:
        connection: in the transaction.
        account_id: the account.
        resource: of the rows; None: of several, or none.
        is_listed: the rows come from a page of a list.
        shape: which keys of their payloads make no change in the history; None: all do.
        keeps_prices: the history keeps prices of days.
        cause: what causes the changes of the transaction; None: what was named before in it, or nothing.

    Raises:
        AccountError: the account was disabled or removed.
    """
    note_changes(connection)
    rights.lock_right(connection, right_to_write_rows(account_id), shared=True)
    if resource is not None:
        rights.lock_right(connection, right_to_write_rows(account_id, resource), shared=not is_listed)
    told = {
        "of_account": account_id,
        **change_settings.cause_parameters(cause),
        **change_settings.key_parameters(shape, keeps_prices=keeps_prices),
    }
    row = connection.execute(_OWNER, told).one_or_none()
    if row is None or not row.is_active:
        raise AccountError.disabled(account_id)
    return Owner(account_id, row.customer_id)


def lock_rows_exclusively(connection: sa.Connection, account_id: int) -> None:
    """Wait for all transactions that write rows of an account; no other one starts until this transaction ends."""
    note_changes(connection)
    rights.lock_right(connection, right_to_write_rows(account_id))


def rewrite_customer(connection: sa.Connection, account_id: int, customer_id: UUID | None) -> None:
    """Store a customer in every row of an account; the transaction has locked the rows exclusively."""
    for table in COPIES:
        differs = table.c.customer_id.is_distinct_from(sa.literal(customer_id, sa.Uuid))
        statement = sa.update(table).where(table.c.account_id == account_id, differs)
        connection.execute(statement.values(customer_id=customer_id))


def right_to_write_rows(account_id: int, resource: str | None = None) -> str:
    """Return the name of the lock on the rows of an account, or of one resource of it."""
    which = "" if resource is None else f", {resource}"
    return f"rows of account {account_id}{which}"
