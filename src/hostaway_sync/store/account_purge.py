"""Deletes every row of an account, in batches that each are a transaction of their own.

    begin    deletes the watermarks and walks: an account that is added again half-way is read from the beginning
    batches  table by table; after a kill, another purge goes on where this one ended
    end      locks the account, and deletes the rows that were added meanwhile and the account itself

Only the holder of the account's lease can commit any of these transactions. The audit log stays.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.records import Resource
from hostaway_sync.store import audit_log, jobs
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.audit_log import Action
from hostaway_sync.store.messages import ledger
from hostaway_sync.store.processes import rights
from hostaway_sync.store.runs import leases
from hostaway_sync.store.tables import MIRRORED, accounts, metadata, walks, watermarks
from hostaway_sync.store.tables import audit_log as kept
from hostaway_sync.store.tables import leases as leases_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.runs.leases import Lease

BATCH: Final = 5_000
_PURGED: Final = tuple(
    table for table in metadata.sorted_tables if "account_id" in table.c and table not in (accounts, kept, leases_table)
)


def purge_account(database: Database, lease: Lease, tell: Callable[[str, int], object]) -> dict[str, int]:
    """Delete all rows of a removed account, and the account.

    Args:
        database: the database with the rows.
        lease: the lease of the account.
        tell: called after each batch with the table and the number of deleted rows.

    Returns:
        The number of rows that this purge deleted, by table; tables without any are left out.

    Raises:
        LeaseLost: another process took over the lease.
    """
    counts: dict[str, int] = {}

    def note(table: sa.Table, rows: int) -> None:
        if rows:
            counts[table.name] = counts.get(table.name, 0) + rows
            tell(table.name, rows)

    for table, rows in database.transaction(partial(_delete_progress, lease=lease)):
        note(table, rows)
    for table in _PURGED:
        after: int | None = 0
        while after is not None:
            rows, after = database.transaction(partial(_delete_batch, lease=lease, table=table, after=after))
            note(table, rows)
    for table, rows in database.transaction(partial(_delete_account, lease=lease, counts=counts)):
        note(table, rows)
    return counts


def _delete_progress(connection: sa.Connection, lease: Lease) -> list[tuple[sa.Table, int]]:
    leases.fence_transaction(connection, lease)
    audit_log.add_entry(connection, lease.account_id, Action.PURGING)
    jobs.delete_idle_jobs(connection, lease.account_id)
    return [(table, _delete(connection, table, lease.account_id)) for table in (watermarks, walks)]


def _delete_batch(connection: sa.Connection, lease: Lease, table: sa.Table, after: int) -> tuple[int, int | None]:
    """Delete one batch of rows; return their number and the id after which the next batch begins, or None at the end.

    Mirrored rows are deleted in the order of their ids, because there may be millions: a search from the beginning
    would read the index entries of all deleted rows again in every batch.
    """
    leases.fence_transaction(connection, lease)
    of_account = table.c.account_id == lease.account_id
    if table in MIRRORED.values():
        some = sa.select(table.c.id).where(of_account, table.c.id > after).order_by(table.c.id).limit(BATCH)
        ids = connection.scalars(some).all()
        wanted = table.c.id == sa.func.any(sa.literal(ids, sa.ARRAY(sa.BigInteger)))
        rows = connection.execute(sa.delete(table).where(of_account, wanted)).rowcount
        return rows, ids[-1] if ids else None
    place: sa.ColumnElement[Any] = sa.literal_column("ctid")
    places = sa.select(place).select_from(table).where(of_account).limit(BATCH)
    statement = sa.delete(table).where(place == sa.func.any(sa.func.array(places.scalar_subquery())))
    rows = connection.execute(statement).rowcount
    return rows, after if rows else None


def _delete_account(connection: sa.Connection, lease: Lease, counts: dict[str, int]) -> list[tuple[sa.Table, int]]:
    leases.fence_transaction(connection, lease)
    account_owner.lock_rows_exclusively(connection, lease.account_id)
    # From here on no row can refer to the account: the rows that are deleted now are the last ones.
    itself = accounts.c.account_id == lease.account_id
    connection.execute(sa.select(accounts.c.account_id).where(itself).with_for_update())
    last = [(table, _delete(connection, table, lease.account_id)) for table in _PURGED]
    _delete(connection, leases_table, lease.account_id)
    connection.execute(sa.delete(accounts).where(itself))
    of_rows = [account_owner.right_to_write_rows(lease.account_id, resource) for resource in (None, *Resource)]
    rights.delete_rights(connection, [*of_rows, ledger.right_name(lease.account_id)])
    rows: dict[str, Any] = dict(counts)
    for table, number in last:
        rows[table.name] = rows.get(table.name, 0) + number
    audit_log.add_entry(
        connection, lease.account_id, Action.PURGED, {"rows": {name: n for name, n in rows.items() if n}}
    )
    return last


def _delete(connection: sa.Connection, table: sa.Table, account_id: int) -> int:
    return connection.execute(sa.delete(table).where(table.c.account_id == account_id)).rowcount
