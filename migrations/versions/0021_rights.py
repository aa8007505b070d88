"""Let processes exclude each other by rows, which no reader of the database may lock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "rights",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "owner", sa.Text(), comment="host, boot, process that has claimed it; NULL: it is had by locking the row"
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), comment="until then, unless the owner renews it"),
        sa.PrimaryKeyConstraint("name", name="rights_pkey"),
        sa.CheckConstraint("(owner IS NULL) = (expires_at IS NULL)", name="rights_claimed_until_check"),
        comment="rights that one process of all has at a time, in rows that no reader may lock",
    )
