"""What monitors and senders read: answers of the receiver, names of metrics, fields of log lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.processes import run_program
from tests.support.project.json_outline import outline
from tests.support.servers.receiver import event, renew, running_receiver, store_account

from hostaway_sync.observability import metric_catalog
from hostaway_sync.webhooks.server.outcomes import RequestOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.store.postgres.database import Database

    Build = Callable[..., SyncEnv]

METRICS = """\
hostaway_sync_database_up
hostaway_sync_accounts state
hostaway_sync_new_words kind
hostaway_sync_last_success_timestamp_seconds account
hostaway_sync_last_run_success account
hostaway_sync_alarms account kind
hostaway_sync_last_run_seconds account
hostaway_sync_runs_last_day state
hostaway_sync_rows_last_day resource change
hostaway_sync_queue_jobs kind state
hostaway_sync_queue_oldest_due_seconds kind
hostaway_sync_workers
hostaway_sync_waiting_deliveries
hostaway_sync_oldest_waiting_delivery_seconds
hostaway_sync_dead_letters kind
hostaway_sync_unknown_sends
hostaway_sync_drift_objects account
hostaway_sync_last_verified_timestamp_seconds account
hostaway_sync_calendar_due_listings account
hostaway_sync_calendar_oldest_mark_seconds account
hostaway_sync_calendar_unread_listings account
hostaway_sync_calendar_oldest_reading_seconds account
hostaway_sync_calendar_oldest_turn_seconds account
hostaway_sync_calendar_missing_days account
hostaway_sync_calendar_refused_listings account
hostaway_sync_other_resource_reading_periods account resource
hostaway_sync_other_resource_unread_lists account resource state
hostaway_sync_automation_waiting_events automation
hostaway_sync_automation_failing_seconds automation
hostaway_sync_automation_disabled automation
hostaway_sync_budget_used_requests
hostaway_sync_budget_limit_requests
hostaway_sync_api_requests_total method route status
hostaway_sync_api_request_seconds method route
hostaway_sync_api_wait_seconds_total
hostaway_sync_database_seconds operation
hostaway_sync_deliveries_total outcome
hostaway_sync_delivery_seconds
hostaway_sync_http_requests_total method route status
hostaway_sync_http_request_seconds method route
"""
OUTCOMES = [
    ("stored", 200),
    ("ignored", 200),
    ("probe", 200),
    ("refused", 401),
    ("too_large", 413),
    ("too_slow", 503),
    ("torn", 503),
    ("not_stored", 503),
]


def test_keys_of_what_the_receiver_answers(database: Database) -> None:
    """To deliveries, to a stranger, and to questions about its health."""
    store_account(database)
    credentials = renew(database)
    with running_receiver(database) as receiver:
        delivered = receiver.deliver(credentials, event())
        assert (delivered.status, delivered.document) == (200, {"ok": True, "outcome": "stored", "login": True})
        refused = receiver.post("/webhooks/hostaway/70001/wrong", event())
        assert (refused.status, refused.document) == (401, {"ok": False, "outcome": "refused", "login": False})
        assert outline(delivered.document) == outline(refused.document) == "ok outcome login"
        assert receiver.get("/health").document == {"ok": True}
        assert outline(receiver.get("/ready").document) == "ready database schema oldest_waiting_s"


def test_outcomes_of_deliveries() -> None:
    """Each with the status that it is answered with."""
    assert [(outcome.value, outcome.status) for outcome in RequestOutcome] == OUTCOMES


def test_names_and_labels_of_metrics() -> None:
    """Dashboards and alerts of others name them."""
    assert [" ".join([metric.name, *metric.labels]) for metric in metric_catalog.ALL] == METRICS.splitlines()


def test_fields_of_log_lines(sync_env: Build) -> None:
    """As a collector of logs reads them: of a run and of its requests."""
    env = sync_env()
    settings = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}
    said = run_program(env.environment(**settings), "sync", "70001").stderr.splitlines()
    request, *_, ending = [outline(line) for line in map(json.loads, said) if "webhooks" not in line["event"]]
    assert request == "event account_id run_id resource level timestamp"
    assert ending == "event account_id run_id state mode seen changed api_calls duration_s level timestamp"
