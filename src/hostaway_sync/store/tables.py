"""The tables, as migrations leave them; a test holds the two equal.

Tables carry no schema name: the engine translates it. Every mirrored table has the primary key (account_id, id), so
that an account can never touch another's row. Foreign keys go to `accounts` only: records arrive out of order, and a
wrong delete must not cascade.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.records import Resource

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_account_id_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

Timestamp = DateTime(timezone=True)


def _account_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["account_id"], ["accounts.account_id"])


def _mirrored(name: str, *columns: Column[object]) -> Table:
    return Table(
        name,
        metadata,
        Column("account_id", BigInteger, nullable=False),
        Column("id", BigInteger, nullable=False, comment="the source's id"),
        Column("customer_id", Uuid, comment="copy of accounts.customer_id"),
        *columns,
        Column("source_updated_at", Timestamp, comment="the source's own stamp; NULL where it has none"),
        Column("observed_at", Timestamp, nullable=False, comment="database clock when the request was granted"),
        Column("missing_since", Timestamp, comment="the source no longer lists it; the row stays"),
        Column("unlisted_since", Timestamp, comment="start of the first whole walk that left it out; NULL: listed"),
        Column("created_at", Timestamp, nullable=False, server_default=func.now(), comment="first seen by us"),
        Column("updated_at", Timestamp, nullable=False, server_default=func.now(), comment="payload last changed"),
        Column("payload_hash", LargeBinary, nullable=False, comment="version byte, then 128 bits over the bytes"),
        Column("raw_payload", JSONB, nullable=False, comment="the record as received"),
        PrimaryKeyConstraint("account_id", "id"),
        _account_key(),
    )


accounts = Table(
    "accounts",
    metadata,
    Column("account_id", BigInteger, nullable=False, autoincrement=False, comment="the source's account id"),
    Column("customer_id", Uuid),
    Column("name", Text),
    Column("client_secret", LargeBinary, nullable=False, comment="sealed"),
    Column("access_token", LargeBinary, comment="sealed"),
    Column("token_issued_at", Timestamp),
    Column("token_expires_at", Timestamp),
    Column("webhook_login", Text),
    Column("webhook_password", LargeBinary, comment="sealed"),
    Column("webhook_id", BigInteger),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("last_sync_at", Timestamp, comment="start of the last run that was a success"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("account_id"),
    CheckConstraint("account_id > 0", name="id_positive"),
)

listings = _mirrored("listings")

# A thread is due when something moved that may have been a message; only a whole reading of it takes the mark away.
_DUE = "when it was marked: its thread must be read"
_ACTIVITY = "the source's stamps that move with messages, in its own words"

reservations = _mirrored(
    "reservations",
    Column("listing_id", BigInteger),
    Column("channel_id", BigInteger),
    Column("status", Text, comment="an open set: the source adds to it"),
    Column("arrival_date", Date),
    Column("departure_date", Date),
    Column("activity", Text, comment=_ACTIVITY),
    Column("thread_due_at", Timestamp, comment="as in conversations; only while no conversation of it is known"),
)
Index(None, reservations.c.account_id, reservations.c.listing_id)
Index(None, reservations.c.account_id, reservations.c.arrival_date)
# Nearly every reservation fits a page uncompressed: twice the speed of a first load for a third more disk.
reservations.dialect_options["postgresql"]["with"] = {"toast_tuple_target": 4080}

conversations = _mirrored(
    "conversations",
    Column("reservation_id", BigInteger, comment="NULL where the conversation belongs to none"),
    Column("listing_id", BigInteger),
    Column("activity", Text, comment=_ACTIVITY),
    Column("thread_due_at", Timestamp, comment=_DUE),
    Column("thread_read_at", Timestamp, comment="when its last whole reading began; NULL: never"),
)
Index(None, conversations.c.account_id, conversations.c.reservation_id)
for _table in (reservations, conversations):
    Index(
        f"{_table.name}_thread_due_idx",
        _table.c.account_id,
        _table.c.id,
        postgresql_where=text("thread_due_at IS NOT NULL"),
    )

conversation_messages = _mirrored(
    "conversation_messages",
    Column("conversation_id", BigInteger),
    Column("reservation_id", BigInteger),
    Column("is_incoming", Boolean),
    Column("status", Text),
    Column("sent_at", Timestamp, comment="the message's `date`: planned, or the channel's own time"),
    Column("is_final", Boolean, comment="false while it waits to be sent"),
)
Index(None, conversation_messages.c.account_id, conversation_messages.c.conversation_id)
Index(None, conversation_messages.c.account_id, conversation_messages.c.reservation_id)

MIRRORED: dict[Resource, Table] = {
    Resource.LISTINGS: listings,
    Resource.RESERVATIONS: reservations,
    Resource.CONVERSATIONS: conversations,
    Resource.MESSAGES: conversation_messages,
}

_RUN_STATES = "('triggered','running','retrying','success','partial','failed','abandoned','skipped')"

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("run_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Column("account_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'triggered'")),
    Column("mode", Text, nullable=False),
    Column("triggered_at", Timestamp, nullable=False, server_default=func.now()),
    Column("started_at", Timestamp),
    Column("finished_at", Timestamp),
    Column("retry_count", Integer, nullable=False, server_default=text("0")),
    Column("max_retries", Integer, nullable=False, server_default=text("0")),
    Column("api_calls", BigInteger, nullable=False, server_default=text("0")),
    Column("error", Text),
    PrimaryKeyConstraint("run_id"),
    _account_key(),
    CheckConstraint(f"state IN {_RUN_STATES}", name="state_known"),
    CheckConstraint("mode IN ('full','incremental')", name="mode_known"),
    CheckConstraint(
        "(finished_at IS NOT NULL) = (state IN ('success','partial','failed','abandoned','skipped'))",
        name="finished_at_of_final_states",
    ),
)
Index(None, sync_runs.c.account_id, sync_runs.c.triggered_at)
# An account has at most one run under way: the lease decides it, and the index proves it.
Index(
    "sync_runs_one_open_idx",
    sync_runs.c.account_id,
    unique=True,
    postgresql_where=text("state IN ('running','retrying')"),
)

sync_run_resources = Table(
    "sync_run_resources",
    metadata,
    Column("run_id", Uuid, nullable=False),
    Column("resource", Text, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("seen", "inserted", "updated", "unchanged", "stale", "quarantined", "missing")
    ),
    Column("cleaned", BigInteger, nullable=False, server_default=text("0"), comment="stored cleaned, bytes kept"),
    Column("misfits", BigInteger, nullable=False, server_default=text("0"), comment="typed columns left NULL"),
    Column("error", Text),
    PrimaryKeyConstraint("run_id", "resource"),
    _account_key(),
    CheckConstraint("seen = inserted + updated + unchanged + stale + quarantined", name="counts_add_up"),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("watermark_at", Timestamp, comment="everything stamped up to here is mirrored; NULL: no stamps"),
    Column("swept_at", Timestamp, comment="start of the last full walk that was whole"),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("account_id", "resource"),
    _account_key(),
)

walk_pages = Table(
    "walk_pages",
    metadata,
    Column("page_id", BigInteger, Identity(always=True), nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("record_keys", ARRAY(BigInteger), nullable=False, comment="ids; for a record without one, minus its hash"),
    Column("changes", ARRAY(SmallInteger), nullable=False, comment="rank of the change, one a key"),
    Column("cleaned", Integer, nullable=False, server_default=text("0")),
    Column("misfits", Integer, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("page_id"),
    _account_key(),
    comment="what the runs under way have met, page by page, so that their memory stays flat; emptied at their end",
)
Index(None, walk_pages.c.run_id, walk_pages.c.resource)

quarantined_records = Table(
    "quarantined_records",
    metadata,
    Column("quarantine_id", BigInteger, Identity(always=True), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("record_id", BigInteger, comment="NULL: it has no usable id, and so no row"),
    Column("reason", Text, nullable=False),
    Column("payload_hash", LargeBinary, nullable=False),
    Column("exact", LargeBinary, nullable=False, comment="the bytes received"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("last_seen_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("quarantine_id"),
    UniqueConstraint("account_id", "resource", "payload_hash"),
    _account_key(),
)

leases = Table(
    "leases",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("owner", Text, comment="host, boot, process; NULL: nobody holds it"),
    Column("fencing_token", BigInteger, nullable=False, comment="grows with every new owner"),
    Column("expires_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("account_id"),
    _account_key(),
)

request_budget = Table(
    "request_budget",
    metadata,
    Column("key", Text, nullable=False),
    Column("slots", ARRAY(Timestamp), nullable=False, server_default=text("'{}'"), comment="granted, ascending"),
    Column("asked_at", Timestamp, comment="clock at the last grant; when it is ahead, the clock was set back"),
    Column("not_before", Timestamp, comment="the source asked for silence until then"),
    Column("lowered_to", Integer, comment="the source named a lower limit than ours"),
    Column("lowered_until", Timestamp),
    PrimaryKeyConstraint("key"),
    postgresql_with={"fillfactor": 25},
)
