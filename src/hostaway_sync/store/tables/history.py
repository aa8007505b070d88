"""What happened: changes of accounts and who made them, and changes of mirrored records and what caused them."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.store.tables.metadata import Timestamp, account_key, metadata

_ACTIONS = (
    "('added','updated','enabled','disabled','removed','purging','purged','forgotten','calendar_written',"
    "'api_key_created','api_key_rotated','api_key_revoked')"
)

# Without a foreign key: the log of an account outlives its row.
audit_log = Table(
    "audit_log",
    metadata,
    Column("audit_id", BigInteger, Identity(always=True), nullable=False),
    Column("account_id", BigInteger, comment="whose; its row may be gone; NULL: of no account"),
    Column("changed_at", Timestamp, nullable=False, server_default=func.now()),
    Column("action", Text, nullable=False),
    Column("os_user", Text, nullable=False, comment="who ran the program"),
    Column("host", Text, nullable=False, comment="where"),
    Column(
        "changes", JSONB, nullable=False, server_default=text("'{}'"), comment="old and new by field; never a secret"
    ),
    PrimaryKeyConstraint("audit_id"),
    CheckConstraint(f"action IN {_ACTIONS}", name="action_known"),
)
Index(None, audit_log.c.account_id, audit_log.c.audit_id)

changes = Table(
    "changes",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("customer_id", Uuid, comment="copy of accounts.customer_id"),
    Column("resource", Text, nullable=False, comment="of what the row is a change"),
    Column(
        "record_id",
        Text,
        nullable=False,
        comment="id of the record, as text; of a day of a calendar `<listing_id>/<date>`",
    ),
    Column("change", Text, nullable=False, comment="inserted, updated, missing, returned or erased"),
    Column(
        "changed_at",
        Timestamp,
        nullable=False,
        server_default=func.clock_timestamp(),
        comment="when the row was written, by the database's clock",
    ),
    Column("source_updated_at", Timestamp, comment="the source's own stamp of the new version"),
    Column("keys", ARRAY(Text), comment="top-level keys that differ; NULL: none, or all of a new record"),
    Column("before", JSONB, comment="these keys of the version that was replaced; NULL: it had none of them"),
    Column("after", JSONB, comment="these keys of the new version; NULL: it has none of them"),
    Column("cause", Text, comment="sync, webhook, verify, send or write; NULL: unknown"),
    Column("cause_id", Text, comment="of the run, delivery, message or write that caused it"),
    Column(
        "position",
        BigInteger,
        nullable=False,
        comment="offset of this database and id of the transaction; cursors rest on it",
    ),
    PrimaryKeyConstraint("change_id"),
    account_key(),
    comment="how mirrored records came to be as they are, written by the transaction that changed them",
)
Index(None, changes.c.account_id, changes.c.resource, changes.c.record_id, changes.c.change_id)
Index(None, changes.c.position, changes.c.change_id)
Index(None, changes.c.changed_at)

change_clock = Table(
    "change_clock",
    metadata,
    Column("clock_id", SmallInteger, autoincrement=False, nullable=False, comment="always 1"),
    Column(
        "position_offset",
        BigInteger,
        nullable=False,
        comment="what is added to ids of transactions, so that positions go on after a move into another database",
    ),
    PrimaryKeyConstraint("clock_id"),
    CheckConstraint("clock_id = 1", name="only_one"),
    comment="where the positions of changes begin in this database; empty: at 0",
)
