"""Add automations, the ledger of what consumers are told, and how far the changes were looked through for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0033"
down_revision = "0032"

MOMENT = sa.DateTime(timezone=True)
WAITS = sa.text("state = 'waiting'")
_KIND_CHECK = "dead_letters_kind_known_check"


def upgrade() -> None:
    _create_automations()
    _create_deliveries()
    op.create_table(
        "automation_cursor",
        sa.Column("cursor_id", sa.SmallInteger, autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("cursor", sa.Text, nullable=False, comment="all changes before it were looked through for events"),
        sa.Column("moved_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("cursor_id", name="automation_cursor_pkey"),
        sa.CheckConstraint("cursor_id = 1", name="automation_cursor_only_one_check"),
        comment="how far the changes were looked through for automations; empty before the first automation",
    )
    op.alter_column("dead_letters", "kind", comment="`delivery`, `send`, `sync` or `automation`")
    op.drop_constraint(_KIND_CHECK, "dead_letters", type_="check")
    op.create_check_constraint(op.f(_KIND_CHECK), "dead_letters", "kind IN ('delivery','send','sync','automation')")


def _create_automations() -> None:
    op.create_table(
        "automations",
        sa.Column("automation_id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text, nullable=False, comment="how commands call it"),
        sa.Column("events", sa.ARRAY(sa.Text), nullable=False, comment="names of events; `*`: all"),
        sa.Column(
            "chosen_accounts", sa.ARRAY(sa.BigInteger), comment="the accounts whose events it is told of; NULL: all"
        ),
        sa.Column("conditions", JSONB, nullable=False, comment="by column, values of which the row must have one"),
        sa.Column("url", sa.Text, comment="scheme and host of the consumer; NULL: a command is"),
        sa.Column("whole_url", sa.LargeBinary, comment="sealed; what is asked; NULL: a command is run"),
        sa.Column("command", sa.ARRAY(sa.Text), comment="program and arguments; NULL: a URL is told"),
        sa.Column("secret", sa.LargeBinary, comment="sealed; what requests are signed with, or the command"),
        sa.Column(
            "previous_secret", sa.LargeBinary, comment="sealed; the one before; NULL: there is none that is still used"
        ),
        sa.Column("previous_until", MOMENT, comment="until then requests are signed with both"),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.Column("disabled_error", sa.Text, comment="why the program disabled it; NULL: it did not"),
        sa.Column("disabled_at", MOMENT, comment="when the program disabled it; NULL: it did not"),
        sa.Column(
            "active_since",
            MOMENT,
            nullable=False,
            server_default=sa.func.now(),
            comment="not told of what changed before",
        ),
        sa.Column("failing_since", MOMENT, comment="the first failure after which nothing succeeded; NULL: none"),
        sa.Column(
            "failed_rounds",
            sa.Integer,
            nullable=False,
            server_default=sa.text("0"),
            comment="jobs in a row without answer",
        ),
        sa.Column("not_before_at", MOMENT, comment="its job waits until then; NULL: for nothing"),
        sa.Column("delivered_at", MOMENT, comment="when it was last told of something"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("automation_id", name="automations_pkey"),
        sa.UniqueConstraint("name", name="automations_name_key"),
        sa.CheckConstraint("num_nonnulls(url, command) = 1", name="automations_one_consumer_check"),
        comment="who is told of which events",
    )


def _create_deliveries() -> None:
    name = "automation_deliveries"
    op.create_table(
        name,
        sa.Column("automation_id", sa.BigInteger, nullable=False),
        sa.Column(
            "change_id",
            sa.BigInteger,
            nullable=False,
            comment="the change that it tells of: what is told is read there",
        ),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False, comment="as in changes"),
        sa.Column(
            "record_id",
            sa.Text,
            nullable=False,
            comment="as in changes; events of one record are told in their order",
        ),
        sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'waiting'")),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0"), comment="tellings that failed"),
        sa.Column("not_before_at", MOMENT, comment="it is not told before; NULL: now"),
        sa.Column("began_at", MOMENT, comment="when it was first tried"),
        sa.Column("status", sa.Integer, comment="of HTTP, or the exit code of the command, at the last try"),
        sa.Column("error", sa.Text, comment="why the last try failed"),
        sa.Column("output", sa.Text, comment="the end of what the command wrote; may name a guest"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("settled_at", MOMENT, comment="when it was told or given up"),
        sa.PrimaryKeyConstraint("automation_id", "change_id", name=f"{name}_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=f"{name}_account_id_fkey"),
        sa.CheckConstraint("state IN ('waiting','delivered','dead')", name=f"{name}_state_known_check"),
        sa.CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name=f"{name}_settled_when_not_waiting_check"),
        comment="events for consumers, and what became of each",
    )
    of_record = ["automation_id", "account_id", "resource", "record_id", "change_id"]
    op.create_index(f"{name}_waiting_idx", name, of_record, postgresql_where=WAITS)
    op.create_index(f"{name}_due_idx", name, ["automation_id", "change_id"], postgresql_where=WAITS)
    op.create_index(f"{name}_account_id_idx", name, ["account_id"])
    op.create_index(f"{name}_settled_at_idx", name, ["settled_at"], postgresql_where=sa.text("settled_at IS NOT NULL"))
    op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
