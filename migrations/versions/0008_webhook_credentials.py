"""Keep what deliveries authenticate with, and what they authenticated with before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("webhook_path_secret", sa.LargeBinary(), comment="sealed"))
    op.add_column(
        "accounts",
        sa.Column("webhook_url", sa.Text(), comment="public address of the receiver, without the path secret"),
    )
    op.add_column(
        "accounts",
        sa.Column(
            "webhook_confirmed_at",
            sa.DateTime(timezone=True),
            comment="when the source took the credentials; NULL: not yet",
        ),
    )
    op.add_column(
        "accounts",
        sa.Column("webhook_previous", sa.LargeBinary(), comment="sealed; the credentials before these, still accepted"),
    )
    op.add_column(
        "accounts",
        sa.Column(
            "webhook_previous_until",
            sa.DateTime(timezone=True),
            comment="until when; NULL: until these are confirmed",
        ),
    )
