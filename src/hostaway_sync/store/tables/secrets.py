"""Where secrets are stored, the same for all programs that use this database; and the keys of the API's callers."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from hostaway_sync.store.tables.metadata import Timestamp, metadata

# No row: secrets are in the database, and never were elsewhere.
secrets_store = Table(
    "secrets_store",
    metadata,
    Column("is_only", Boolean, nullable=False, server_default=text("true"), comment="there is one row at most"),
    Column("store", Text, nullable=False, comment="where secrets are put now"),
    Column("leaving", Text, comment="where some may still lie, while `keys move` is not finished"),
    Column("mirror", Text, nullable=False, comment="what names of secrets outside begin with"),
    Column("changed_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("is_only"),
    CheckConstraint("is_only", name="only"),
    CheckConstraint("leaving <> store", name="leaving_differs"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, nullable=False, comment="12 random characters, the middle part of the key"),
    Column("name", Text, nullable=False, comment="how commands call it; of a revoked key another may have it"),
    Column("secret_hash", LargeBinary, nullable=False, comment="HMAC-SHA-256 of the key, with the pepper"),
    Column("previous_hash", LargeBinary, comment="of the key before a rotation; NULL: there was none"),
    Column("previous_until", Timestamp, comment="until then the key before is valid, too"),
    Column("account_ids", ARRAY(BigInteger), comment="the accounts that it sees; NULL: see customer_id"),
    Column("customer_id", Uuid, comment="it sees the accounts of this customer; both NULL: all accounts"),
    Column("scopes", ARRAY(Text), nullable=False, comment="what it may do; no scope implies another"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("expires_at", Timestamp, comment="not valid from then on; NULL: valid until it is revoked"),
    Column("revoked_at", Timestamp, comment="not valid since then"),
    Column("last_used_at", Timestamp, comment="noted once a minute at most; NULL: never"),
    PrimaryKeyConstraint("key_id"),
    CheckConstraint("num_nonnulls(account_ids, customer_id) < 2", name="one_access"),
    CheckConstraint("(previous_hash IS NULL) = (previous_until IS NULL)", name="previous_ends"),
    CheckConstraint("cardinality(scopes) > 0", name="some_scope"),
    comment="who may call the API; a key itself is stored nowhere",
)
Index("api_keys_name_idx", api_keys.c.name, unique=True, postgresql_where=text("revoked_at IS NULL"))

api_limits = Table(
    "api_limits",
    metadata,
    Column("caller", Text, nullable=False, comment="which API key, or whose token"),
    Column("full_at", Timestamp, nullable=False, comment="from then on the caller has all its requests again"),
    PrimaryKeyConstraint("caller"),
    postgresql_with={"fillfactor": 25},
    comment="how many requests callers of the API have left; a row that is over says nothing",
)

api_key_pepper = Table(
    "api_key_pepper",
    metadata,
    Column("pepper_id", SmallInteger, autoincrement=False, nullable=False, comment="always 1"),
    Column("secret", LargeBinary, nullable=False, comment="sealed; what API keys are hashed with"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("pepper_id"),
    CheckConstraint("pepper_id = 1", name="only_one"),
    comment="without it no stored hash can be tested; empty before the first API key",
)
