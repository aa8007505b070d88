"""Mark threads as due, durably: what moved, when it was seen to move, and when a thread was last read whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ACTIVITY = "the source's stamps that move with messages, in its own words"
DUE = {
    "reservations": "as in conversations; only while no conversation of it is known",
    "conversations": "when it was marked: its thread must be read",
}


def upgrade() -> None:
    for table, comment in DUE.items():
        op.add_column(table, sa.Column("activity", sa.Text(), comment=ACTIVITY))
        op.add_column(table, sa.Column("thread_due_at", sa.DateTime(timezone=True), comment=comment))
        only_due = sa.text("thread_due_at IS NOT NULL")
        op.create_index(f"{table}_thread_due_idx", table, ["account_id", "id"], postgresql_where=only_due)
    read_at = sa.Column(
        "thread_read_at", sa.DateTime(timezone=True), comment="when its last whole reading began; NULL: never"
    )
    op.add_column("conversations", read_at)
    is_final: sa.Column[bool] = sa.Column("is_final", sa.Boolean(), comment="false while it waits to be sent")
    op.add_column("conversation_messages", is_final)
    # Rows mirrored before lack what is read out of their payloads from now on. No payload has this hash, so that the
    # next run, a full one, reads it out of all of them.
    op.execute("UPDATE watermarks SET swept_at = NULL")
    for table in ("reservations", "conversations", "conversation_messages"):
        op.execute(f"UPDATE {table} SET payload_hash = decode('00', 'hex')")  # noqa: S608  (names of our own)
