"""Keep what was announced to nobody: changes that only polling found, and the last audit of deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "polled_changes",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="the source's stamp of the change"),
        sa.Column(
            "found_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
            comment="when a run met it",
        ),
        sa.PrimaryKeyConstraint("account_id", "reservation_id", "changed_at", name="polled_changes_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="polled_changes_account_id_fkey"),
        comment="changes that should have been announced and were met by a run; emptied after a week",
    )
    op.create_table(
        "delivery_audits",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("audited_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("has_log", sa.Boolean(), nullable=False, comment="the source keeps a log of its deliveries"),
        sa.Column(
            "last_entry", sa.BigInteger(), comment="the highest number in it; NULL: it was empty, or there is none"
        ),
        sa.Column("announced", sa.Integer(), nullable=False, comment="objects that its new entries named"),
        sa.Column("lost", sa.Integer(), nullable=False, comment="those of them that no delivery told us of"),
        sa.PrimaryKeyConstraint("account_id", name="delivery_audits_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="delivery_audits_account_id_fkey"),
        comment="the last comparison of what the source says it sent with what came",
    )
