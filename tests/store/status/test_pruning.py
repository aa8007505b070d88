from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostaway_sync.cli.status.size import format_size
from hostaway_sync.errors import StoreError
from hostaway_sync.store import pruning
from hostaway_sync.store.pruning import Retention, count_prunable, prune_briefly, prune_tables
from hostaway_sync.store.status.size import read_size
from hostaway_sync.store.tables import metadata

if TYPE_CHECKING:
    from tests.support.db_roles import DbRoles

    from hostaway_sync.store.postgres.database import Database

KEEP = Retention(
    runs=timedelta(days=90),
    deliveries=timedelta(days=30),
    messages=timedelta(days=365),
    calendar=timedelta(days=365),
    changes=timedelta(days=400),
)
HISTORY = """
INSERT INTO accounts (account_id, client_secret) VALUES (1, ''), (2, '');
INSERT INTO sync_runs (account_id, state, mode, triggered_at, finished_at)
SELECT account, state, 'full', now() - age, now() - age
FROM (VALUES (1), (2)) AS a (account), (VALUES ('success'), ('failed')) AS s (state),
     (VALUES (interval '100 days'), (interval '95 days'), (interval '1 day')) AS o (age)
WHERE account = 1 OR age > interval '9 days';
INSERT INTO sync_run_resources (run_id, resource, account_id, state)
SELECT run_id, 'listings', account_id, state FROM sync_runs;
INSERT INTO sync_runs (account_id, state, mode, triggered_at) VALUES (1, 'running', 'full', now() - interval '1 year');
INSERT INTO walk_pages (run_id, account_id, resource, record_keys, changes, walk_id)
SELECT run_id, account_id, 'listings', '{}', '{}', gen_random_uuid() FROM sync_runs;
INSERT INTO verifications (account_id, verified_at, finished_at, is_equal, is_deep, api_calls, certificate)
SELECT 1, now() - age, now() - age, true, false, 1, '{}'
FROM (VALUES (interval '99 days'), (interval '98 days')) AS o (age);
INSERT INTO audit_log (account_id, changed_at, action, os_user, host)
VALUES (1, now() - interval '5 years', 'added', 'x', 'y');
"""
GOES = {"walk_pages": 8, "sync_run_resources": 6, "sync_runs": 6, "verifications": 1}
KEPT_FOR_NOW = """
INSERT INTO accounts (account_id, client_secret) VALUES (1, '');
INSERT INTO sent_messages (account_id, reservation_id, conversation_id, channel_type, body, body_hash, os_user, host,
                           state, sending_at, proof, settled_at, created_at)
SELECT 1, 1, 1, 'email', body, '', 'x', 'y', state, now() - age, CASE WHEN final THEN 'answer' END,
       CASE WHEN final THEN now() - age END, now() - age
FROM (VALUES ('new', 'sent', true, interval '300 days'), ('old', 'sent', true, interval '400 days'),
             ('old and failed', 'failed', true, interval '400 days'),
             ('old but pending', 'pending', false, interval '400 days'),
             ('old but unknown', 'outcome_unknown', false, interval '400 days')) AS m (body, state, final, age);
INSERT INTO request_budget (key, asked_at, not_before, lowered_until)
VALUES ('used', now(), NULL, NULL), ('idle', now() - interval '3 days', NULL, NULL), ('never', NULL, 'epoch', NULL),
       ('silent', now() - interval '3 days', now() + interval '1 minute', NULL),
       ('lowered', now() - interval '3 days', NULL, now() + interval '1 hour');
INSERT INTO listings (account_id, id, raw_payload, payload_hash, observed_at) VALUES (1, 7, '{}', '\\x07', now());
INSERT INTO quarantined_records (account_id, resource, record_id, reason, payload_hash, exact, last_seen_at)
SELECT 1, resource, id, reason, hash, '', now() - age
FROM (VALUES ('listings', 7, 'of a row', '\\x07'::bytea, interval '400 days'),
             ('listings', 7, 'of a row that changed', '\\x06', interval '400 days'),
             ('reservations', 7, 'of no row', '\\x07', interval '400 days'),
             ('reservations', NULL, 'seen lately', '\\x08', interval '5 days')) AS q (resource, id, reason, hash, age)
"""
# Of each of two accounts: pages of an old run, an old walk, and notes of the lease number 7.
IN_PROGRESS = """
INSERT INTO accounts (account_id, client_secret) VALUES (1, ''), (2, '');
INSERT INTO walks (account_id, resource, walk_id, began_at, position)
SELECT account_id, 'reservations', gen_random_uuid(), now() - interval '3 days', '' FROM accounts;
INSERT INTO walk_pages (run_id, account_id, resource, record_keys, changes, walk_id)
SELECT gen_random_uuid(), account_id, 'reservations', '{}', '{}', walk_id FROM walks;
INSERT INTO verification_notes
SELECT gen_random_uuid(), 0, account_id, 7, 'listings', '{}', '{}', '{}' FROM accounts
"""


def execute(database: Database, script: str) -> None:
    """Run statements on the tables."""
    with database.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL search_path TO hostaway"))
        for statement in script.split(";\n"):
            connection.execute(sa.text(statement))


@pytest.fixture
def old(database: Database) -> Database:
    """Return a database with a long history."""
    execute(database, HISTORY.strip())
    return database


# Why a table needs no pruning: it has one row of each of these.
BOUNDED = {
    **dict.fromkeys(("listings", "reservations", "conversations", "conversation_messages"), "object of the source"),
    **dict.fromkeys(("setbacks", "suspicions"), "object of the source, until a sweep judges it"),
    **dict.fromkeys(("accounts", "leases", "delivery_audits"), "account"),
    "watermarks": "account and resource",
    "alarms": "account, kind and resource",
    "automations": "automation that a person added",
    "api_keys": "API key that a person made",
    "api_key_pepper": "installation",
    "setting_names": "setting",
    "forgotten_guests": "reservation or conversation of a guest who was forgotten",
    "reader_bindings": "account and reader",
    "calendar_readings": "listing",
    **dict.fromkeys(("reviews", "tasks", "resources"), "object of the source"),
    "resource_readings": "list of the source",
    "reference_data": "code of the source",
    "reference_readings": "kind of reference data",
    **dict.fromkeys(
        ("automation_cursor", "change_clock", "database_identity", "redactions", "secrets_store"), "database"
    ),
    "source_outages": "address that the API is asked from and at",
    "audit_log": "change of an account that a person made; goes by a word of its own",
}


def test_no_table_grows_for_ever(database: Database) -> None:
    """Each is pruned, or has a reason to stay small."""
    pruned = {*count_prunable(database, replace(KEEP, audit=timedelta(days=1)))}
    assert pruned - {"audit_log"} | BOUNDED.keys() == {table.name for table in metadata.sorted_tables}
    assert not (pruned - {"audit_log"}) & BOUNDED.keys()


def test_only_old_settled_rows_are_deleted(database: Database) -> None:
    """Of the ledger, of the request budget, and of quarantine."""
    execute(database, KEPT_FOR_NOW)
    gone = {name: number for name, number in prune_tables(database, KEEP).items() if number}
    assert gone == {"sent_messages": 2, "request_budget": 2, "quarantined_records": 2}
    with database.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL search_path TO hostaway"))
        bodies = connection.scalars(sa.text("SELECT body FROM sent_messages ORDER BY body")).all()
        keys = connection.scalars(sa.text("SELECT key FROM request_budget ORDER BY key")).all()
        kept = connection.scalars(sa.text("SELECT reason FROM quarantined_records ORDER BY reason")).all()
    assert bodies == ["new", "old but pending", "old but unknown"]
    assert keys == ["lowered", "silent", "used"]
    assert kept == ["of a row", "seen lately"]


def test_days_long_past_are_deleted(database: Database) -> None:
    """Days of calendars, by the date; and marks of days that are not read any more."""
    execute(
        database,
        "INSERT INTO accounts (account_id, client_secret) VALUES (1, '');\n"
        "INSERT INTO calendar_days (account_id, listing_id, date, observed_at, payload_hash, raw_payload)"
        " SELECT 1, 7, current_date - age, now(), '', '{}' FROM unnest(ARRAY[-9, 0, 9, 364, 366, 400]) AS age;\n"
        "INSERT INTO calendar_due (account_id, listing_id, first_day, last_day, due_at, reason)"
        " SELECT 1, age, current_date - 9, current_date - age, now(), '' FROM unnest(ARRAY[-9, 0, 1, 2]) AS age",
    )
    gone = {name: number for name, number in prune_tables(database, KEEP).items() if number}
    assert gone == {"calendar_days": 2, "calendar_due": 1}


def test_old_changes_are_deleted_in_batches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time when they were written, however many one statement deletes."""
    monkeypatch.setattr(pruning, "BATCH", 10)
    execute(
        database,
        "INSERT INTO accounts (account_id, client_secret) VALUES (1, '');\n"
        "INSERT INTO changes (account_id, resource, record_id, change, changed_at, position)"
        " SELECT 1, 'listings', age::text, 'missing', now() - age * interval '10 days', 1"
        " FROM generate_series(0, 64) AS age",
    )
    assert count_prunable(database, KEEP)["changes"] == 25
    assert prune_tables(database, KEEP)["changes"] == 25
    assert rows(database, "changes") == 40


def test_what_consumers_were_told_is_deleted_when_it_is_old(database: Database) -> None:
    """What waits for another try stays, and what waits for a person with its dead letter."""
    execute(
        database,
        "INSERT INTO accounts (account_id, client_secret) VALUES (1, '');\n"
        "INSERT INTO automation_deliveries (automation_id, change_id, account_id, event, resource, record_id, state,"
        " settled_at, created_at) SELECT 7, number, 1, 'task.created', 'tasks', '1', state,"
        " CASE WHEN state <> 'waiting' THEN now() - age END, now() - age FROM (VALUES"
        " (1, 'delivered', interval '31 days'), (2, 'delivered', interval '9 days'),"
        " (3, 'waiting', interval '9 years'), (4, 'dead', interval '31 days'), (5, 'dead', interval '31 days'))"
        " AS told (number, state, age);\n"
        "INSERT INTO dead_letters (attempt_id, kind, account_id, job, deliveries, error, history)"
        " VALUES (gen_random_uuid(), 'automation', 1, 'deliver:7:4', 0, '', '[]')",
    )
    assert prune_tables(database, KEEP)["automation_deliveries"] == 2
    with database.engine.begin() as connection:
        left = connection.exec_driver_sql("SELECT change_id FROM hostaway.automation_deliveries ORDER BY 1").scalars()
        assert list(left) == [2, 3, 4]


def rows(database: Database, table: str) -> int:
    """Count the rows of a table."""
    with database.engine.begin() as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM hostaway.{table}")).scalar_one())


def test_newest_runs_of_each_kind_and_open_ones_stay(old: Database) -> None:
    """Old runs are deleted with their parts, except for the last success, the last failure, and open ones."""
    told = count_prunable(old, KEEP)
    done = prune_tables(old, KEEP)
    assert {name: number for name, number in told.items() if number} == GOES
    assert {name: number for name, number in done.items() if number} == GOES
    assert (rows(old, "sync_runs"), rows(old, "sync_run_resources"), rows(old, "verifications")) == (5, 4, 1)
    assert not any(prune_tables(old, KEEP).values())


def test_audit_log_is_pruned_only_with_its_own_option(old: Database) -> None:
    """Account changes stay otherwise."""
    assert "audit_log" not in prune_tables(old, KEEP)
    assert prune_tables(old, replace(KEEP, audit=timedelta(days=365)))["audit_log"] == 1


def test_brief_pruning_skips_locked_rows(old: Database) -> None:
    """After a run the same rows are deleted, and a lock of another session is no failure."""
    with old.engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE hostaway.walk_pages"))
        assert prune_briefly(old, KEEP, seconds=lambda: 0.0) == 0
    assert prune_briefly(old, KEEP, seconds=lambda: 0.0) == sum(GOES.values())


def test_brief_pruning_stops_after_its_time(old: Database) -> None:
    """After a tenth of a second it begins no other table."""
    assert prune_briefly(old, KEEP, seconds=partial(next, itertools.count(step=0.06))) == GOES["walk_pages"]


def test_rows_in_use_by_a_living_owner_stay(database: Database) -> None:
    """Pages, walks and notes of an account under a lease; without a lease a dead process left them."""
    execute(database, IN_PROGRESS)
    execute(database, "INSERT INTO leases VALUES (1, 'a', 7, now() + interval '1 minute'), (2, 'b', 7, now())")
    left = {"walk_pages": 1, "walks": 1, "verification_notes": 1}
    assert {name: number for name, number in count_prunable(database, KEEP).items() if number} == left
    assert {name: number for name, number in prune_tables(database, KEEP).items() if number} == left
    for table in left:
        assert rows(database, f"{table} WHERE account_id = 1") == 1
    execute(database, "UPDATE leases SET owner = NULL WHERE account_id = 1")
    assert {name: number for name, number in prune_tables(database, KEEP).items() if number} == left


def test_notes_of_an_earlier_lease_owner_are_deleted(database: Database) -> None:
    """The lease is held, but by another owner than that of the notes."""
    execute(database, IN_PROGRESS)
    execute(database, "INSERT INTO leases VALUES (1, 'a', 8, now() + interval '1 minute')")
    assert prune_tables(database, KEEP)["verification_notes"] == 2


RUNS = st.lists(
    st.tuples(
        st.sampled_from([1, 2]),
        st.sampled_from(["success", "failed", "running", "abandoned"]),
        st.sampled_from(["full", "incremental"]),
        st.sampled_from([0, 1, 3, 50, 95, 100]),
        st.booleans(),
    ),
    max_size=12,
    unique_by=lambda run: (run[0], run[1] == "running" or (run[1:4])),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    runs=RUNS, proofs=st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 120))), days=st.integers(1, 99)
)
def test_dry_run_counts_the_rows_of_a_real_run(
    database: Database, runs: list[Any], proofs: list[Any], days: int
) -> None:
    """With any history: table by table the same numbers, and each row under its own table."""
    execute(
        database, "TRUNCATE accounts CASCADE;\nINSERT INTO accounts (account_id, client_secret) VALUES (1,''), (2,'')"
    )
    for account, state, mode, age, has_pages in runs:
        over = "NULL" if state == "running" else f"now() - interval '{age} days'"
        execute(
            database,
            "WITH run AS (INSERT INTO sync_runs (account_id, state, mode, triggered_at, finished_at) VALUES"
            f" ({account}, '{state}', '{mode}', now() - interval '{age} days', {over}) RETURNING run_id, account_id),"
            " part AS (INSERT INTO sync_run_resources (run_id, resource, account_id, state)"
            "  SELECT run_id, 'listings', account_id, 'success' FROM run)"
            " INSERT INTO walk_pages (run_id, account_id, resource, record_keys, changes, walk_id)"
            f" SELECT run_id, account_id, 'listings', '{{}}', '{{}}', gen_random_uuid() FROM run WHERE {has_pages}",
        )
    for is_equal, is_deep, age in proofs:
        at = f"now() - interval '{age} days'"
        columns = "account_id, verified_at, finished_at, is_equal, is_deep, api_calls, certificate"
        values = f"1, {at}, {at}, {is_equal}, {is_deep}, 1, '{{}}'"
        execute(database, f"INSERT INTO verifications ({columns}) VALUES ({values})")
    keep = replace(KEEP, runs=timedelta(days=days))
    before = {name: rows(database, name) for name in count_prunable(database, keep)}
    told, done = count_prunable(database, keep), prune_tables(database, keep)
    assert told == done
    assert {name: number - rows(database, name) for name, number in before.items()} == done


def test_size_names_every_table(old: Database) -> None:
    """The largest table comes first, and the sums are at least their parts."""
    found = read_size(old)
    totals = [table.total for table in found.tables]
    assert totals == sorted(totals, reverse=True)
    assert {"accounts", "reservations", "procrastinate_jobs"} <= {table.name for table in found.tables}
    assert all(table.total >= table.heap + table.indexes + table.toast for table in found.tables)
    assert found.database > sum(totals)


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 kB"), (3 * 1024**3, "3.0 GB"), (1024**5, "1024.0 TB")],
)
def test_bytes_are_shown_in_their_largest_unit(number: int, words: str) -> None:
    """As people write sizes."""
    assert format_size(number) == words


def test_rows_of_a_new_table_are_counted(old: Database) -> None:
    """The server has no statistics of it yet."""
    with old.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("SELECT pg_stat_force_next_flush()"))
    assert next(table.rows for table in read_size(old).tables if table.name == "sync_runs") > 0


def test_writer_may_not_prune_the_audit_log(db_roles: DbRoles) -> None:
    """It prunes all other tables; the refusal is one sentence, before anything is deleted."""
    audit = replace(KEEP, audit=timedelta(days=30))
    with db_roles.as_role(db_roles.create_login("clerk", db_roles.groups.writer)) as writer:
        assert set(prune_tables(writer, KEEP).values()) == {0}
        with pytest.raises(StoreError, match="only the owner of the tables may delete from the audit log"):
            prune_tables(writer, audit)
    assert prune_tables(db_roles.database, audit)["audit_log"] == 0
