"""The ledgers of what is sent: messages to guests, writes to calendars, events to consumers, with their outcome."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
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
    SmallInteger,
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

automations = Table(
    "automations",
    metadata,
    # Not `always`: the number is drawn before the row is written, because the secret is sealed under it.
    Column("automation_id", BigInteger, Identity(always=False), nullable=False),
    Column("name", Text, nullable=False, comment="how commands call it"),
    Column("events", ARRAY(Text), nullable=False, comment="names of events; `*`: all"),
    Column("chosen_accounts", ARRAY(BigInteger), comment="the accounts whose events it is told of; NULL: all"),
    Column("conditions", JSONB, nullable=False, comment="by column, values of which the row must have one"),
    Column("url", Text, comment="scheme and host of the consumer; NULL: a command is"),
    Column("whole_url", LargeBinary, comment="sealed; what is asked; NULL: a command is run"),
    Column("command", ARRAY(Text), comment="program and arguments; NULL: a URL is told"),
    Column("secret", LargeBinary, comment="sealed; what requests are signed with, or the command"),
    Column("previous_secret", LargeBinary, comment="sealed; the one before; NULL: there is none that is still used"),
    Column("previous_until", Timestamp, comment="until then requests are signed with both"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("disabled_error", Sentence, comment="why the program disabled it; NULL: it did not"),
    Column("disabled_at", Timestamp, comment="when the program disabled it; NULL: it did not"),
    Column(
        "active_since",
        Timestamp,
        nullable=False,
        server_default=func.now(),
        comment="not told of what changed before",
    ),
    Column("failing_since", Timestamp, comment="the first failure after which nothing succeeded; NULL: none"),
    Column(
        "failed_rounds",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="jobs in a row without answer",
    ),
    Column("not_before_at", Timestamp, comment="its job waits until then; NULL: for nothing"),
    Column("delivered_at", Timestamp, comment="when it was last told of something"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("automation_id"),
    UniqueConstraint("name"),
    CheckConstraint("num_nonnulls(url, command) = 1", name="one_consumer"),
    comment="who is told of which events",
)

automation_deliveries = Table(
    "automation_deliveries",
    metadata,
    Column("automation_id", BigInteger, nullable=False),
    Column("change_id", BigInteger, nullable=False, comment="the change that it tells of: what is told is read there"),
    Column("account_id", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("resource", Text, nullable=False, comment="as in changes"),
    Column("record_id", Text, nullable=False, comment="as in changes; events of one record are told in their order"),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="tellings that failed"),
    Column("not_before_at", Timestamp, comment="it is not told before; NULL: now"),
    Column("began_at", Timestamp, comment="when it was first tried"),
    Column("status", Integer, comment="of HTTP, or the exit code of the command, at the last try"),
    Column("error", Sentence, comment="why the last try failed"),
    Column("output", Text, comment="the end of what the command wrote; may name a guest"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("settled_at", Timestamp, comment="when it was told or given up"),
    PrimaryKeyConstraint("automation_id", "change_id"),
    account_key(),
    CheckConstraint("state IN ('waiting','delivered','dead')", name="state_known"),
    CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name="settled_when_not_waiting"),
    comment="events for consumers, and what became of each",
)
_WAITS = text("state = 'waiting'")
Index(
    "automation_deliveries_waiting_idx",
    *(automation_deliveries.c[name] for name in ("automation_id", "account_id", "resource", "record_id", "change_id")),
    postgresql_where=_WAITS,
)
Index(
    "automation_deliveries_due_idx",
    automation_deliveries.c.automation_id,
    automation_deliveries.c.change_id,
    postgresql_where=_WAITS,
)
Index(None, automation_deliveries.c.account_id)
Index(None, automation_deliveries.c.settled_at, postgresql_where=text("settled_at IS NOT NULL"))

automation_cursor = Table(
    "automation_cursor",
    metadata,
    Column("cursor_id", SmallInteger, autoincrement=False, nullable=False, comment="always 1"),
    Column("cursor", Text, nullable=False, comment="all changes before it were looked through for events"),
    Column("moved_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("cursor_id"),
    CheckConstraint("cursor_id = 1", name="only_one"),
    comment="how far the changes were looked through for automations; empty before the first automation",
)
