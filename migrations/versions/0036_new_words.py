"""Note which reservations have a status or a channel that no view of `core` knows; the trigger does what is rare."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import context, op

revision = "0036"
down_revision = "0035"

FUNCTION = Path(__file__).parents[1] / "functions" / "core_new_words.sql"
COMMENT = "statuses and channels that the views of core do not know; NULL: they know all"


def upgrade() -> None:
    op.add_column("reservations", sa.Column("core_new_words", sa.ARRAY(sa.Text(collation="C")), comment=COMMENT))
    for statement in FUNCTION.read_text(encoding="utf-8").split("\n\n"):
        op.execute(statement)
    has_rows = sa.select(sa.exists().select_from(sa.table("reservations")))
    if context.is_offline_mode() or not op.get_bind().scalar(has_rows):
        # Nearly always empty. Else `migrate` builds it afterwards, as those of the columns before.
        op.execute(
            "CREATE INDEX reservations_core_new_words_idx ON reservations (core_new_words)"
            " WHERE core_new_words IS NOT NULL"
        )
