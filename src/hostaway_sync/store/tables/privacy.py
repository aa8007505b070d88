"""Forgotten guests, and the rule by which fields of payloads are hidden."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)

from hostaway_sync.store.tables.metadata import Timestamp, account_key, metadata

forgotten_guests = Table(
    "forgotten_guests",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False, comment="`reservations` or `conversations`"),
    Column("object_id", BigInteger, nullable=False, comment="whatever comes of it is stored without the guest"),
    Column("forgotten_at", Timestamp, nullable=False, server_default=func.now()),
    Column("erased_at", Timestamp, comment="when nothing of the guest was left; NULL: the next `forget-guest` goes on"),
    PrimaryKeyConstraint("account_id", "resource", "object_id"),
    account_key(),
    CheckConstraint("resource IN ('reservations','conversations')", name="resource_known"),
    comment="objects of guests who were forgotten",
)
Index("forgotten_guests_unfinished_idx", forgotten_guests.c.account_id, postgresql_where=text("erased_at IS NULL"))

redactions = Table(
    "redactions",
    metadata,
    Column("redaction_id", SmallInteger, autoincrement=False, nullable=False, comment="always 1"),
    Column("secret", LargeBinary, nullable=False, comment="sealed; what fields are hashed with"),
    Column("applied", LargeBinary, comment="mark of the setting that all rows follow; NULL: not known"),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    Column("rule", Text, comment="the least that is hidden, as the setting names it; NULL: none was set yet"),
    Column("rule_mark", LargeBinary, comment="how the hash of a payload begins that follows the rule"),
    PrimaryKeyConstraint("redaction_id"),
    CheckConstraint("redaction_id = 1", name="only_one"),
    comment="how fields of payloads are hidden; empty while HOSTAWAY_SYNC_PAYLOAD_FIELDS never was set",
)
