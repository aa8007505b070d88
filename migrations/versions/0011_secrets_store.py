"""Say where secrets lie, since they may lie outside the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "secrets_store",
        sa.Column(
            "is_only",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("true"),
            comment="there is one row at most",
        ),
        sa.Column("store", sa.Text(), nullable=False, comment="where secrets are put now"),
        sa.Column("leaving", sa.Text(), comment="where some may still lie, while `keys move` is not finished"),
        sa.Column("mirror", sa.Text(), nullable=False, comment="what names of secrets outside begin with"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("is_only", name="secrets_store_pkey"),
        sa.CheckConstraint("is_only", name="secrets_store_only_check"),
        sa.CheckConstraint("leaving <> store", name="secrets_store_leaving_differs_check"),
    )
