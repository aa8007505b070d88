"""Have the database remember which fields of payloads are hidden: a process that hides less is refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    comment = "the least that is hidden, as the setting names it; NULL: none was set yet"
    op.add_column("redactions", sa.Column("rule", sa.Text(), comment=comment))
    comment = "how the hash of a payload begins that follows the rule"
    op.add_column("redactions", sa.Column("rule_mark", sa.LargeBinary(), comment=comment))
