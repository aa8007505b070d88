"""Accounts and their mirrored records."""

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
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.model.records import Resource
from hostaway_sync.store.tables.metadata import Sentence, Timestamp, account_key, metadata


def _core(name: str, comment: str) -> Column[object]:
    """Return a column that views of `core` select as it is: under row-level security only such columns find rows.

    Triggers fill it, and compare bytes: an order of letters would cost more, and no key is read in that order.
    """
    return Column(name, Text(collation="C"), comment=comment)


def _core_account() -> Column[object]:
    return _core("core_account_id", "account_id as text")


def _core_listing() -> Column[object]:
    return _core("core_listing_key", "source:account:listing_id")


def _core_reservation() -> Column[object]:
    return _core("core_reservation_key", "source:account:reservation_id")


def _mirrored(name: str, *columns: Column[object]) -> Table:
    table = Table(
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
        _core_account(),
        _core("core_id", "id as text"),
        _core("core_key", "source:account:id"),
        PrimaryKeyConstraint("account_id", "id"),
        account_key(),
    )
    Index(None, table.c.core_account_id)
    # Only a whole text is looked up in these: a hash index is smaller than an ordered one, and cheaper to fill.
    for column in (table.c.core_id, table.c.core_key):
        Index(None, column, postgresql_using="hash")
    return table


accounts = Table(
    "accounts",
    metadata,
    Column("account_id", BigInteger, nullable=False, autoincrement=False, comment="the source's account id"),
    Column("customer_id", Uuid),
    Column("name", Text),
    Column("client_secret", LargeBinary, comment="sealed"),
    Column("access_token", LargeBinary, comment="sealed"),
    Column("token_issued_at", Timestamp),
    Column("token_expires_at", Timestamp),
    Column("webhook_login", Text),
    Column("webhook_password", LargeBinary, comment="sealed"),
    Column("webhook_id", BigInteger),
    Column("webhook_path_secret", LargeBinary, comment="sealed"),
    Column("webhook_url", Text, comment="public address of the receiver, without the path secret"),
    Column("webhook_confirmed_at", Timestamp, comment="when the source took the credentials; NULL: not yet"),
    Column("webhook_previous", LargeBinary, comment="sealed; the credentials before these, still accepted"),
    Column("webhook_previous_until", Timestamp, comment="until when; NULL: until these are confirmed"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("last_sync_at", Timestamp, comment="start of the last run that was a success"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    Column("removed_at", Timestamp, comment="its secrets are erased, its rows may be there"),
    Column("resource_sets", ARRAY(Text), comment="the sets of resources to mirror; NULL: those of the setting"),
    _core_account(),
    _core("core_key", "source:account:account"),
    PrimaryKeyConstraint("account_id"),
    CheckConstraint("account_id > 0", name="id_positive"),
    CheckConstraint("removed_at IS NULL OR NOT is_active", name="removed_is_idle"),
)

for _column in (accounts.c.core_account_id, accounts.c.core_key):
    Index(None, _column)

listings = _mirrored(
    "listings",
    _core("time_zone", "of the listing, as the payload names it"),
    _core("currency", "of its prices"),
)

# A thread is due after a change that may be a new message; only a whole reading of the thread clears the mark.
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
    _core_listing(),
    _core("core_unit_key", "source:account:unit, of its first unit; NULL: it names none"),
    Column(
        "core_new_words",
        ARRAY(Text(collation="C")),
        comment="statuses and channels that the views of core do not know; NULL: they know all",
    ),
)
Index(None, reservations.c.core_new_words, postgresql_where=text("core_new_words IS NOT NULL"))
Index(None, reservations.c.core_listing_key)
Index(None, reservations.c.core_unit_key, postgresql_where=text("core_unit_key IS NOT NULL"))
Index(None, reservations.c.account_id, reservations.c.listing_id)
Index(
    "reservations_core_stay_dates_idx",
    reservations.c.account_id,
    reservations.c.arrival_date,
    reservations.c.departure_date,
)
# Callers of the API ask each account for what changed lately, and for a few statuses.
for _column in (reservations.c.updated_at, reservations.c.status):
    Index(f"reservations_core_{_column.name}_idx", reservations.c.account_id, _column)
# Nearly every reservation fits a page uncompressed: twice the speed of a first load for a third more disk.
reservations.dialect_options["postgresql"]["with"] = {"toast_tuple_target": 4080}

conversations = _mirrored(
    "conversations",
    Column("reservation_id", BigInteger, comment="NULL where the conversation belongs to none"),
    Column("listing_id", BigInteger),
    Column("activity", Text, comment=_ACTIVITY),
    Column("thread_due_at", Timestamp, comment=_DUE),
    Column("thread_read_at", Timestamp, comment="when its last whole reading began; NULL: never"),
    _core_listing(),
    _core_reservation(),
)
Index(None, conversations.c.core_listing_key)
Index(None, conversations.c.core_reservation_key)
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
    _core("core_conversation_key", "source:account:conversation_id"),
    _core_reservation(),
)
Index(None, conversation_messages.c.core_conversation_key)
Index(None, conversation_messages.c.core_reservation_key)
Index(None, conversation_messages.c.account_id, conversation_messages.c.conversation_id)
Index(None, conversation_messages.c.account_id, conversation_messages.c.reservation_id)

MIRRORED: dict[Resource, Table] = {
    Resource.LISTINGS: listings,
    Resource.RESERVATIONS: reservations,
    Resource.CONVERSATIONS: conversations,
    Resource.MESSAGES: conversation_messages,
}
# Few rows, read by many queries: without these indexes each query would read all rows.
for _table in MIRRORED.values():
    for _mark in ("missing", "unlisted"):
        Index(f"{_table.name}_{_mark}_idx", _table.c.account_id, postgresql_where=text(f"{_mark}_since IS NOT NULL"))

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
    account_key(),
)

calendar_days = Table(
    "calendar_days",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("listing_id", BigInteger, nullable=False, comment="the source's id of the listing"),
    Column("date", Date, nullable=False, comment="by the listing's own clock"),
    Column("customer_id", Uuid, comment="copy of accounts.customer_id"),
    Column("is_available", Boolean),
    Column("status", Text, comment="an open set: the source adds to it"),
    Column("price", Numeric, comment="in the listing's currency"),
    Column("minimum_stay", BigInteger, comment="nights"),
    Column("maximum_stay", BigInteger, comment="nights"),
    Column("closed_on_arrival", Boolean),
    Column("closed_on_departure", Boolean),
    Column("available_units", BigInteger, comment="of a listing with several units"),
    Column("note", Text, comment="what the host wrote to the day"),
    Column("observed_at", Timestamp, nullable=False, comment="database clock when the request was granted"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now(), comment="first seen by us"),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now(), comment="the day last changed"),
    Column("payload_hash", LargeBinary, nullable=False, comment="version byte, then 128 bits over what is compared"),
    Column("raw_payload", JSONB, nullable=False, comment="the day as received, without nulls and embedded stays"),
    _core_account(),
    _core_listing(),
    PrimaryKeyConstraint("account_id", "listing_id", "date"),
    account_key(),
)

calendar_readings = Table(
    "calendar_readings",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("listing_id", BigInteger, nullable=False),
    Column("asked_at", Timestamp, comment="when the newest stored answer was asked for; NULL: none"),
    Column("read_at", Timestamp, comment="when the last reading of all its days was asked for; NULL: never"),
    Column("rota_at", Timestamp, comment="when all its days are to be read again"),
    Column("known_until", Date, comment="the last day of that reading"),
    Column("short_count", Integer, nullable=False, server_default=text("0"), comment="whole readings that ended there"),
    Column("missing_days", Integer, nullable=False, server_default=text("0"), comment="that did not come last time"),
    Column("refused_at", Timestamp, comment="when the source refused its calendar; NULL: it did not"),
    Column("error", Sentence, comment="how it refused"),
    PrimaryKeyConstraint("account_id", "listing_id"),
    account_key(),
    comment="how the calendar of each listing was read last",
)

calendar_due = Table(
    "calendar_due",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("listing_id", BigInteger, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("due_at", Timestamp, nullable=False, comment="when the request was granted that showed the change"),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("account_id", "listing_id"),
    account_key(),
    comment="days that stays have changed since they were read",
)
Index("calendar_days_date_idx", calendar_days.c.date)
Index(None, calendar_days.c.core_listing_key, calendar_days.c.date)
