"""Tables of the push pipeline: deliveries, failed attempts, dead letters, unannounced changes, audits."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.store.tables.metadata import Sentence, Timestamp, account_key, metadata

_WAITING = "status IN ('pending','failed')"

webhook_log = Table(
    "webhook_log",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("platform", Text, nullable=False, comment="who sent it"),
    Column("account_id", BigInteger, nullable=False, comment="whose credentials it came with"),
    Column("event", Text, nullable=False, comment="as sent; empty: there was none"),
    Column("target_resource", Text, comment="kind of the object that is read again; NULL: none"),
    Column("object_id", BigInteger, comment="id of the object that is read again; NULL: none"),
    Column("payload", JSONB, comment="NULL: it was no JSON"),
    Column("body", LargeBinary, nullable=False, comment="the bytes received"),
    Column("headers", JSONB, nullable=False, comment="without those that authenticate"),
    Column("signature", Text, comment="NULL: the sender signs nothing"),
    Column("received_by", Text, nullable=False, comment="the host that received it"),
    Column("status", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="readings of its object that failed"),
    Column("error", Sentence, comment="why it was ignored, or what the last attempt met"),
    Column("dead_letter_id", BigInteger, comment="the last dead letter it was part of"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("processed_at", Timestamp, comment="when it was settled; NULL: it still matters"),
    PrimaryKeyConstraint("id"),
    account_key(),
    CheckConstraint("status IN ('pending','processed','failed','dead','ignored')", name="status_known"),
)
Index(
    "webhook_log_waiting_idx",
    webhook_log.c.account_id,
    webhook_log.c.target_resource,
    webhook_log.c.object_id,
    postgresql_where=text(_WAITING),
)
Index(None, webhook_log.c.account_id, webhook_log.c.created_at)
Index(None, webhook_log.c.account_id, webhook_log.c.object_id)
Index(None, webhook_log.c.dead_letter_id, postgresql_where=text("dead_letter_id IS NOT NULL"))
Index(None, webhook_log.c.processed_at, postgresql_where=text("processed_at IS NOT NULL"))

job_attempts = Table(
    "job_attempts",
    metadata,
    Column("attempt_id", Uuid, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("job", Text, nullable=False, comment="what was to be done: `sync:ID`, `refresh:ID:resource:object`"),
    Column("number", Integer, nullable=False, comment="1 is the first; an early try repeats the number it had"),
    Column("started_at", Timestamp, nullable=False),
    Column("finished_at", Timestamp, nullable=False),
    Column("error", Sentence, nullable=False),
    Column("traceback", Sentence, comment="NULL: the worker died"),
    Column("next_at", Timestamp, comment="when it is tried again; NULL: never"),
    PrimaryKeyConstraint("attempt_id"),
    account_key(),
    comment="every attempt at deferred work that failed",
)
Index(None, job_attempts.c.job, job_attempts.c.started_at)
Index(None, job_attempts.c.finished_at)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("dead_letter_id", BigInteger, Identity(always=True), nullable=False),
    Column("attempt_id", Uuid, nullable=False, comment="the attempt that was the last"),
    Column("kind", Text, nullable=False, comment="`delivery`, `send`, `sync` or `automation`"),
    Column("account_id", BigInteger, nullable=False),
    Column("target_resource", Text, comment="kind of the object that could not be read again"),
    Column("target_id", BigInteger, comment="its id"),
    Column("job", Text, nullable=False, comment="as in job_attempts"),
    Column("deliveries", Integer, nullable=False, comment="how many deliveries it holds up"),
    Column("payload", JSONB, comment="of the newest of them; of a sync: what was asked for"),
    Column("headers", JSONB, comment="of the newest of them"),
    Column("error", Sentence, nullable=False),
    Column("traceback", Sentence),
    Column("history", JSONB, nullable=False, comment="every attempt, oldest first"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("resolved_at", Timestamp, comment="NULL: it waits for a person"),
    Column("resolution", Text, comment="`retried` or `discarded`"),
    PrimaryKeyConstraint("dead_letter_id"),
    UniqueConstraint("attempt_id"),
    account_key(),
    CheckConstraint("kind IN ('delivery','send','sync','automation')", name="kind_known"),
    CheckConstraint("resolution IN ('retried','discarded')", name="resolution_known"),
    CheckConstraint("(resolved_at IS NULL) = (resolution IS NULL)", name="resolved_how_and_when"),
)
Index(
    "dead_letters_unresolved_idx",
    dead_letters.c.account_id,
    dead_letters.c.dead_letter_id,
    postgresql_where=text("resolved_at IS NULL"),
)

polled_changes = Table(
    "polled_changes",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("reservation_id", BigInteger, nullable=False),
    Column("changed_at", Timestamp, nullable=False, comment="the source's stamp of the change"),
    Column("found_at", Timestamp, nullable=False, server_default=func.now(), comment="when a run met it"),
    PrimaryKeyConstraint("account_id", "reservation_id", "changed_at"),
    account_key(),
    comment="changes that should have been announced and were met by a run; emptied after a week",
)

delivery_audits = Table(
    "delivery_audits",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("audited_at", Timestamp, nullable=False, server_default=func.now()),
    Column("has_log", Boolean, nullable=False, comment="the source keeps a log of its deliveries"),
    Column("last_entry", BigInteger, comment="the highest number in it; NULL: it was empty, or there is none"),
    Column("announced", Integer, nullable=False, comment="objects that its new entries named"),
    Column("lost", Integer, nullable=False, comment="those of them that no delivery told us of"),
    PrimaryKeyConstraint("account_id"),
    account_key(),
    comment="the last comparison of what the source says it sent with what came",
)
