"""Which database, of which server, these tables were made in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Uuid, func

from hostaway_sync.store.tables.metadata import Timestamp, metadata

# A key that no two databases share: rows that are restored beside a row of the new database must not be refused.
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
