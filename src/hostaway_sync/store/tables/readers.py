"""Which reader of the database sees which account, and which tables guard their rows."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    event,
    func,
)

from hostaway_sync.store.tables.metadata import Timestamp, metadata

# The accounts are named otherwise than elsewhere, because these rows are not an account's: its purge leaves them.
reader_bindings = Table(
    "reader_bindings",
    metadata,
    Column("role_name", Text, nullable=False, comment="a role of the server; its members are bound with it"),
    Column("bound_account_id", BigInteger, comment="sees this account; NULL: see bound_customer_id"),
    Column("bound_customer_id", Uuid, comment="sees every account of this customer"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("binding_id", BigInteger, Identity(always=True), nullable=False),
    PrimaryKeyConstraint("binding_id"),
    UniqueConstraint(
        "role_name",
        "bound_account_id",
        "bound_customer_id",
        name="reader_bindings_key",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("num_nonnulls(bound_account_id, bound_customer_id) = 1", name="to_one"),
    comment="which accounts a reader sees that does not see all",
)

_GUARD = DDL("ALTER TABLE %(fullname)s ENABLE ROW LEVEL SECURITY")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def guard_rows() -> None:
    """Have every table that is made from these definitions guard its rows by account, as migrations do."""
    for table in metadata.tables.values():
        if "account_id" in table.c or table is reader_bindings:
            event.listen(table, "after_create", _GUARD)
