"""Table definitions, equal to the result of the migrations; a test compares the two.

Tables have no schema name: the engine translates it. Every mirrored table has the primary key (account_id, id), so
that no account can change another's row. Foreign keys lead to `accounts` only: records arrive out of order, and a
wrong delete must not cascade.
"""

from __future__ import annotations

from hostaway_sync.store.tables.findings import observations, setbacks, suspicions
from hostaway_sync.store.tables.history import audit_log, change_clock, changes
from hostaway_sync.store.tables.installation import database_identity, setting_names
from hostaway_sync.store.tables.kinds import (
    OWN_TABLES,
    reference_data,
    reference_readings,
    resource_readings,
    resources,
    reviews,
    tasks,
)
from hostaway_sync.store.tables.ledgers import (
    automation_cursor,
    automation_deliveries,
    automations,
    calendar_writes,
    sent_messages,
)
from hostaway_sync.store.tables.metadata import Timestamp, metadata
from hostaway_sync.store.tables.mirrored import (
    MIRRORED,
    accounts,
    calendar_days,
    calendar_due,
    calendar_readings,
    conversation_messages,
    conversations,
    listings,
    quarantined_records,
    reservations,
)
from hostaway_sync.store.tables.privacy import forgotten_guests, redactions
from hostaway_sync.store.tables.readers import guard_rows, reader_bindings
from hostaway_sync.store.tables.rights import rights
from hostaway_sync.store.tables.runs import (
    alarms,
    leases,
    request_budget,
    source_outages,
    sync_run_resources,
    sync_runs,
    verification_notes,
    verifications,
    walk_pages,
    walks,
    watermarks,
)
from hostaway_sync.store.tables.secrets import api_key_pepper, api_keys, api_limits, secrets_store
from hostaway_sync.store.tables.webhooks import (
    dead_letters,
    delivery_audits,
    job_attempts,
    polled_changes,
    webhook_log,
)

__all__ = [
    "MIRRORED",
    "OWN_TABLES",
    "Timestamp",
    "accounts",
    "alarms",
    "api_key_pepper",
    "api_keys",
    "api_limits",
    "audit_log",
    "automation_cursor",
    "automation_deliveries",
    "automations",
    "calendar_days",
    "calendar_due",
    "calendar_readings",
    "calendar_writes",
    "change_clock",
    "changes",
    "conversation_messages",
    "conversations",
    "database_identity",
    "dead_letters",
    "delivery_audits",
    "forgotten_guests",
    "job_attempts",
    "leases",
    "listings",
    "metadata",
    "observations",
    "polled_changes",
    "quarantined_records",
    "reader_bindings",
    "redactions",
    "reference_data",
    "reference_readings",
    "request_budget",
    "reservations",
    "resource_readings",
    "resources",
    "reviews",
    "rights",
    "secrets_store",
    "sent_messages",
    "setbacks",
    "setting_names",
    "source_outages",
    "suspicions",
    "sync_run_resources",
    "sync_runs",
    "tasks",
    "verification_notes",
    "verifications",
    "walk_pages",
    "walks",
    "watermarks",
    "webhook_log",
]

guard_rows()
