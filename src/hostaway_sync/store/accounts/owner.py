"""Whose rows are written, at the moment when they are: an account may get another customer, or end, meanwhile.

Every mirrored row repeats its account's customer. Whoever writes rows reads it under a lock that many hold at once;
whoever changes it for all rows together, or ends the work on an account, holds that lock alone. So no page in flight
can bring an old customer back, and none is written once an account was disabled. Nobody else waits: the lock is not
the row of the account, which a delivery that comes in must be able to refer to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import AccountError
from hostaway_sync.model.records import Owner
from hostaway_sync.store.processes import rights
from hostaway_sync.store.tables import accounts, metadata

if TYPE_CHECKING:
    from uuid import UUID

    from hostaway_sync.model.records import Resource

COPIES: Final = tuple(table for table in metadata.sorted_tables if "customer_id" in table.c and table is not accounts)


def lock_owner(
    connection: sa.Connection, account_id: int, resource: Resource | None = None, *, is_listed: bool = False
) -> Owner:
    """Give the owner of rows that the transaction of `connection` writes; to be asked before any row is touched.

    A page of a list (`is_listed`) is written while nobody else writes rows of its resource: it finds rows unchanged
    without locking them, and an older answer must not be stored in that moment.

    Raises:
        AccountError: the account was disabled or removed.
    """
    rights.lock_right(connection, right_to_write_rows(account_id), shared=True)
    if resource is not None:
        rights.lock_right(connection, right_to_write_rows(account_id, resource), shared=not is_listed)
    query = sa.select(accounts.c.customer_id, accounts.c.is_active).where(accounts.c.account_id == account_id)
    row = connection.execute(query).one_or_none()
    if row is None or not row.is_active:
        raise AccountError.disabled(account_id)
    return Owner(account_id, row.customer_id)


def lock_rows_exclusively(connection: sa.Connection, account_id: int) -> None:
    """Let nobody write rows of an account until the transaction of `connection` ends, once those who do have ended."""
    rights.lock_right(connection, right_to_write_rows(account_id))


def rewrite_customer(connection: sa.Connection, account_id: int, customer_id: UUID | None) -> None:
    """Give every row of an account this customer, in a transaction that holds the rows alone."""
    for table in COPIES:
        differs = table.c.customer_id.is_distinct_from(sa.literal(customer_id, sa.Uuid))
        statement = sa.update(table).where(table.c.account_id == account_id, differs)
        connection.execute(statement.values(customer_id=customer_id))


def right_to_write_rows(account_id: int, resource: Resource | None = None) -> str:
    """Name the right to write rows of an account, or those of one resource of it."""
    which = "" if resource is None else f", {resource.value}"
    return f"rows of account {account_id}{which}"
