"""Rights that one process holds at a time."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, PrimaryKeyConstraint, Table, Text

from hostaway_sync.store.tables.metadata import Timestamp, metadata

rights = Table(
    "rights",
    metadata,
    Column("name", Text, nullable=False),
    Column("owner", Text, comment="host, boot, process that has claimed it; NULL: it is had by locking the row"),
    Column("expires_at", Timestamp, comment="until then, unless the owner renews it"),
    PrimaryKeyConstraint("name"),
    CheckConstraint("(owner IS NULL) = (expires_at IS NULL)", name="claimed_until"),
    comment="rights that one process of all has at a time, in rows that no reader may lock",
)
