"""Remember the names of settings: an older program does not take a newer one's for mistakes then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "setting_names",
        sa.Column("name", sa.Text(), nullable=False, comment="of an environment variable"),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="setting_names_pkey"),
        comment="settings that programs which migrated this database knew",
    )
