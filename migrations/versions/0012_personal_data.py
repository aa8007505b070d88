"""Remember forgotten guests, and what fields of payloads are hidden with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ACTIONS = "('added','updated','enabled','disabled','removed','purging','purged','forgotten')"
_ACTION_CHECK = "audit_log_action_known_check"
_NOW = sa.func.now()


def upgrade() -> None:
    _create_forgotten_guests()
    op.create_table(
        "redactions",
        sa.Column("redaction_id", sa.SmallInteger(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="sealed; what fields are hashed with"),
        sa.Column("applied", sa.LargeBinary(), comment="mark of the setting that all rows follow; NULL: not known"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("redaction_id", name="redactions_pkey"),
        sa.CheckConstraint("redaction_id = 1", name="redactions_only_one_check"),
        comment="how fields of payloads are hidden; empty while HOSTAWAY_SYNC_PAYLOAD_FIELDS never was set",
    )
    op.drop_constraint(_ACTION_CHECK, "audit_log")
    op.create_check_constraint(_ACTION_CHECK, "audit_log", f"action IN {_ACTIONS}")


def _create_forgotten_guests() -> None:
    op.create_table(
        "forgotten_guests",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False, comment="`reservations` or `conversations`"),
        sa.Column(
            "object_id", sa.BigInteger(), nullable=False, comment="whatever comes of it is stored without the guest"
        ),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column(
            "erased_at",
            sa.DateTime(timezone=True),
            comment="when nothing of the guest was left; NULL: the next `forget-guest` goes on",
        ),
        sa.PrimaryKeyConstraint("account_id", "resource", "object_id", name="forgotten_guests_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="forgotten_guests_account_id_fkey"),
        sa.CheckConstraint(
            "resource IN ('reservations','conversations')", name="forgotten_guests_resource_known_check"
        ),
        comment="objects of guests who were forgotten",
    )
    op.create_index(
        "forgotten_guests_unfinished_idx",
        "forgotten_guests",
        ["account_id"],
        postgresql_where=sa.text("erased_at IS NULL"),
    )
