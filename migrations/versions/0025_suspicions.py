"""Let a request that does not find a row raise a suspicion, which a sweep judges, instead of marking the row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "suspicions",
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("raised_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column(
            "refused_at", moment, nullable=False, comment="when a request said last that there is no such object"
        ),
        sa.PrimaryKeyConstraint("account_id", "resource", "record_id", name="suspicions_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="suspicions_account_id_fkey"),
        comment="rows that a single request did not find (404); the next sweep judges them",
    )
    op.execute("ALTER TABLE suspicions ENABLE ROW LEVEL SECURITY")
    hurried = sa.Column("hurried_at", moment, comment="start of the last full walk that a suspicion brought forward")
    accepted = sa.Column("accepted_at", moment, comment="when a person last accepted that many rows are gone at once")
    op.add_column("watermarks", hurried)
    op.add_column("watermarks", accepted)
