"""Add the history of mirrored rows, and what makes its order survive a move into another database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0031"
down_revision = "0030"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("change_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("customer_id", sa.Uuid, comment="copy of accounts.customer_id"),
        sa.Column("resource", sa.Text, nullable=False, comment="of what the row is a change"),
        sa.Column(
            "record_id",
            sa.Text,
            nullable=False,
            comment="id of the record, as text; of a day of a calendar `<listing_id>/<date>`",
        ),
        sa.Column("change", sa.Text, nullable=False, comment="inserted, updated, missing, returned or erased"),
        sa.Column(
            "changed_at",
            MOMENT,
            nullable=False,
            server_default=sa.func.clock_timestamp(),
            comment="when the row was written, by the database's clock",
        ),
        sa.Column("source_updated_at", MOMENT, comment="the source's own stamp of the new version"),
        sa.Column("keys", sa.ARRAY(sa.Text), comment="top-level keys that differ; NULL: none, or all of a new record"),
        sa.Column("before", JSONB, comment="these keys of the version that was replaced; NULL: it had none of them"),
        sa.Column("after", JSONB, comment="these keys of the new version; NULL: it has none of them"),
        sa.Column("cause", sa.Text, comment="sync, webhook, verify, send or write; NULL: unknown"),
        sa.Column("cause_id", sa.Text, comment="of the run, delivery, message or write that caused it"),
        sa.Column(
            "position",
            sa.BigInteger,
            nullable=False,
            comment="offset of this database and id of the transaction; cursors rest on it",
        ),
        sa.PrimaryKeyConstraint("change_id", name="changes_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="changes_account_id_fkey"),
        comment="how mirrored records came to be as they are, written by the transaction that changed them",
    )
    for columns in (("account_id", "resource", "record_id", "change_id"), ("position", "change_id"), ("changed_at",)):
        op.create_index(f"changes_{'_'.join(columns)}_idx", "changes", columns)
    op.execute("ALTER TABLE changes ENABLE ROW LEVEL SECURITY")
    op.create_table(
        "change_clock",
        sa.Column("clock_id", sa.SmallInteger, autoincrement=False, nullable=False, comment="always 1"),
        sa.Column(
            "position_offset",
            sa.BigInteger,
            nullable=False,
            comment="what is added to ids of transactions, so that positions go on after a move into another database",
        ),
        sa.PrimaryKeyConstraint("clock_id", name="change_clock_pkey"),
        sa.CheckConstraint("clock_id = 1", name="change_clock_only_one_check"),
        comment="where the positions of changes begin in this database; empty: at 0",
    )
