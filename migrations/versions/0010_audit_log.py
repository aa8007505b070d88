"""Keep who changed what of an account, and accounts that were removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"

_ACTIONS = "('added','updated','enabled','disabled','removed','purging','purged')"


def upgrade() -> None:
    op.alter_column("accounts", "client_secret", existing_type=sa.LargeBinary(), nullable=True)
    op.add_column(
        "accounts",
        sa.Column("removed_at", sa.DateTime(timezone=True), comment="its secrets are erased, its rows may be there"),
    )
    op.create_check_constraint("accounts_removed_is_idle_check", "accounts", "removed_at IS NULL OR NOT is_active")
    op.create_table(
        "audit_log",
        sa.Column("audit_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="whose; its row may be gone"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("os_user", sa.Text(), nullable=False, comment="who ran the program"),
        sa.Column("host", sa.Text(), nullable=False, comment="where"),
        sa.Column(
            "changes",
            JSONB(),
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="old and new by field; never a secret",
        ),
        sa.PrimaryKeyConstraint("audit_id", name="audit_log_pkey"),
        sa.CheckConstraint(f"action IN {_ACTIONS}", name="audit_log_action_known_check"),
    )
    op.create_index("audit_log_account_id_audit_id_idx", "audit_log", ["account_id", "audit_id"])
