"""Add the ledger of writes to calendars, and let the audit log say who wrote one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028"
down_revision = "0027"

_ACTION_CHECK = "audit_log_action_known_check"
_ACTIONS = "'added','updated','enabled','disabled','removed','purging','purged','forgotten','calendar_written'"
_RULES = {
    "state_known": "state IN ('pending','sending','done','partial','failed','outcome_unknown')",
    "settled_at_of_final_states": "(state IN ('done','partial','failed')) = (settled_at IS NOT NULL)",
    "sending_at_of_what_left": "state IN ('pending','failed') OR sending_at IS NOT NULL",
    "days_in_order": "first_day <= last_day",
}


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "calendar_writes",
        sa.Column("write_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("listing_id", sa.BigInteger, nullable=False, comment="the source's id of the listing"),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False, comment="included"),
        sa.Column("new_values", JSONB, nullable=False, comment="what each of these days is to have, by column"),
        sa.Column("old_values", JSONB, nullable=False, comment="what they had: stretches of days with equal values"),
        sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'pending'")),
        sa.Column("owner", sa.Text, nullable=False, comment="host, boot, process that sends it, or did so"),
        sa.Column("os_user", sa.Text, nullable=False, comment="who ran the program"),
        sa.Column("host", sa.Text, nullable=False, comment="where"),
        sa.Column("error", sa.Text, comment="why it failed, which days differ, or why its outcome is not known"),
        sa.Column("created_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column("sending_at", moment, comment="when its request left"),
        sa.Column("settled_at", moment, comment="when its end was known"),
        sa.PrimaryKeyConstraint("write_id", name="calendar_writes_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="calendar_writes_account_id_fkey"),
        *(sa.CheckConstraint(rule, name=f"calendar_writes_{name}_check") for name, rule in _RULES.items()),
        comment="the ledger of writes to calendars: each is written down before its one request leaves",
    )
    op.create_index("calendar_writes_account_id_listing_id_idx", "calendar_writes", ["account_id", "listing_id"])
    op.create_index(
        "calendar_writes_open_idx",
        "calendar_writes",
        ["account_id"],
        postgresql_where=sa.text("state IN ('pending','sending','outcome_unknown')"),
    )
    op.execute("ALTER TABLE calendar_writes ENABLE ROW LEVEL SECURITY")
    op.drop_constraint(_ACTION_CHECK, "audit_log", type_="check")
    op.create_check_constraint(op.f(_ACTION_CHECK), "audit_log", f"action IN ({_ACTIONS})")
