"""Automations in tests: changes as the triggers write them, an automation on a consumer, and a worker that drains."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from tests.support import sql

from hostaway_sync.environment.origins import read_origin
from hostaway_sync.queue.fetch_loop import WorkerTimings
from hostaway_sync.store.automations.states import AutomationRequest
from hostaway_sync.store.postgres.database import note_changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.servers.consumer import Consumer, Heard
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.store.postgres.database import Database

BRIEF = WorkerTimings(poll_s=0.05, heartbeat_s=0.5, silent_s=5.0, rescue_s=0.2, maintenance_s=60.0)
_WRITE = """
INSERT INTO hostaway.changes (account_id, resource, record_id, change, keys, before, after, cause, position)
SELECT account_id, resource, record_id, change, keys, before, after, 'sync', pg_current_xact_id()::text::bigint
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row (account_id bigint, resource text, record_id text, change text,
    keys text[], before jsonb, after jsonb, number int)
ORDER BY number RETURNING change_id
"""


def write_changes(database: Database, *rows: Mapping[str, Any]) -> list[int]:
    """Write changes in one transaction, of reservation 1 unless a row says otherwise; return their numbers."""
    usual = {"account_id": 70001, "resource": "reservations", "record_id": "1", "change": "updated"}
    whole = [
        usual | {"keys": None, "before": None, "after": None, "number": n} | dict(row) for n, row in enumerate(rows)
    ]
    statement = sa.text(_WRITE.replace("::", r"\:\:"))

    def write(connection: sa.Connection) -> list[int]:
        note_changes(connection)
        return list(connection.scalars(statement, {"rows": json.dumps(whole)}))

    return database.transaction(write)


def add_automation(mirror: Mirror, name: str, url: str | None = None, **more: Any) -> str | None:
    """Add an automation on all events, unless `more` says otherwise; return its secret."""
    added = mirror.automations.add(AutomationRequest(name, **{"events": ("*",), "url": url, **more}))
    return added.secret.get_secret_value() if added.secret else None


def drain(mirror: Mirror, *, within: float = 20.0) -> bool:
    """Tell consumers of all that is due."""
    return mirror.automations.drain(within=timedelta(seconds=within), timings=BRIEF)


def let_time_pass(database: Database) -> None:
    """Make all that waits for another try due now."""
    for statement in (
        "UPDATE hostaway.automation_deliveries SET not_before_at = now() WHERE not_before_at > now()",
        "UPDATE hostaway.automations SET not_before_at = now() WHERE not_before_at > now()",
        "UPDATE hostaway.procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'",
    ):
        sql.execute(database, statement)


def open_mirror(env: SyncEnv, *consumers: Consumer) -> Mirror:
    """Open a mirror for which these consumers need not be public."""
    return env.mirror(automation_hosts=frozenset(read_origin(one.url) for one in consumers))


def event_number(heard: Heard) -> str:
    """Return the id of an event up to the number of its change, without the moment behind it."""
    return heard.headers["webhook-id"].rpartition("_")[0]


def ids(consumer: Consumer) -> list[str]:
    """Return the ids of the events that a consumer heard, in their order."""
    return [event_number(one) for one in consumer.heard]
