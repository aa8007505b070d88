"""Add the requests that callers of the API have left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    op.create_table(
        "api_limits",
        sa.Column("caller", sa.Text, nullable=False, comment="which API key, or whose token"),
        sa.Column(
            "full_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="from then on the caller has all its requests again",
        ),
        sa.PrimaryKeyConstraint("caller", name="api_limits_pkey"),
        comment="how many requests callers of the API have left; a row that is over says nothing",
        postgresql_with={"fillfactor": 25},
    )
