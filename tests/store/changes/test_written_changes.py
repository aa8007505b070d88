from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.record_changes import end_baseline, history, outline, replay, store
from tests.support.records import OWNER, add_account, at, page, record

from hostaway_sync.errors import StoreUnavailable
from hostaway_sync.model.history.causes import Cause, CauseKind
from hostaway_sync.model.kinds.kind import Kind, KindPage, KindRecord
from hostaway_sync.model.records import Resource, Shape
from hostaway_sync.store.accounts.owner import lock_owner
from hostaway_sync.store.kinds import rows as kind_rows
from hostaway_sync.store.records import missing
from hostaway_sync.store.records.upsert import write_page

if TYPE_CHECKING:
    from tests.support.db_roles import DbRoles

    from hostaway_sync.store.postgres.database import Database

LISTINGS = Shape(Resource.LISTINGS, volatile=("seenBy", "agentCount"))
MESSAGES = Shape(Resource.MESSAGES, volatile=("read",), signed=("attachments",), is_ordered_by_stamp=False)
RESERVATIONS = Shape(Resource.RESERVATIONS)
SHAPES = (LISTINGS, MESSAGES, RESERVATIONS)
SYNC = Cause(CauseKind.SYNC, "run 7")


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store the account that owns every row of this module."""
    add_account(database)


def link(signature: str, name: str = "a") -> list[dict[str, str]]:
    """Return attachments with one signed URL."""
    return [{"url": f"https://files.example/{name}.jpg?signature={signature}"}]


def test_first_reading_is_no_news_and_later_rows_are(database: Database) -> None:
    """Before a list was read whole once, its rows are the beginning; what happens to them is written from then on."""
    for shape in SHAPES:
        store(database, page(record(1, {"a": 1}), shape=shape))
    assert history(database) == []
    store(database, page(record(1, {"a": 2}), asked=1, shape=LISTINGS))
    assert outline(database) == [("1", "updated", {"a": 1}, {"a": 2})]
    end_baseline(database, "listings", "messages")
    for shape in SHAPES:
        store(database, page(record(2, {"a": 1, "read": True, "seenBy": 3}), asked=2, shape=shape), SYNC)
    new = [(one.resource, one.record_id, one.change, one.keys, one.after) for one in history(database)[1:]]
    assert new == [
        ("listings", "2", "inserted", None, {"a": 1, "read": True}),
        ("messages", "2", "inserted", None, {"a": 1, "seenBy": 3}),
    ]
    assert {(one.cause, one.cause_id) for one in history(database)} == {(None, None), ("sync", "run 7")}


# What a record was, what it is now, and the keys that its change names; None: nothing happened.
DIFFERENCES: tuple[tuple[Shape, dict[str, Any], dict[str, Any], set[str] | None], ...] = (
    (RESERVATIONS, {"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b"}),
    (RESERVATIONS, {"a": 1, "b": 2}, {"b": 2}, {"a"}),
    (RESERVATIONS, {"a": 1}, {"a": 1, "bb": None}, {"bb"}),
    (RESERVATIONS, {"a": 1, "b": {"x": [1]}}, {"aa": 1, "b": {"x": [2]}}, {"a", "aa", "b"}),
    (RESERVATIONS, {"a": 1, "b": 2}, {"b": 2.0, "a": 1}, None),
    (RESERVATIONS, {}, {"a": ""}, {"a"}),
    (RESERVATIONS, {"a": None}, {}, {"a"}),
    (RESERVATIONS, {"a": "Zoë 🦉"}, {"a": "Zoë"}, {"a"}),
    (LISTINGS, {"a": 1, "seenBy": 1}, {"a": 1, "seenBy": 2}, None),
    (LISTINGS, {"a": 1, "seenBy": 1}, {"a": 2, "agentCount": 2}, {"a"}),
    (LISTINGS, {"a": 1, "seenBy": 1, "agentCount": 2}, {"a": 2, "seenBy": 1, "agentCount": 3}, {"a"}),
    (MESSAGES, {"a": 1, "attachments": link("x")}, {"a": 1, "attachments": link("y")}, None),
    (MESSAGES, {"a": 1, "attachments": link("x")}, {"a": 2, "attachments": link("y")}, {"a"}),
    (MESSAGES, {"attachments": link("x")}, {"attachments": link("x", "b"), "read": 1}, {"attachments"}),
    (MESSAGES, {"a": 1}, {"a": 1, "attachments": link("x")}, {"attachments"}),
)


def test_change_names_exactly_the_keys_that_differ(database: Database) -> None:
    """Whatever a page holds at once: with their values before and after, and no query of a signed URL."""
    for shape in SHAPES:
        mine = [(number, one) for number, one in enumerate(DIFFERENCES, 1) if one[0] is shape]
        store(database, page(*(record(number, one[1]) for number, one in mine), shape=shape))
        store(database, page(*(record(number, one[2]) for number, one in mine), asked=1, shape=shape), SYNC)
    found = {int(one.record_id): one for one in history(database)}
    assert {number: set(one.keys) for number, one in found.items()} == {
        number: keys for number, (*_, keys) in enumerate(DIFFERENCES, 1) if keys is not None
    }
    for number, (_, before, after, keys) in enumerate(DIFFERENCES, 1):
        if keys is not None and "attachments" not in keys:
            assert (found[number].before or {}) == {key: before[key] for key in keys if key in before}
            assert (found[number].after or {}) == {key: after[key] for key in keys if key in after}
    assert not [one for one in found.values() if "signature" in f"{one.before} {one.after}"]
    assert {(one.cause, one.cause_id) for one in found.values()} == {("sync", "run 7")}


def test_row_that_is_gone_and_returns_is_told(database: Database) -> None:
    """It is missing without values; back, with what differs; a mark that other work sets is no change."""
    store(database, page(record(1, {"a": 1}), record(2, {"a": 1}), shape=RESERVATIONS))
    for number in (1, 2):
        database.transaction(partial(missing.mark_missing, account_id=1, resource=Resource.RESERVATIONS, row_id=number))
    sql.execute(database, "UPDATE reservations SET missing_since = now() - interval '1 day', thread_due_at = now()")
    later = page(record(1, {"a": 1}), record(2, {"a": 2}), shape=RESERVATIONS)
    store(database, replace(later, observed_at=sql.row(database, "SELECT now() + interval '1 second' AS later").later))
    sql.execute(database, "UPDATE reservations SET thread_due_at = NULL, unlisted_since = now()")
    assert outline(database) == [
        ("1", "missing", None, None),
        ("2", "missing", None, None),
        ("1", "returned", None, None),
        ("2", "returned", {"a": 1}, {"a": 2}),
    ]


def test_damaged_payload_is_told_as_if_it_had_no_keys(database: Database) -> None:
    """A payload that is no object must not stop the write that repairs it."""
    store(database, page(record(1, {"a": 1}), shape=RESERVATIONS))
    for text in ("[1]", '"a"', "1"):
        sql.execute(database, f"UPDATE reservations SET raw_payload = '{text}', payload_hash = '{text}'")
    sql.execute(database, "UPDATE reservations SET raw_payload = '{\"a\": 3}', payload_hash = ''")
    assert outline(database) == [("1", "updated", {"a": 1}, None), ("1", "updated", None, {"a": 3})]


def store_coupon(database: Database, payload: dict[str, Any], minute: int) -> None:
    """Write an object of a kind whose `uses` describes nothing."""
    kind = Kind("coupons", volatile=("uses",))

    def work(connection: sa.Connection) -> None:
        owner = lock_owner(connection, 1, kind.name, is_listed=True, shape=kind)
        one = KindRecord("7", json.dumps(payload), json.dumps(payload).encode())
        kind_rows.store_page(connection, owner, kind_rows.rows_of(1, kind, None), KindPage([one], at(minute)))

    database.transaction(work)


def test_other_kinds_begin_with_their_first_whole_reading(database: Database) -> None:
    """As the lists of the mirror do; keys that describe none of their objects make no change."""
    store_coupon(database, {"name": "A", "uses": 1}, 0)
    assert history(database) == []
    sql.execute(database, "INSERT INTO resource_readings (account_id, kind, whole_at) VALUES (1, 'coupons', now())")
    store_coupon(database, {"name": "A", "uses": 2}, 1)
    store_coupon(database, {"name": "B", "uses": 3}, 2)
    sql.execute(database, "UPDATE resources SET missing_since = now()")
    sql.execute(database, "DELETE FROM resources")
    store_coupon(database, {"name": "C", "uses": 4}, 3)
    assert [(one.resource, one.record_id) for one in history(database)] == [("coupons", "7")] * 3
    assert [(change, before, after) for _, change, before, after in outline(database)] == [
        ("updated", {"name": "A"}, {"name": "B"}),
        ("missing", None, None),
        ("inserted", None, {"name": "C"}),
    ]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.text('aé\\"{', max_size=3),
    st.lists(st.integers(0, 1), max_size=2),
    st.dictionaries(st.sampled_from("xy"), st.integers(0, 1), max_size=2),
)
PAYLOADS = st.dictionaries(st.sampled_from(["a", "b", "cc", "dd", "eee", "seenBy"]), VALUES, max_size=6)
STEPS = st.lists(st.one_of(st.dictionaries(st.integers(1, 3), PAYLOADS, min_size=1), st.integers(1, 3)), max_size=8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS, has_begun=st.booleans())
def test_replayed_changes_give_the_stored_payload(database: Database, steps: list[Any], has_begun: bool) -> None:  # noqa: FBT001
    """From the first state of each record on: pages and rows marked as missing, before a baseline or after it."""
    for table in ("changes", "listings", "watermarks"):
        sql.execute(database, f"DELETE FROM {table}")
    if has_begun:
        end_baseline(database, "listings")
    first: dict[int, dict[str, Any]] = {}
    for number, step in enumerate(steps):
        if isinstance(step, int):
            sql.execute(database, "UPDATE listings SET missing_since = now() WHERE id = :id", id=step)
            continue
        store(database, page(*(record(one, payload) for one, payload in step.items()), asked=number, shape=LISTINGS))
        if not has_begun:
            first = {**{one: _comparable(payload) for one, payload in step.items()}, **first}
    found = history(database)
    stored = sql.rows(database, "SELECT id, raw_payload FROM listings")
    replayed = {
        one: replay([change for change in found if change.record_id == str(one)], first.get(one)) for one, _ in stored
    }
    assert replayed == {one: _comparable(payload) for one, payload in stored}


def _comparable(payload: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key not in LISTINGS.volatile}


def test_before_is_what_the_writer_before_has_left(database: Database) -> None:
    """A sync and webhooks that change the same rows at once: each change begins where the last one ended."""
    end_baseline(database, "reservations")
    barrier = threading.Barrier(4)

    def work(writer: int) -> None:
        barrier.wait()
        for turn in range(12):
            kind = CauseKind.SYNC if writer == 0 else CauseKind.WEBHOOK
            payload = {"writer": writer, "turn": turn, f"of{writer}": turn}
            rows = (record(number, payload) for number in (1, 2))
            store(database, page(*rows, asked=turn * 4 + 3 - writer, shape=RESERVATIONS), Cause(kind, str(writer)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    found = history(database)
    assert len(found) > 4
    for number, payload in sql.rows(database, "SELECT id::text, raw_payload FROM reservations"):
        mine = [one for one in found if one.record_id == number]
        assert replay(mine) == payload
        assert "sync" in {one.cause for one in mine} <= {"sync", "webhook"}
        assert all((one.after or one.before)["writer"] == int(one.cause_id) for one in mine if "writer" in one.after)


def test_killed_session_leaves_no_history_of_its_rows(database: Database) -> None:
    """The change and its history are one transaction."""
    end_baseline(database, "listings")

    def work(connection: sa.Connection) -> None:
        write_page(connection, OWNER, page(record(1, {"a": 1})))
        assert connection.scalar(sa.text("SELECT count(*) FROM hostaway.changes")) == 1
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        sql.execute(database, "SELECT pg_terminate_backend(:pid)", pid=pid)
        connection.execute(sa.text("SELECT 1"))

    with pytest.raises(StoreUnavailable):
        database.attempt(work)
    assert (sql.rows(database, "SELECT id FROM listings"), history(database)) == ([], [])


def test_listener_is_told_once_a_transaction(database: Database) -> None:
    """However many rows changed; and not at all where nothing did."""
    end_baseline(database, "listings")
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute("LISTEN hostaway_sync_changes")
        store(database, page(record(1, {"a": 1}), record(2, {"a": 1})))
        store(database, page(record(1, {"a": 1}), asked=1))
        store(database, page(record(1, {"a": 2}), record(3, {"a": 2}), asked=2))
        assert len(list(listener.notifies(timeout=0.2))) == 2


def test_position_is_the_transaction_and_its_offset(database: Database) -> None:
    """All changes of one transaction share it; the offset counts from the next one on."""
    end_baseline(database, "listings")
    store(database, page(record(1, {}), record(2, {})))
    sql.execute(database, "INSERT INTO change_clock VALUES (1, 1000000000000)")
    store(database, page(record(3, {}), asked=1))
    first, second, third = (one.position for one in history(database))
    assert first == second < 10**12 < third
    now = sql.row(database, "SELECT pg_current_xact_id()::text::bigint AS id").id
    assert third - 10**12 < now


def test_reader_sees_the_history_of_its_accounts(database: Database, db_roles: DbRoles) -> None:
    """As a plain log-in: none of others, and it cannot write."""
    add_account(database, 2)
    end_baseline(database, "listings")
    store(database, page(record(1, {"a": 1})))
    sql.execute(
        database,
        "INSERT INTO changes (account_id, resource, record_id, change, position) VALUES (2, 'listings', '1', 'x', 1)",
    )
    reader = db_roles.create_login("one")
    db_roles.roles.bind(reader, [1], [])
    analyst = db_roles.create_login("all", db_roles.groups.analyst)
    ask = "SELECT account_id, (SELECT count(*) FROM change_clock) FROM changes ORDER BY 1"
    assert db_roles.rows(reader, ask) == [(1, 0)]
    assert db_roles.rows(analyst, ask) == [(1, 0), (2, 0)]
    for statement in (
        "DELETE FROM changes",
        "UPDATE changes SET keys = NULL",
        "INSERT INTO change_clock VALUES (1, 1)",
    ):
        with pytest.raises(Exception, match="permission denied"):
            db_roles.rows(reader, statement)


def test_writer_without_further_rights_writes_history(database: Database, db_roles: DbRoles) -> None:
    """The triggers run with the rights of the group that writes rows."""
    end_baseline(database, "listings")
    with db_roles.as_role(db_roles.create_login("works", db_roles.groups.writer)) as writer:
        store(writer, page(record(1, {"a": 1})))
        store(writer, page(record(1, {"a": 2}), asked=1))
    assert [one.change for one in history(database)] == ["inserted", "updated"]


def test_every_mirrored_table_but_conversations_has_a_trigger(database: Database) -> None:
    """What is new to the mirror must not be forgotten here; what has no account has no history."""
    has_payload = """
        SELECT c.relname, count(t.oid) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname ~ '^note_'
        WHERE a.attname = 'raw_payload' AND c.relkind = 'r' GROUP BY 1
    """
    found = dict(sql.rows(database, has_payload))
    without = {name for name, number in found.items() if number == 0}
    assert without == {"conversations", "reference_data"}
    assert {name for name, number in found.items() if number == 1} == {"calendar_days"}


def test_old_marks_of_time_are_no_change(database: Database) -> None:
    """Nor is anything else that is no payload."""
    end_baseline(database, "listings")
    store(database, page(record(1, {"a": 1})))
    for column in ("created_at", "updated_at", "observed_at", "source_updated_at"):
        sql.execute(database, f"UPDATE listings SET {column} = :then", then=at(0) - timedelta(days=3))
    assert [one.change for one in history(database)] == ["inserted"]
