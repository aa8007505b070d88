"""Tables of the other kinds: reviews, tasks, all others, what no account owns, and how each list was read last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Index,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.store.tables.metadata import Sentence, Timestamp, account_key, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping


def _objects(name: str, key: tuple[str, ...], *columns: Column[object]) -> Table:
    table = Table(
        name,
        metadata,
        Column("account_id", BigInteger, nullable=False),
        *columns,
        Column("customer_id", Uuid, comment="copy of accounts.customer_id"),
        Column("source_updated_at", Timestamp, comment="the source's own stamp; NULL where it has none"),
        Column("observed_at", Timestamp, nullable=False, comment="database clock when the request was granted"),
        Column("missing_since", Timestamp, comment="the source no longer lists it; the row stays"),
        Column("unlisted_since", Timestamp, comment="start of the first whole reading that left it out; NULL: listed"),
        Column("created_at", Timestamp, nullable=False, server_default=func.now(), comment="first seen by us"),
        Column("updated_at", Timestamp, nullable=False, server_default=func.now(), comment="payload last changed"),
        Column(
            "payload_hash", LargeBinary, nullable=False, comment="version byte, then 128 bits over what is compared"
        ),
        Column(
            "raw_payload", JSONB, nullable=False, comment="the object as received, without keys that open something"
        ),
        PrimaryKeyConstraint("account_id", *key),
        account_key(),
    )
    Index(f"{name}_unlisted_idx", table.c.account_id, postgresql_where=text("unlisted_since IS NOT NULL"))
    return table


reviews = _objects(
    "reviews",
    ("id",),
    Column("id", BigInteger, nullable=False, comment="the source's id"),
    Column("listing_id", BigInteger),
    Column("reservation_id", BigInteger),
    Column("channel_id", BigInteger),
    Column("type", Text, comment="who wrote of whom"),
    Column("status", Text, comment="an open set: the source adds to it"),
    Column("rating", Numeric, comment="0 to 10"),
    Column("arrival_date", Date),
    Column("departure_date", Date),
    Column("submitted_at", Timestamp),
)
Index(None, reviews.c.account_id, reviews.c.listing_id)
Index(None, reviews.c.account_id, reviews.c.reservation_id)

tasks = _objects(
    "tasks",
    ("id",),
    Column("id", BigInteger, nullable=False, comment="the source's id"),
    Column("listing_id", BigInteger),
    Column("reservation_id", BigInteger),
    Column("status", Text, comment="an open set: the source adds to it"),
    Column("assignee_id", BigInteger),
    Column("title", Text),
    Column("can_start_from", Timestamp),
    Column("should_end_by", Timestamp),
    Column("started_at", Timestamp),
    Column("completed_at", Timestamp),
    Column("cost", Numeric),
    Column("currency", Text),
)
Index(None, tasks.c.account_id, tasks.c.listing_id)
Index(None, tasks.c.account_id, tasks.c.reservation_id)
Index(None, tasks.c.account_id, tasks.c.can_start_from)

resources = _objects(
    "resources",
    ("kind", "source_id"),
    Column("kind", Text, nullable=False, comment="also the name of the view with its rows"),
    Column("source_id", Text, nullable=False, comment="the source's id, unique within its kind"),
    Column("parent_id", Text, comment="the listing that it belongs to; NULL: it belongs to the account"),
)
Index(None, resources.c.account_id, resources.c.kind, resources.c.parent_id)

reference_data = Table(
    "reference_data",
    metadata,
    Column("kind", Text, nullable=False, comment="what the code stands for, in the plural"),
    Column("code", Text, nullable=False, comment="the source's id or code, unique within its kind"),
    Column("observed_at", Timestamp, nullable=False, comment="database clock when the request was granted"),
    Column("missing_since", Timestamp, comment="the source no longer lists it; the row stays"),
    Column("unlisted_since", Timestamp, comment="start of the first reading that left it out; NULL: listed"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now(), comment="first seen by us"),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now(), comment="payload last changed"),
    Column("payload_hash", LargeBinary, nullable=False, comment="version byte, then 128 bits over what is compared"),
    Column("raw_payload", JSONB, nullable=False, comment="the object as received; a bare name stands under `value`"),
    PrimaryKeyConstraint("kind", "code"),
    comment="what is the same for all accounts",
)

OWN_TABLES: Final[Mapping[str, Table]] = {table.name: table for table in (reviews, tasks)}
"""The kinds with a table of their own; all others are rows of `resources`."""

resource_readings = Table(
    "resource_readings",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent_id", Text, nullable=False, server_default=text("''"), comment="a listing; '': the account's list"),
    Column("read_at", Timestamp, comment="when it was asked for last, whole or in part; NULL: never"),
    Column("whole_at", Timestamp, comment="when it was asked for last and read whole; NULL: never"),
    Column("due_at", Timestamp, comment="when it is to be read again"),
    Column("refused_at", Timestamp, comment="when the source refused it; NULL: the last request was answered"),
    Column("error", Sentence, comment="how it refused or failed"),
    PrimaryKeyConstraint("account_id", "kind", "parent_id"),
    account_key(),
    comment="how each list of the other kinds was read last",
)

reference_readings = Table(
    "reference_readings",
    metadata,
    Column("kind", Text, nullable=False),
    Column("read_at", Timestamp, comment="when it was asked for last and read whole; NULL: never"),
    Column("due_at", Timestamp, comment="when it is to be read again, by any account's run"),
    Column("claimed_until", Timestamp, comment="until then a run reads it, and no other one does"),
    PrimaryKeyConstraint("kind"),
    comment="how reference data was read last, for the whole installation",
)
