"""Let all who ask the source from one address know that it is away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "source_outages",
        sa.Column("egress", sa.Text(), nullable=False),
        sa.Column("api_url", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row, of anybody's requests"),
        sa.Column("failing_since", moment, nullable=False),
        sa.Column("failed_at", moment, nullable=False),
        sa.Column("error", sa.Text(), nullable=False, comment="of the last one"),
        sa.Column("away_since", moment, comment="nobody asks but one probe in turn; NULL: everybody may"),
        sa.Column("probe_at", moment, comment="from then on"),
        sa.Column("probes", sa.Integer(), nullable=False, server_default=sa.text("0"), comment="in vain, or under way"),
        sa.PrimaryKeyConstraint("egress", "api_url", name="source_outages_pkey"),
        comment="failures that no answer followed; without a row all is well",
    )
