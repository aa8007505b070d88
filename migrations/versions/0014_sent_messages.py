"""Keep what was to be said to guests, and what became of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "sent_messages",
        sa.Column("intent_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_type", sa.Text(), nullable=False, comment="how it reaches the guest"),
        sa.Column(
            "idempotency_key", sa.Text(), comment="what two requests for one message share; NULL: the text alone tells"
        ),
        sa.Column("body", sa.Text(), nullable=False, comment="the text, as it was handed over: personal data"),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of its words"),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'pending'")),
        sa.Column(
            "attempt", sa.Integer(), nullable=False, server_default=sa.text("1"), comment="how often it was taken up"
        ),
        sa.Column("owner", sa.Text(), comment="host, boot, process that sends it, or did so last"),
        sa.Column("os_user", sa.Text(), nullable=False, comment="who ran the program"),
        sa.Column("host", sa.Text(), nullable=False, comment="where"),
        sa.Column("after_message_id", sa.BigInteger(), comment="highest id in its thread before the request"),
        sa.Column("message_id", sa.BigInteger(), comment="the message it became"),
        sa.Column(
            "proof", sa.Text(), comment="what says how it ended: the answer, the thread, a person; NULL: it has not"
        ),
        sa.Column(
            "looks",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("0"),
            comment="readings of the thread, in vain",
        ),
        sa.Column("looked_at", _TIME, comment="the last of them that counts"),
        sa.Column("error", sa.Text(), comment="why it failed, or why its outcome is not known"),
        sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("sending_at", _TIME, comment="when its last request left"),
        sa.Column("settled_at", _TIME, comment="when its end was known"),
        sa.Column(
            "is_queued", sa.Boolean(), nullable=False, server_default=sa.text("false"), comment="a worker is to send it"
        ),
        sa.Column(
            "quiet_hours",
            sa.Text(),
            comment="local hours in which a worker does not, with their zone: `22-8 Europe/Oslo`",
        ),
        sa.Column("not_before_at", _TIME, comment="it waits until then; NULL: for nothing but a worker, if that"),
        sa.PrimaryKeyConstraint("intent_id", name="sent_messages_pkey"),
        sa.UniqueConstraint("account_id", "idempotency_key", name="sent_messages_account_id_idempotency_key_key"),
        sa.UniqueConstraint(
            "account_id",
            "conversation_id",
            "message_id",
            name="sent_messages_account_id_conversation_id_message_id_key",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="sent_messages_account_id_fkey"),
        *(sa.CheckConstraint(rule, name=f"sent_messages_{name}_check") for name, rule in _RULES.items()),
        comment="the intent ledger: each message to a guest is written down before it is sent, and sent at most once",
    )
    op.create_index("sent_messages_account_id_reservation_id_idx", "sent_messages", ["account_id", "reservation_id"])
    op.create_index(
        "sent_messages_open_idx",
        "sent_messages",
        ["account_id"],
        postgresql_where=sa.text("state IN ('pending','sending','outcome_unknown')"),
    )
    op.execute("ALTER TABLE sent_messages ENABLE ROW LEVEL SECURITY")
    op.drop_constraint("dead_letters_kind_known_check", "dead_letters", type_="check")
    op.create_check_constraint(
        op.f("dead_letters_kind_known_check"), "dead_letters", "kind IN ('delivery','send','sync')"
    )
    op.alter_column("dead_letters", "kind", comment="`delivery`, `send` or `sync`")


_RULES = {
    "state_known": "state IN ('pending','sending','sent','failed','outcome_unknown')",
    "channel_type_known": "channel_type IN ('email','channel','sms','whatsapp')",
    "proof_known": "proof IN ('answer','thread','person')",
    "proof_of_final_states": (
        "(state IN ('sent','failed')) = (proof IS NOT NULL) AND (proof IS NULL) = (settled_at IS NULL)"
    ),
    "sending_at_of_what_left": "state IN ('pending','failed') OR sending_at IS NOT NULL",
}
