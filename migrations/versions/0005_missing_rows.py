"""Find the few rows that are missing or unlisted without reading all the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("listings", "reservations", "conversations", "conversation_messages"):
        for mark in ("missing", "unlisted"):
            op.create_index(
                f"{table}_{mark}_idx", table, ["account_id"], postgresql_where=sa.text(f"{mark}_since IS NOT NULL")
            )
