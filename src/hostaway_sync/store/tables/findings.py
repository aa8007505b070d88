"""Findings about rows that are not stored in the rows themselves."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, Identity, Index, PrimaryKeyConstraint, Table, Text, Uuid, func

from hostaway_sync.store.tables.metadata import Timestamp, account_key, metadata

observations = Table(
    "observations",
    metadata,
    Column("observation_id", BigInteger, Identity(always=True), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("observed_at", Timestamp, nullable=False, comment="database clock when the page was granted"),
    Column("noted_at", Timestamp, nullable=False, server_default=func.now()),
    Column("record_ids", ARRAY(BigInteger), nullable=False, comment="rows that the page found unchanged"),
    PrimaryKeyConstraint("observation_id"),
    account_key(),
    comment="pages of lists that found rows unchanged, for as long as an older answer may still be on its way",
)
Index(None, observations.c.account_id, observations.c.resource, observations.c.observed_at)

setbacks = Table(
    "setbacks",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("record_id", BigInteger, nullable=False),
    Column("source_updated_at", Timestamp, nullable=False, comment="the stamp that the source gives now"),
    Column("noticed_at", Timestamp, nullable=False, server_default=func.now()),
    Column("observed_at", Timestamp, nullable=False, comment="when it was asked for last"),
    Column("walk_id", Uuid, comment="the last walk of the whole list that met it; NULL: none yet"),
    Column("swept_at", Timestamp, comment="start of the first whole sweep that agrees; NULL: none yet"),
    PrimaryKeyConstraint("account_id", "resource", "record_id"),
    account_key(),
    comment="rows whose stamp went back at the source: they stay as they are until two whole sweeps agree",
)

suspicions = Table(
    "suspicions",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("record_id", BigInteger, nullable=False),
    Column("raised_at", Timestamp, nullable=False, server_default=func.now()),
    Column("refused_at", Timestamp, nullable=False, comment="when a request said last that there is no such object"),
    PrimaryKeyConstraint("account_id", "resource", "record_id"),
    account_key(),
    comment="rows that a single request did not find (404); the next sweep judges them",
)
