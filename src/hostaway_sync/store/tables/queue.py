"""Procrastinate's tables, as far as our statements use them; a migration of ours creates them by its SQL.

They are not in our metadata: a new version of Procrastinate may change their columns.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.store.tables.metadata import Timestamp

engine_metadata = MetaData()

jobs = Table(
    "procrastinate_jobs",
    engine_metadata,
    Column("id", BigInteger, primary_key=True),
    Column("queue_name", Text),
    Column("task_name", Text),
    Column("priority", Integer),
    Column("queueing_lock", Text),
    Column("args", JSONB),
    Column("status", Text),
    Column("scheduled_at", Timestamp),
    Column("worker_id", BigInteger),
)
job_events = Table(
    "procrastinate_events",
    engine_metadata,
    Column("job_id", BigInteger),
    Column("type", Text),
    Column("at", Timestamp),
)
workers = Table(
    "procrastinate_workers",
    engine_metadata,
    Column("id", BigInteger, primary_key=True),
    Column("last_heartbeat", Timestamp),
)
