"""Bindings of readers to accounts, and row-level security of the tables."""

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

# The columns are not named account_id, because the purge of an account deletes all rows with that column.
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
    """Enable row-level security on every table created from these definitions, as the migrations do."""
    for table in metadata.tables.values():
        if "account_id" in table.c or table is reader_bindings:
            event.listen(table, "after_create", _GUARD)
