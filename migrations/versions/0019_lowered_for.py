"""Remember for how long a lower limit of the source is believed: a minute at first, longer when it is met again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

COMMENT = "how long it is believed; longer each time that it is met again"


def upgrade() -> None:
    op.add_column("request_budget", sa.Column("lowered_for", sa.Interval(), comment=COMMENT))
