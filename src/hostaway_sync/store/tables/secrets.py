"""The store of the secrets, the same for all programs that use this database."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, PrimaryKeyConstraint, Table, Text, func, text

from hostaway_sync.store.tables.metadata import Timestamp, metadata

# No row: secrets are in the database, and never were elsewhere.
secrets_store = Table(
    "secrets_store",
    metadata,
    Column("is_only", Boolean, nullable=False, server_default=text("true"), comment="there is one row at most"),
    Column("store", Text, nullable=False, comment="where secrets are put now"),
    Column("leaving", Text, comment="where some may still lie, while `keys move` is not finished"),
    Column("mirror", Text, nullable=False, comment="what names of secrets outside begin with"),
    Column("changed_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("is_only"),
    CheckConstraint("is_only", name="only"),
    CheckConstraint("leaving <> store", name="leaving_differs"),
)
