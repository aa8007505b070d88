"""Rows of two accounts for tests of what callers of the API may read; ids of objects are the same in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.support import sql

from hostaway_sync.app.data.rows import Rows
from hostaway_sync.app.resources import VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.model.callers import Access
    from hostaway_sync.model.rows.lists import RowFilters, RowList
    from hostaway_sync.store.callers.scoped_reads import ScopedReads
    from hostaway_sync.store.postgres.database import Database

# `{n}` is the account, and every text of its rows has `of-{n}` in it.
_ACCOUNT: Final = """
INSERT INTO accounts (account_id, name, client_secret) VALUES ({n}, 'account of-{n}', '');
INSERT INTO listings (account_id, id, observed_at, payload_hash, raw_payload)
VALUES ({n}, 5, now(), '', '{{"name": "house of-{n}", "currencyCode": "EUR"}}');
INSERT INTO reservations (account_id, id, listing_id, channel_id, status, arrival_date, departure_date, observed_at,
                          payload_hash, raw_payload)
SELECT {n}, id, 5, 2018, 'new', date '2026-05-01' + id::int, date '2026-05-03' + id::int, now(), '',
       '{{"guestName": "guest of-{n}", "totalPrice": 100.10}}'
FROM unnest(ARRAY[7, 8, {n}0001]) AS id;
INSERT INTO conversations (account_id, id, listing_id, reservation_id, observed_at, payload_hash, raw_payload)
VALUES ({n}, 6, 5, 7, now(), '', '{{}}');
INSERT INTO conversation_messages (account_id, id, conversation_id, reservation_id, is_incoming, status, sent_at,
                                   observed_at, payload_hash, raw_payload)
SELECT {n}, id, 6, CASE WHEN id = 9 THEN 7 END, true, 'sent', now(), now(), '', '{{"body": "message of-{n}"}}'
FROM unnest(ARRAY[9, 10]) AS id;
INSERT INTO calendar_days (account_id, listing_id, date, is_available, status, note, observed_at, payload_hash,
                           raw_payload)
SELECT {n}, 5, day, true, 'available', 'of-{n}', now(), '', '{{}}'
FROM generate_series(date '2026-05-01', date '2026-05-04', interval '1 day') AS day;
INSERT INTO sync_runs (run_id, account_id, mode, state, triggered_at, finished_at, error)
SELECT ('00000000-0000-4000-8000-00000000000' || run)::uuid, {n}, 'full', 'failed',
       timestamptz '2026-05-01 12:00Z' + make_interval(hours => run), now(), 'failed of-{n}'
FROM generate_series({n}, {n} + 2, 2) AS run;
INSERT INTO sync_run_resources (run_id, resource, account_id, state, seen, inserted)
SELECT run_id, 'listings', account_id, 'success', 3, 3 FROM sync_runs WHERE account_id = {n};
INSERT INTO sent_messages (account_id, reservation_id, conversation_id, channel_type, body, body_hash, state,
                           os_user, host)
VALUES ({n}, 7, 6, 'email', 'sent of-{n}', '', 'pending', 'somebody', 'here');
INSERT INTO changes (account_id, resource, record_id, change, position, after)
VALUES ({n}, 'reservations', '7', 'updated', 1, '{{"guestName": "changed of-{n}"}}')
"""


_DEAD_LETTER: Final = """
INSERT INTO dead_letters (attempt_id, kind, account_id, job, deliveries, error, history)
VALUES (gen_random_uuid(), 'sync', {n}, 'sync\\:{n}', 0, 'dead of-{n}', '[]')
"""


def add_dead_letters(database: Database, *accounts: int) -> None:
    """Store a dead letter of each account."""
    for number in accounts:
        sql.execute(database, _DEAD_LETTER.format(n=number))


def fill_accounts(database: Database, *accounts: int) -> None:
    """Store accounts below 10, each with rows in everything that a caller can read."""
    for number in accounts:
        for statement in _ACCOUNT.format(n=number).split(";\n"):
            sql.execute(database, statement.replace(":", r"\:"))


def open_rows(reads: ScopedReads) -> Rows:
    """Return the rows that callers read in these transactions."""
    return Rows(reads, "core", VOCABULARY)


def walk(rows: Rows, access: Access, wanted: RowList, filters: RowFilters, limit: int) -> Iterator[dict[str, Any]]:
    """Yield all rows of a list, page by page; no page but the last is short."""
    after = None
    while True:
        page = rows.list_rows(access, wanted, filters, after=after, limit=limit)
        yield from map(dict, page.items)
        if page.next is None:
            return
        assert len(page.items) == limit
        assert page.next != after
        after = page.next
