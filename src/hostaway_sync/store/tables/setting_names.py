"""Setting names known to the programs that migrated this database."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text, func

from hostaway_sync.store.tables.metadata import Timestamp, metadata

setting_names = Table(
    "setting_names",
    metadata,
    Column("name", Text, nullable=False, comment="of an environment variable"),
    Column("noted_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("name"),
    comment="settings that programs which migrated this database knew",
)
