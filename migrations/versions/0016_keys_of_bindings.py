"""Give each binding of a reader a number, and the ledger what revision 0014 got only after it had landed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

# Copied by hand or restored in pieces, a table without its unique key may hold a row twice.
WITHOUT_DOUBLES = """
DELETE FROM reader_bindings AS one USING reader_bindings AS other
WHERE one.ctid > other.ctid AND one.role_name = other.role_name
    AND one.bound_account_id IS NOT DISTINCT FROM other.bound_account_id
    AND one.bound_customer_id IS NOT DISTINCT FROM other.bound_customer_id
"""
# A database that was migrated before 0014 was edited has the revision, and not its columns.
OF_0014 = (
    "ALTER TABLE sent_messages ADD COLUMN IF NOT EXISTS is_queued boolean DEFAULT false NOT NULL",
    "ALTER TABLE sent_messages ADD COLUMN IF NOT EXISTS quiet_hours text",
    "ALTER TABLE sent_messages ADD COLUMN IF NOT EXISTS not_before_at timestamptz",
    "COMMENT ON COLUMN sent_messages.is_queued IS 'a worker is to send it'",
    (
        "COMMENT ON COLUMN sent_messages.quiet_hours IS"
        " 'local hours in which a worker does not, with their zone: `22-8 Europe/Oslo`'"
    ),
    "COMMENT ON COLUMN sent_messages.not_before_at IS 'it waits until then; NULL: for nothing but a worker, if that'",
    "ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_kind_known_check",
    "ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_kind_known_check CHECK (kind IN ('delivery','send','sync'))",
    "COMMENT ON COLUMN dead_letters.kind IS '`delivery`, `send` or `sync`'",
)


def upgrade() -> None:
    op.execute(WITHOUT_DOUBLES)
    op.add_column("reader_bindings", sa.Column("binding_id", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.create_primary_key("reader_bindings_pkey", "reader_bindings", ["binding_id"])
    for statement in OF_0014:
        op.execute(statement)
