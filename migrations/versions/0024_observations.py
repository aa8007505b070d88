"""Remember which rows a page found unchanged, and which rows the source stamps older than it did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "observations",
        sa.Column("observation_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("observed_at", moment, nullable=False, comment="database clock when the page was granted"),
        sa.Column("noted_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column(
            "record_ids",
            postgresql.ARRAY(sa.BigInteger),
            nullable=False,
            comment="rows that the page found unchanged",
        ),
        sa.PrimaryKeyConstraint("observation_id", name="observations_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="observations_account_id_fkey"),
        comment="pages of lists that found rows unchanged, for as long as an older answer may still be on its way",
    )
    op.create_index(
        "observations_account_id_resource_observed_at_idx", "observations", ["account_id", "resource", "observed_at"]
    )
    op.create_table(
        "setbacks",
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("source_updated_at", moment, nullable=False, comment="the stamp that the source gives now"),
        sa.Column("noticed_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column("observed_at", moment, nullable=False, comment="when it was asked for last"),
        sa.Column("walk_id", sa.Uuid, comment="the last walk of the whole list that met it; NULL: none yet"),
        sa.Column("swept_at", moment, comment="start of the first whole sweep that agrees; NULL: none yet"),
        sa.PrimaryKeyConstraint("account_id", "resource", "record_id", name="setbacks_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="setbacks_account_id_fkey"),
        comment="rows whose stamp went back at the source: they stay as they are until two whole sweeps agree",
    )
    for table in ("observations", "setbacks"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
