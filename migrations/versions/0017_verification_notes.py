"""Give the notes of a verification a table of their own, in which each names the lease it is written under."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "verification_notes",
        sa.Column("notes_id", sa.Uuid(), nullable=False, comment="the comparison that noted it"),
        sa.Column("page", sa.BigInteger(), nullable=False, comment="ascending in the order of reading"),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "fencing_token",
            sa.BigInteger(),
            nullable=False,
            comment="of the lease it is written under: its owner lives while that is held",
        ),
        sa.Column("resource", sa.Text(), nullable=False, comment="or `threads`: conversations whose thread was read"),
        sa.Column(
            "record_keys",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=False,
            comment="ids; for a record without one, minus its hash",
        ),
        sa.Column("verdicts", postgresql.ARRAY(sa.Text()), nullable=False, comment="one a key"),
        sa.Column(
            "are_newer",
            postgresql.ARRAY(sa.Boolean()),
            nullable=False,
            comment="one a key: the source changed it after the last whole run",
        ),
        sa.PrimaryKeyConstraint("notes_id", "page", name="verification_notes_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="verification_notes_account_id_fkey"),
        comment="what the verifications under way have compared, page by page; emptied at their end",
    )
    op.create_index("verification_notes_notes_id_resource_idx", "verification_notes", ["notes_id", "resource"])
    op.execute("ALTER TABLE verification_notes ENABLE ROW LEVEL SECURITY")
