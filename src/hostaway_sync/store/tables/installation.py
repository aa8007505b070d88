"""What the database knows of its installation: where its tables were created, and which settings programs knew."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text, Uuid, func

from hostaway_sync.store.tables.metadata import Timestamp, metadata

# A random key: a restored row must not conflict with the row of the new database.
database_identity = Table(
    "database_identity",
    metadata,
    Column("identity_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Column("system_identifier", BigInteger, comment="of the server's files; NULL: it does not tell"),
    Column("timeline", BigInteger, comment="of the server's log: recovery and fail-over begin another; NULL: as above"),
    Column("database_oid", BigInteger, nullable=False, comment="of the database"),
    Column("ledger_oid", BigInteger, nullable=False, comment="of the table sent_messages"),
    Column("noted_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("identity_id"),
    comment="where these tables are; where the server says otherwise, they were restored",
)

setting_names = Table(
    "setting_names",
    metadata,
    Column("name", Text, nullable=False, comment="of an environment variable"),
    Column("noted_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("name"),
    comment="settings that programs which migrated this database knew",
)
