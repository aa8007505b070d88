"""The exclusive right to work on an account, for a limited time, with a fencing token.

An owner renews its lease while it lives. Another process may take the lease when it expires, or at once when its owner
was a process of this host that has died. Every new owner gets a higher fencing token; a write with an old one fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import AccountError, LeaseHeld, LeaseLost
from hostaway_sync.store.postgres import change_settings
from hostaway_sync.store.processes.names import has_died
from hostaway_sync.store.tables import accounts, leases, verification_notes

if TYPE_CHECKING:
    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.store.postgres.database import Database

LEASE_TIME = timedelta(seconds=90)
# Built once: it takes longer to build than to run, and runs in every transaction of a sync.
_FENCE: Final = (
    sa.select(leases.c.account_id, *change_settings.cause_columns())
    .where(
        leases.c.account_id == sa.bindparam("of_account", type_=sa.BigInteger),
        leases.c.fencing_token == sa.bindparam("token", type_=sa.BigInteger),
        leases.c.owner == sa.bindparam("holder", type_=sa.Text),
    )
    .with_for_update(read=True)
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on `account_id`, as long as no other lease has a higher token."""

    account_id: int
    owner: str
    fencing_token: int


def acquire_lease(database: Database, account_id: int, owner: str) -> Lease:
    """Take the lease of an account, and delete the verification notes that earlier owners left behind.

    Raises:
        LeaseHeld: another run has it.
        AccountError: the account is unknown.
    """
    itself = sa.select(accounts.c.account_id, sa.literal(0), sa.func.now()).where(accounts.c.account_id == account_id)
    # Under a lock: another process may be deleting the account.
    itself = itself.with_for_update(read=True, key_share=True)
    names = ["account_id", "fencing_token", "expires_at"]
    first = insert(leases).from_select(names, itself).on_conflict_do_nothing()

    def write(connection: sa.Connection) -> Lease:
        connection.execute(first)
        is_expired = (~is_running()).label("is_expired")
        query = sa.select(leases.c.owner, leases.c.fencing_token, leases.c.expires_at, is_expired)
        row = connection.execute(query.where(leases.c.account_id == account_id).with_for_update()).one_or_none()
        if row is None:
            raise AccountError.unknown(account_id)
        if row.owner not in {None, owner} and not row.is_expired and not has_died(row.owner):
            raise LeaseHeld(f"account {account_id} is being synced by another run ({row.owner.split('/')[0]})")
        lease = Lease(account_id, owner, row.fencing_token + 1)
        values = {"owner": owner, "fencing_token": lease.fencing_token, "expires_at": _expiry()}
        connection.execute(sa.update(leases).where(leases.c.account_id == account_id).values(values))
        connection.execute(sa.delete(verification_notes).where(verification_notes.c.account_id == account_id))
        return lease

    return database.transaction(write)


def renew_lease(database: Database, lease: Lease) -> None:
    """Extend a lease by another lease time.

    Raises:
        LeaseLost: another run took over.
    """
    statement = sa.update(leases).where(*_is_ours(lease)).values(expires_at=_expiry()).returning(leases.c.account_id)
    if database.transaction(lambda connection: connection.scalar(statement)) is None:
        raise _lost(lease)


def fence_transaction(connection: sa.Connection, lease: Lease, cause: Cause | None = None) -> None:
    """Lock the lease in the current transaction, so that only its owner can commit.

    Args:
        connection: in the transaction.
        lease: the lease.
        cause: what causes the changes of the transaction; None: it is not known.

    Raises:
        LeaseLost: another run took over.
    """
    parameters: dict[str, Any] = {"of_account": lease.account_id, "token": lease.fencing_token, "holder": lease.owner}
    parameters |= change_settings.cause_parameters(cause)
    if connection.scalar(_FENCE, parameters) is None:
        raise _lost(lease)


def release_lease(database: Database, lease: Lease) -> None:
    """End a lease; no error when it was lost meanwhile."""
    statement = sa.update(leases).where(*_is_ours(lease)).values(owner=None, expires_at=sa.func.clock_timestamp())
    database.transaction(lambda connection: connection.execute(statement))


def list_holders(connection: sa.Connection) -> dict[int, str]:
    """Return the host that works on each account now, by account."""
    is_held = sa.and_(leases.c.owner.is_not(None), is_running())
    query = sa.select(leases.c.account_id, leases.c.owner).where(is_held).order_by(leases.c.account_id)
    return {row.account_id: row.owner.split("/")[0] for row in connection.execute(query) if not has_died(row.owner)}


def is_held(account_id: sa.ColumnElement[int], fencing_token: sa.ColumnElement[int] | None = None) -> sa.Exists:
    """Return the condition that an account's lease is held: the unfinished work of its owner must stay.

    Args:
        account_id: the column that names the account.
        fencing_token: the column that names the owner's lease; None: the lease of any owner.
    """
    held = (leases.c.account_id == account_id, leases.c.owner.is_not(None))
    owner = () if fencing_token is None else (leases.c.fencing_token == fencing_token,)
    return sa.exists().where(*held, *owner, is_running())


def is_running() -> sa.ColumnElement[bool]:
    """Return the condition that a lease has not expired.

    An expiry more than two lease times ahead counts as expired: the database's clock was ahead when it was set.
    """
    now = sa.func.clock_timestamp()
    return sa.and_(leases.c.expires_at > now, leases.c.expires_at <= now + 2 * LEASE_TIME)


def _is_ours(lease: Lease) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        leases.c.account_id == lease.account_id,
        leases.c.fencing_token == lease.fencing_token,
        leases.c.owner == lease.owner,
    )


def _expiry() -> sa.ColumnElement[object]:
    return sa.func.clock_timestamp() + LEASE_TIME


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"account {lease.account_id} was taken over by another run; nothing more was written")
