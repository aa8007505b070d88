"""Find reservations that changed lately, or have one status, by indexes: callers of the API ask each account for them.

Where there are rows, `migrate` builds the indexes afterwards, while other programs write; until then callers ask
without them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    rows = sa.select(sa.exists().select_from(sa.table("reservations")))
    if context.is_offline_mode() or not op.get_bind().scalar(rows):
        for column in ("updated_at", "status"):
            op.create_index(f"reservations_core_{column}_idx", "reservations", ["account_id", column])
