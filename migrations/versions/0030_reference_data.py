"""Add what is the same for all accounts, and how it was read last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0030"
down_revision = "0029"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reference_data",
        sa.Column("kind", sa.Text, nullable=False, comment="what the code stands for, in the plural"),
        sa.Column("code", sa.Text, nullable=False, comment="the source's id or code, unique within its kind"),
        sa.Column("observed_at", MOMENT, nullable=False, comment="database clock when the request was granted"),
        sa.Column("missing_since", MOMENT, comment="the source no longer lists it; the row stays"),
        sa.Column("unlisted_since", MOMENT, comment="start of the first reading that left it out; NULL: listed"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="first seen by us"),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="payload last changed"),
        sa.Column(
            "payload_hash", sa.LargeBinary, nullable=False, comment="version byte, then 128 bits over what is compared"
        ),
        sa.Column(
            "raw_payload", JSONB, nullable=False, comment="the object as received; a bare name stands under `value`"
        ),
        sa.PrimaryKeyConstraint("kind", "code", name="reference_data_pkey"),
        comment="what is the same for all accounts",
    )
    op.create_table(
        "reference_readings",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("read_at", MOMENT, comment="when it was asked for last and read whole; NULL: never"),
        sa.Column("due_at", MOMENT, comment="when it is to be read again, by any account's run"),
        sa.Column("claimed_until", MOMENT, comment="until then a run reads it, and no other one does"),
        sa.PrimaryKeyConstraint("kind", name="reference_readings_pkey"),
        comment="how reference data was read last, for the whole installation",
    )
