"""Let a database know where it is, so that a restored one is recognised."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "database_identity",
        sa.Column("identity_id", sa.Uuid(), nullable=False, server_default=sa.func.gen_random_uuid()),
        sa.Column("system_identifier", sa.BigInteger(), comment="of the server's files; NULL: it does not tell"),
        sa.Column(
            "timeline",
            sa.BigInteger(),
            comment="of the server's log: recovery and fail-over begin another; NULL: as above",
        ),
        sa.Column("database_oid", sa.BigInteger(), nullable=False, comment="of the database"),
        sa.Column("ledger_oid", sa.BigInteger(), nullable=False, comment="of the table sent_messages"),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("identity_id", name="database_identity_pkey"),
        comment="where these tables are; where the server says otherwise, they were restored",
    )
