"""Let a walk outlive its run, so that one that was cut is taken up again, and keep what verifications found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "walks",
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("walk_id", sa.Uuid, nullable=False, comment="whose pages these are in walk_pages"),
        sa.Column(
            "began_at", sa.DateTime(timezone=True), nullable=False, comment="start of the run that began it: signpost"
        ),
        sa.Column(
            "watermark_at", sa.DateTime(timezone=True), comment="the resource's watermark, once the walk is whole"
        ),
        sa.Column("position", sa.Text, nullable=False, comment="where it stands, in the source's own words"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("account_id", "resource", name="walks_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="walks_account_id_fkey"),
        comment="full walks that are under way or were cut",
    )
    # Nobody's pages of runs under way: they are noted again.
    op.execute("DELETE FROM walk_pages")
    op.add_column(
        "walk_pages",
        sa.Column("walk_id", sa.Uuid, nullable=False, comment="the walk they belong to, which may outlive its run"),
    )
    op.create_index("walk_pages_walk_id_idx", "walk_pages", ["walk_id"])
    op.create_table(
        "verifications",
        sa.Column("verification_id", sa.Uuid, nullable=False, server_default=sa.func.gen_random_uuid()),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column(
            "verified_at", sa.DateTime(timezone=True), nullable=False, comment="when its first request was granted"
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("is_equal", sa.Boolean, nullable=False, comment="no difference was found"),
        sa.Column("is_deep", sa.Boolean, nullable=False, comment="every thread was read"),
        sa.Column("api_calls", sa.BigInteger, nullable=False),
        sa.Column("certificate", postgresql.JSONB, nullable=False, comment="what `verify --json` printed"),
        sa.PrimaryKeyConstraint("verification_id", name="verifications_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="verifications_account_id_fkey"),
        comment="every comparison of a mirror with its source",
    )
    op.create_index("verifications_account_id_verified_at_idx", "verifications", ["account_id", "verified_at"])
