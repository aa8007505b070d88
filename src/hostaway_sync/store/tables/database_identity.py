"""The identity of the database and server that these tables were created in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Uuid, func

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
