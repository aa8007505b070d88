"""Let an alarm remember which other causes were told lately, so that causes in turns are not told each hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    others = sa.Column(
        "others_told",
        JSONB,
        nullable=False,
        server_default=sa.text("'{}'"),
        comment="when a run last told other causes of the last 24 hours, by SHA-256",
    )
    op.add_column("alarms", others)
