"""The ledgers of what is sent: messages to guests and writes to calendars, with their outcome."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.store.tables.metadata import Sentence, Timestamp, account_key, metadata

sent_messages = Table(
    "sent_messages",
    metadata,
    Column("intent_id", BigInteger, Identity(always=True), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("reservation_id", BigInteger, nullable=False),
    Column("conversation_id", BigInteger, nullable=False),
    Column("channel_type", Text, nullable=False, comment="how it reaches the guest"),
    Column("idempotency_key", Text, comment="what two requests for one message share; NULL: the text alone tells"),
    Column("body", Text, nullable=False, comment="the text, as it was handed over: personal data"),
    Column("body_hash", LargeBinary, nullable=False, comment="SHA-256 of its words"),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("attempt", Integer, nullable=False, server_default=text("1"), comment="how often it was taken up"),
    Column("owner", Text, comment="host, boot, process that sends it, or did so last"),
    Column("os_user", Text, nullable=False, comment="who ran the program"),
    Column("host", Text, nullable=False, comment="where"),
    Column("after_message_id", BigInteger, comment="highest id in its thread before the request"),
    Column("message_id", BigInteger, comment="the message it became"),
    Column("proof", Text, comment="what says how it ended: the answer, the thread, a person; NULL: it has not"),
    Column("looks", Integer, nullable=False, server_default=text("0"), comment="readings of the thread, in vain"),
    Column("looked_at", Timestamp, comment="the last of them that counts"),
    Column("error", Sentence, comment="why it failed, or why its outcome is not known"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("sending_at", Timestamp, comment="when its last request left"),
    Column("settled_at", Timestamp, comment="when its end was known"),
    Column("is_queued", Boolean, nullable=False, server_default=text("false"), comment="a worker is to send it"),
    Column("quiet_hours", Text, comment="local hours in which a worker does not, with their zone: `22-8 Europe/Oslo`"),
    Column("not_before_at", Timestamp, comment="it waits until then; NULL: for nothing but a worker, if that"),
    PrimaryKeyConstraint("intent_id"),
    UniqueConstraint("account_id", "idempotency_key"),
    UniqueConstraint("account_id", "conversation_id", "message_id"),
    account_key(),
    CheckConstraint("state IN ('pending','sending','sent','failed','outcome_unknown')", name="state_known"),
    CheckConstraint("channel_type IN ('email','channel','sms','whatsapp')", name="channel_type_known"),
    CheckConstraint("proof IN ('answer','thread','person')", name="proof_known"),
    CheckConstraint(
        "(state IN ('sent','failed')) = (proof IS NOT NULL) AND (proof IS NULL) = (settled_at IS NULL)",
        name="proof_of_final_states",
    ),
    CheckConstraint("state IN ('pending','failed') OR sending_at IS NOT NULL", name="sending_at_of_what_left"),
    comment="the intent ledger: each message to a guest is written down before it is sent, and sent at most once",
)
Index(None, sent_messages.c.account_id, sent_messages.c.reservation_id)
# Few rows, which every run reads.
Index(
    "sent_messages_open_idx",
    sent_messages.c.account_id,
    postgresql_where=text("state IN ('pending','sending','outcome_unknown')"),
)

calendar_writes = Table(
    "calendar_writes",
    metadata,
    Column("write_id", BigInteger, Identity(always=True), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("listing_id", BigInteger, nullable=False, comment="the source's id of the listing"),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False, comment="included"),
    Column("new_values", JSONB, nullable=False, comment="what each of these days is to have, by column"),
    Column("old_values", JSONB, nullable=False, comment="what they had: stretches of days with equal values"),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("owner", Text, nullable=False, comment="host, boot, process that sends it, or did so"),
    Column("os_user", Text, nullable=False, comment="who ran the program"),
    Column("host", Text, nullable=False, comment="where"),
    Column("error", Sentence, comment="why it failed, which days differ, or why its outcome is not known"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("sending_at", Timestamp, comment="when its request left"),
    Column("settled_at", Timestamp, comment="when its end was known"),
    PrimaryKeyConstraint("write_id"),
    account_key(),
    CheckConstraint("state IN ('pending','sending','done','partial','failed','outcome_unknown')", name="state_known"),
    CheckConstraint(
        "(state IN ('done','partial','failed')) = (settled_at IS NOT NULL)", name="settled_at_of_final_states"
    ),
    CheckConstraint("state IN ('pending','failed') OR sending_at IS NOT NULL", name="sending_at_of_what_left"),
    CheckConstraint("first_day <= last_day", name="days_in_order"),
    comment="the ledger of writes to calendars: each is written down before its one request leaves",
)
Index(None, calendar_writes.c.account_id, calendar_writes.c.listing_id)
# Few rows, which every run reads.
Index(
    "calendar_writes_open_idx",
    calendar_writes.c.account_id,
    postgresql_where=text("state IN ('pending','sending','outcome_unknown')"),
)
