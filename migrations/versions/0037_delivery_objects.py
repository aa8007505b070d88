"""Find the deliveries about an object by an index: the history of a reservation looks for its own among all others."""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    op.create_index("webhook_log_account_id_object_id_idx", "webhook_log", ["account_id", "object_id"])
