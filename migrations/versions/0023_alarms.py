"""Keep what is wrong with an account until its cause was seen to be gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "alarms",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="`brake`, `partial` or `differs`"),
        sa.Column("resource", sa.Text(), nullable=False, comment="empty: all of the account"),
        sa.Column("sentence", sa.Text(), nullable=False, comment="what is wrong, and what to do"),
        sa.Column("since", moment, nullable=False),
        sa.Column("told_at", moment, comment="when a run last said so"),
        sa.Column("needs_sweep", sa.Boolean(), nullable=False, comment="only a whole list can show that it is gone"),
        sa.PrimaryKeyConstraint("account_id", "kind", "resource", name="alarms_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="alarms_account_id_fkey"),
        sa.CheckConstraint("kind IN ('brake','partial','differs')", name="alarms_kind_known_check"),
        comment="what is wrong with an account until its cause was seen to be gone",
    )
    op.execute("ALTER TABLE alarms ENABLE ROW LEVEL SECURITY")
