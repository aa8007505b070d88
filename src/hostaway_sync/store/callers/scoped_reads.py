"""Transactions in which a caller sees its own accounts alone, whatever the questions ask for.

    accounts of the caller → setting → role → questions → rollback

Two lines keep callers apart. Every question names the accounts of the caller. And row-level security lets the role
of the API see the accounts of a setting alone. The rollback undoes whatever the questions did to role and settings, so
that nothing of it is left when the connection goes back to its pool.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import sqlalchemy as sa

from hostaway_sync.store.schema import api_role
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hostaway_sync.model.callers import Access
    from hostaway_sync.store.postgres.database import Database

T = TypeVar("T")


class ScopedReads:
    """Answers questions of callers.

    Args:
        database: with the tables.
        role: what the transactions become after they looked up the accounts; None: they stay what they are, and only
            the questions keep callers apart.
    """

    def __init__(self, database: Database, role: str | None) -> None:
        self._database = database
        self.role = role

    def transaction(self, access: Access, work: Callable[[sa.Connection, Sequence[int]], T]) -> T:
        """Run `work` in one transaction that can read the accounts of `access`, and write nothing.

        Args:
            access: of the caller.
            work: called with the connection and the ids of the accounts, in order, which its questions must name; it
                must be safe to repeat.

        Raises:
            StoreUnavailable, StoreError: as `Database.transaction`.
        """

        def step(connection: sa.Connection) -> T:
            result = work(connection, _enter(connection, access, self.role))
            _roll_back(connection)
            return result

        return self._database.transaction(step)


def _roll_back(connection: sa.Connection) -> None:
    """Roll back, unnoticed by psycopg, which drops all statements that it has prepared at each rollback that it sees.

    PostgreSQL keeps them, and to plan the reading of one row of `core` takes ten times as long as to read it.
    """
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    # If the server is away, so it is for the end of the transaction, whose error is told.
    with suppress(psycopg.OperationalError):
        driver.pgconn.exec_(b"ROLLBACK")


def open_scoped_reads(database: Database, core: str | None) -> ScopedReads:
    """Return what answers callers, with the role of the API where it was made and this user can become it.

    Args:
        database: with the tables.
        core: the schema of the views of `core`; None: there are none.
    """
    if database.embedded is not None:
        return ScopedReads(database, api_role.ensure_embedded_role(database, core))

    def find(connection: sa.Connection) -> str | None:
        role = api_role.find_role(connection, database.schema)
        return role if role is not None and api_role.may_become(connection, role) else None

    return ScopedReads(database, database.transaction(find))


def _enter(connection: sa.Connection, access: Access, role: str | None) -> list[int]:
    """Look up the accounts of a caller, and confine the transaction to them; return their ids, in order."""
    statement = _enter_statement(
        of_accounts=access.account_ids is not None,
        of_customer=access.customer_id is not None,
        has_role=role is not None,
    )
    wanted = {"ids": list(access.account_ids or ()), "customer": access.customer_id, "role": role}
    found: list[int] = connection.execute(statement, wanted).scalar_one()
    return found


@lru_cache
def _enter_statement(*, of_accounts: bool, of_customer: bool, has_role: bool) -> sa.Select[Any]:
    """Return the statement that looks up the accounts of a caller, and then makes the settings of the transaction.

    All accounts are read before the first setting is made, because they are aggregated. Built once of each kind: it
    takes longer to build than to run.
    """
    mine = sa.select(accounts.c.account_id).order_by(accounts.c.account_id)
    if of_accounts:
        mine = mine.where(accounts.c.account_id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.BigInteger))))
    if of_customer:
        mine = mine.where(accounts.c.customer_id == sa.bindparam("customer", type_=sa.Uuid))
    listed = sa.func.array(mine.scalar_subquery())
    found = sa.select(listed.label("ids")).cte("mine").prefix_with("MATERIALIZED")
    settings: list[tuple[str, Any]] = [
        (api_role.SETTING, sa.func.array_to_string(found.c.ids, ",")),
        ("transaction_read_only", "on"),
    ]
    if has_role:
        settings.append(("role", sa.bindparam("role", type_=sa.Text)))
    made = [sa.func.set_config(name, value, True) for name, value in settings]  # noqa: FBT003  (until the transaction ends)
    return sa.select(found.c.ids, *made)
