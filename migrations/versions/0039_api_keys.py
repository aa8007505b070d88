"""Add the keys of the API's callers, and entries of the audit log that are about no single account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"

MOMENT = sa.DateTime(timezone=True)
_ACTION_CHECK = "audit_log_action_known_check"
_ACTIONS = (
    "'added','updated','enabled','disabled','removed','purging','purged','forgotten','calendar_written',"
    "'api_key_created','api_key_rotated','api_key_revoked'"
)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text, nullable=False, comment="12 random characters, the middle part of the key"),
        sa.Column(
            "name", sa.Text, nullable=False, comment="how commands call it; of a revoked key another may have it"
        ),
        sa.Column(
            "secret_hash",
            sa.LargeBinary,
            nullable=False,
            comment="HMAC-SHA-256 of the key, with the pepper",
        ),
        sa.Column("previous_hash", sa.LargeBinary, comment="of the key before a rotation; NULL: there was none"),
        sa.Column("previous_until", MOMENT, comment="until then the key before is valid, too"),
        sa.Column("account_ids", sa.ARRAY(sa.BigInteger), comment="the accounts that it sees; NULL: see customer_id"),
        sa.Column("customer_id", sa.Uuid, comment="it sees the accounts of this customer; both NULL: all accounts"),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False, comment="what it may do; no scope implies another"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", MOMENT, comment="not valid from then on; NULL: valid until it is revoked"),
        sa.Column("revoked_at", MOMENT, comment="not valid since then"),
        sa.Column("last_used_at", MOMENT, comment="noted once a minute at most; NULL: never"),
        sa.PrimaryKeyConstraint("key_id", name="api_keys_pkey"),
        sa.CheckConstraint("num_nonnulls(account_ids, customer_id) < 2", name="api_keys_one_access_check"),
        sa.CheckConstraint("(previous_hash IS NULL) = (previous_until IS NULL)", name="api_keys_previous_ends_check"),
        sa.CheckConstraint("cardinality(scopes) > 0", name="api_keys_some_scope_check"),
        comment="who may call the API; a key itself is stored nowhere",
    )
    is_live = sa.text("revoked_at IS NULL")
    op.create_index("api_keys_name_idx", "api_keys", ["name"], unique=True, postgresql_where=is_live)
    op.create_table(
        "api_key_pepper",
        sa.Column("pepper_id", sa.SmallInteger, autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("secret", sa.LargeBinary, nullable=False, comment="sealed; what API keys are hashed with"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("pepper_id", name="api_key_pepper_pkey"),
        sa.CheckConstraint("pepper_id = 1", name="api_key_pepper_only_one_check"),
        comment="without it no stored hash can be tested; empty before the first API key",
    )
    op.alter_column("audit_log", "account_id", nullable=True, comment="whose; its row may be gone; NULL: of no account")
    op.drop_constraint(_ACTION_CHECK, "audit_log", type_="check")
    op.create_check_constraint(op.f(_ACTION_CHECK), "audit_log", f"action IN ({_ACTIONS})")
