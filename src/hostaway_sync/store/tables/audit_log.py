"""The audit log: changes of accounts, and the user that made them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.store.tables.metadata import Timestamp, metadata

_ACTIONS = "('added','updated','enabled','disabled','removed','purging','purged','forgotten','calendar_written')"

# Without a foreign key: the log of an account outlives its row.
audit_log = Table(
    "audit_log",
    metadata,
    Column("audit_id", BigInteger, Identity(always=True), nullable=False),
    Column("account_id", BigInteger, nullable=False, comment="whose; its row may be gone"),
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
