"""Let whoever is in a hurry pass those who are not, in the request budget."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

FUNCTIONS = Path(__file__).parents[1] / "functions"
COMMENT = "when someone last asked who is not patient"


def upgrade() -> None:
    op.add_column("request_budget", sa.Column("pressed_at", sa.DateTime(timezone=True), comment=COMMENT))
    op.execute("DROP FUNCTION reserve_request(text[], integer[], interval[], interval[])")
    for name in ("free_moment", "reserve_request_by_priority"):
        op.execute((FUNCTIONS / f"{name}.sql").read_text(encoding="utf-8"))
