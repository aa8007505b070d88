"""Remember since when a row is no longer listed, for those whose absence takes more than one sweep to prove."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

COMMENT = "start of the first whole walk that left it out; NULL: listed"


def upgrade() -> None:
    for table in ("listings", "reservations", "conversations", "conversation_messages"):
        op.add_column(table, sa.Column("unlisted_since", sa.DateTime(timezone=True), comment=COMMENT))
