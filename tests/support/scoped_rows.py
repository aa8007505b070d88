"""Rows of several accounts in every table and view that a caller of the API may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support import sql

from hostaway_sync.app.resources import list_view_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.store.postgres.database import Database

_SCRIPT: Final = """
INSERT INTO accounts (account_id, name, client_secret) VALUES (?, 'account ?', '');
INSERT INTO listings (account_id, id, observed_at, payload_hash, raw_payload)
VALUES (?, 5, now(), '', '{"listingUnits": [{"id": 3, "name": "of ?"}], "insertedOn": "2024-01-01 00:00:00"}');
INSERT INTO reservations (account_id, id, listing_id, status, arrival_date, departure_date, observed_at, payload_hash,
                          raw_payload)
VALUES (?, 7, 5, 'inquiry', NULL, NULL, now(), '', '{"guestName": "guest of ?"}'),
       (?, 8, 5, 'new', current_date, current_date + 2, now(), '', '{"guestName": "guest of ?"}');
INSERT INTO conversations (account_id, id, listing_id, reservation_id, observed_at, payload_hash, raw_payload)
VALUES (?, 8, 5, 7, now(), '', '{}');
INSERT INTO conversation_messages (account_id, id, conversation_id, reservation_id, is_incoming, status, sent_at,
                                   observed_at, payload_hash, raw_payload)
VALUES (?, 9, 8, 7, true, 'sent', now(), now(), '', '{"body": "message of ?"}');
INSERT INTO calendar_days (account_id, listing_id, date, is_available, status, observed_at, payload_hash, raw_payload)
VALUES (?, 5, current_date, true, 'available', now(), '', '{}');
INSERT INTO calendar_readings (account_id, listing_id) VALUES (?, 5);
INSERT INTO reviews (account_id, id, observed_at, payload_hash, raw_payload) VALUES (?, 1, now(), '', '{}');
INSERT INTO tasks (account_id, id, observed_at, payload_hash, raw_payload) VALUES (?, 1, now(), '', '{}');
INSERT INTO resource_readings (account_id, kind) VALUES (?, 'coupons');
INSERT INTO changes (account_id, resource, record_id, change, position) VALUES (?, 'listings', '5', 'inserted', 1);
INSERT INTO sync_runs (account_id, mode, state) VALUES (?, 'full', 'triggered');
INSERT INTO sync_run_resources (run_id, resource, account_id, state)
SELECT run_id, 'listings', account_id, 'success' FROM sync_runs WHERE account_id = ?;
INSERT INTO sent_messages (account_id, reservation_id, conversation_id, channel_type, body, body_hash, os_user, host)
VALUES (?, 7, 8, 'email', '', '', '', '');
INSERT INTO webhook_log (id, platform, account_id, event, body, headers, received_by)
VALUES (gen_random_uuid(), 'hostaway', ?, '', '', '{}', '');
INSERT INTO dead_letters (attempt_id, kind, account_id, job, deliveries, error, history)
VALUES (gen_random_uuid(), 'sync', ?, 'sync:?', 0, '', '[]');
INSERT INTO calendar_writes (account_id, listing_id, first_day, last_day, new_values, old_values, owner, os_user, host)
VALUES (?, 5, current_date, current_date, '{}', '[]', '', '', '');
INSERT INTO verifications (account_id, verified_at, is_equal, is_deep, api_calls, certificate)
VALUES (?, now(), true, true, 1, '{}');
INSERT INTO watermarks (account_id, resource) VALUES (?, 'listings')
"""
_OF_A_KIND: Final = (
    "INSERT INTO resources (account_id, kind, source_id, observed_at, payload_hash, raw_payload)"
    " SELECT :account, kind, '1', now(), '', '{}' FROM unnest(CAST(:kinds AS text[])) AS kind"
)


def fill_relations(database: Database, account_ids: Iterable[int]) -> None:
    """Store accounts, each with at least one row in every table and view that names accounts."""
    for account_id in account_ids:
        for statement in _SCRIPT.split(";\n"):
            sql.execute(database, statement.replace(":", r"\:").replace("?", str(account_id)))
        sql.execute(database, _OF_A_KIND, account=account_id, kinds=list_view_names())
