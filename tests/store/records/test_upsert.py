from __future__ import annotations

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.deliveries import eventually
from tests.support.examples import examples
from tests.support.records import LISTINGS, OWNER, add_account, at, page, record, rows_by_id, write

from hostaway_sync.model.records import OBJECTS, Change, Owner, Resource, Shape
from hostaway_sync.store.records import single_reads
from hostaway_sync.store.records.upsert import preview_page, write_page
from hostaway_sync.store.tables import MIRRORED, conversation_messages, listings, quarantined_records

if TYPE_CHECKING:
    from hostaway_sync.model.records import Page
    from hostaway_sync.store.postgres.database import Database

RESERVATIONS = Shape(
    Resource.RESERVATIONS, columns=("listing_id", "channel_id", "status", "arrival_date", "departure_date")
)
CONVERSATIONS = Shape(
    Resource.CONVERSATIONS, columns=("reservation_id", "listing_id"), volatile=("Reservation", "conversationMessages")
)
MESSAGES = Shape(
    Resource.MESSAGES,
    columns=("conversation_id", "reservation_id", "is_incoming", "status", "sent_at"),
    signed=("attachments", "imagesUrls"),
    is_ordered_by_stamp=False,
)


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store the account that owns every row of this module."""
    add_account(database)


def mark_missing(database: Database, record_id: int) -> None:
    """Mark a listing as missing."""
    sql.execute(database, "UPDATE listings SET missing_since = now() WHERE id = :id", id=record_id)


def compare(database: Database, asked: Page) -> dict[int, Change]:
    """Compare a page in a transaction of its own."""
    return dict(database.transaction(lambda connection: preview_page(connection, OWNER, asked)))


def test_new_record_is_inserted_with_all_columns(database: Database) -> None:
    """Payload, hash, stamp, owner and typed columns."""
    customer = UUID(int=7)
    columns = {
        "listing_id": 5,
        "channel_id": None,
        "status": "new",
        "arrival_date": date(2026, 5, 1),
        "departure_date": date(2026, 5, 4),
    }
    received = record(2**63 - 1, {"guest": "Zoë 🦉"}, stamp=3, columns=columns)
    assert write(database, page(received, asked=9, shape=RESERVATIONS), Owner(1, customer)) == {
        2**63 - 1: Change.INSERTED
    }
    row = rows_by_id(database, Resource.RESERVATIONS)[2**63 - 1]
    assert (row.account_id, row.customer_id, row.raw_payload) == (1, customer, {"guest": "Zoë 🦉"})
    assert (row.source_updated_at, row.observed_at, row.missing_since) == (at(3), at(9), None)
    assert bytes(row.payload_hash) == received.payload_hash
    assert {name: getattr(row, name) for name in columns} == columns
    assert row.created_at == row.updated_at


def test_typed_columns_of_every_type_arrive_unchanged(database: Database) -> None:
    """Booleans and aware times pass through arrays, and so do nulls."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    full = {"conversation_id": 1, "reservation_id": 2, "is_incoming": False, "status": "sent", "sent_at": moment}
    write(database, page(record(1, {}, columns=full), record(2, {"x": 1}), shape=MESSAGES))
    stored = rows_by_id(database, Resource.MESSAGES)
    assert {name: getattr(stored[1], name) for name in full} == full
    assert {getattr(stored[2], name) for name in full} == {None}


def test_empty_page_changes_nothing(database: Database) -> None:
    """It has no records."""
    assert write(database, page()) == {}


def test_accounts_do_not_change_each_others_rows(database: Database) -> None:
    """The same id of two accounts is two rows."""
    add_account(database, 2)
    write(database, page(record(1, {"of": 1})))
    assert write(database, page(record(1, {"of": 2}), asked=1), Owner(2)) == {1: Change.INSERTED}
    assert write(database, page(record(1, {"of": 22}), asked=2), Owner(2)) == {1: Change.UPDATED}
    found = database.transaction(lambda c: c.execute(sa.select(listings.c.account_id, listings.c.raw_payload)).all())
    assert sorted((row.account_id, row.raw_payload["of"]) for row in found) == [(1, 1), (2, 22)]


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_older_never_replaces_newer(database: Database, asked: int) -> None:
    """The greater stamp wins; with equal or unknown stamps, the later request."""
    pairs = dict(enumerate(itertools.product((None, 1, 2), repeat=2), start=1))
    write(database, page(*(record(number, {"v": "old"}, stamp=old) for number, (old, _) in pairs.items()), asked=2))
    newer = {
        number: new > old if old is not None and new is not None and old != new else asked > 2
        for number, (old, new) in pairs.items()
    }
    changed = page(*(record(number, {"v": "new"}, stamp=new) for number, (_, new) in pairs.items()), asked=asked)
    expected = {number: Change.UPDATED if newer[number] else Change.STALE for number in pairs}
    assert compare(database, changed) == expected
    assert write(database, changed) == expected
    for number, row in rows_by_id(database).items():
        old, new = pairs[number]
        stamp = new if newer[number] else old
        assert row.raw_payload == {"v": "new" if newer[number] else "old"}
        assert row.observed_at == at(asked if newer[number] else 2)
        assert row.source_updated_at == (None if stamp is None else at(stamp))


def test_records_of_one_page_keep_their_own_times(database: Database) -> None:
    """One of them was requested before another reading of its row, and one after it."""
    write(database, page(*(record(number, {"v": "run"}) for number in (1, 2)), asked=2))
    both = page(*(record(number, {"v": "delivery"}) for number in (1, 2, 3)), asked=1)
    both = replace(both, observed_at_by_id={1: at(1), 2: at(3), 3: at(4)})
    assert write(database, both) == {1: Change.STALE, 2: Change.UPDATED, 3: Change.INSERTED}
    assert {number: row.observed_at for number, row in rows_by_id(database).items()} == {1: at(2), 2: at(3), 3: at(4)}
    again = replace(both, observed_at_by_id={1: at(5), 2: at(5), 3: at(2)})
    database.transaction(partial(single_reads.record_seen, account_id=OWNER.account_id, page=again))
    assert {number: row.observed_at for number, row in rows_by_id(database).items()} == {1: at(5), 2: at(5), 3: at(4)}


def test_rows_are_locked_in_the_order_of_their_ids(database: Database) -> None:
    """Two writers of several rows never deadlock."""
    write(database, page(*(record(number, {"v": 1}) for number in (1, 2, 3))))
    with database.engine.begin() as first:
        first.execute(sa.text("SELECT 1 FROM hostaway.listings WHERE id = 1 FOR UPDATE"))
        hold = partial(single_reads.lock_rows, account_id=OWNER.account_id, resource=Resource.LISTINGS, ids=[3, 2, 1])
        waiting = threading.Thread(target=database.transaction, args=(hold,))
        waiting.start()
        blocked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually(lambda: sql.row(database, blocked) is not None, "it waits for the first row")
        free = "SELECT id FROM hostaway.listings WHERE id > 1 FOR UPDATE NOWAIT"
        assert len(first.execute(sa.text(free)).all()) == 2
    waiting.join()


def test_unchanged_rows_are_never_rewritten(database: Database) -> None:
    """The same bytes leave the very version of the row."""
    first = page(*(record(number, {"n": number}, stamp=1) for number in range(1, 6)), asked=1)
    write(database, first)
    before = rows_by_id(database)
    assert set(write(database, replace(first, observed_at=at(2))).values()) == {Change.UNCHANGED}
    assert rows_by_id(database) == before


def test_key_order_and_notation_are_no_change(database: Database) -> None:
    """Other bytes with the same content are unchanged; only the hash is stored."""
    write(database, page(record(1, '{"a": 1, "b": 2.50}'), asked=1))
    before = rows_by_id(database)[1]
    again = record(1, '{"b": 2.5,   "a": 1.0}')
    assert compare(database, page(again, asked=2)) == {1: Change.UNCHANGED}
    assert write(database, page(again, asked=2)) == {1: Change.UNCHANGED}
    after = rows_by_id(database)[1]
    assert bytes(after.payload_hash) == again.payload_hash
    kept = {"raw_payload", "updated_at", "observed_at", "source_updated_at", "created_at"}
    assert all(getattr(after, name) == getattr(before, name) for name in kept)
    assert write(database, page(again, asked=3)) == {1: Change.UNCHANGED}
    assert rows_by_id(database)[1].xmin == after.xmin


def test_older_copy_with_the_same_content_leaves_the_hash(database: Database) -> None:
    """It is unchanged, not stale, and changes no column."""
    write(database, page(record(1, '{"a": 1}'), asked=2))
    before = rows_by_id(database)
    assert write(database, page(record(1, '{"a": 1.0}'), asked=1)) == {1: Change.UNCHANGED}
    assert rows_by_id(database) == before


def test_updated_at_moves_only_with_the_content(database: Database) -> None:
    """A real change moves `updated_at` and leaves `created_at`."""
    write(database, page(record(1, {"v": 1}), asked=1))
    before = rows_by_id(database)[1]
    assert write(database, page(record(1, {"v": 2}), asked=2)) == {1: Change.UPDATED}
    after = rows_by_id(database)[1]
    assert after.updated_at > before.updated_at
    assert after.created_at == before.created_at


def test_volatile_keys_are_no_change(database: Database) -> None:
    """Embedded copies of other objects may appear, change and vanish without a change of this one."""
    first = {"v": 1, "Reservation": {"copied": 1}}
    write(database, page(record(1, first), asked=1, shape=CONVERSATIONS))
    same: list[dict[str, object]] = [{"Reservation": {"copied": 2}}, {}, {"conversationMessages": None}]
    for asked, volatile in enumerate(same, start=2):
        payload = {"v": 1} | volatile
        assert write(database, page(record(1, payload), asked=asked, shape=CONVERSATIONS)) == {1: Change.UNCHANGED}
    assert rows_by_id(database, Resource.CONVERSATIONS)[1].raw_payload == first
    assert write(database, page(record(1, {"v": 2}), asked=9, shape=CONVERSATIONS)) == {1: Change.UPDATED}


SIGNED = "https://files.example/a.jpg"


def test_new_signature_of_a_url_is_no_change(database: Database) -> None:
    """The query of a signed URL does not count, wherever in its key the URL is."""
    pairs: list[tuple[object, object]] = [
        ([f"{SIGNED}?sig=1&e=2"], [f"{SIGNED}?sig=9"]),
        ([f"{SIGNED}?sig=1"], [SIGNED]),
        ([{"url": f"{SIGNED}?sig=1", "size": 1}], [{"size": 1.0, "url": f"{SIGNED}?sig=2"}]),
        (f'[{{"url": "{SIGNED}?sig=1"}}]', f'[{{"url": "{SIGNED}?sig=2"}}]'),
        (None, None),
    ]
    assert set(rewritten(database, "imagesUrls", pairs).values()) == {Change.UNCHANGED}


def test_change_beside_a_url_signature_counts(database: Database) -> None:
    """Only the query of a URL is left out of the comparison."""
    pairs: list[tuple[object, object]] = [
        ([f"{SIGNED}?sig=1"], [f"{SIGNED}x?sig=1"]),
        ([f"{SIGNED}?sig=1"], []),
        ([{"url": f"{SIGNED}?sig=1", "name": "a"}], [{"url": f"{SIGNED}?sig=1", "name": "b"}]),
        ([f"{SIGNED}?sig=1\tand more"], [f"{SIGNED}?sig=1"]),
        (["Pool?"], ["Pool"]),
        (["Open?yes"], ["Open?no"]),
        (f'[{{"url": "{SIGNED}?sig=1", "n": 1}}]', f'[{{"url": "{SIGNED}?sig=1", "n": 2}}]'),
    ]
    assert set(rewritten(database, "attachments", pairs).values()) == {Change.UPDATED}


def rewritten(database: Database, key: str, pairs: list[tuple[object, object]]) -> dict[int, Change]:
    """Store a message a pair with the first value under `key`, and return the changes of the second."""
    before = [record(number, {key: value}) for number, (value, _) in enumerate(pairs)]
    after = [record(number, f'{{ "{key}" : {json.dumps(value)} }}') for number, (_, value) in enumerate(pairs)]
    write(database, page(*before, asked=1, shape=MESSAGES))
    return write(database, page(*after, asked=2, shape=MESSAGES))


def test_url_outside_of_the_signed_keys_counts(database: Database) -> None:
    """A link in a guest's text is content, its query included."""
    write(database, page(record(1, {"body": "https://x.example/?a=1"}), asked=1, shape=MESSAGES))
    changed = page(record(1, {"body": "https://x.example/?a=2"}), asked=2, shape=MESSAGES)
    assert write(database, changed) == {1: Change.UPDATED}


def test_row_that_is_listed_again_loses_its_mark(database: Database) -> None:
    """It counts as updated, also with unchanged bytes; its content did not change."""
    received = record(1, {"v": 1}, stamp=1)
    write(database, page(received, asked=1))
    mark_missing(database, 1)
    before = rows_by_id(database)[1]
    assert compare(database, page(received, asked=2)) == {1: Change.UPDATED}
    assert write(database, page(received, asked=2)) == {1: Change.UPDATED}
    after = rows_by_id(database)[1]
    assert (after.missing_since, after.updated_at, after.observed_at) == (None, before.updated_at, at(2))


def test_old_page_does_not_revive_a_missing_row(database: Database) -> None:
    """A request before the row's last reading does not show whether it is listed now."""
    write(database, page(record(1, {"v": 1}), asked=2))
    mark_missing(database, 1)
    assert write(database, page(record(1, {"v": 1}), asked=1)) == {1: Change.STALE}
    assert rows_by_id(database)[1].missing_since is not None


def test_customer_of_the_account_is_copied(database: Database) -> None:
    """Inserted and updated rows have the customer of their account."""
    write(database, page(record(1, {"v": 1}), asked=1), Owner(1, UUID(int=1)))
    write(database, page(record(1, {"v": 2}), asked=2), Owner(1, UUID(int=2)))
    assert rows_by_id(database)[1].customer_id == UUID(int=2)


REFUSED = ['{"n": 1e200000}', '{"t": "\\u0000"}', '{"t": "\\ud800"}', '{"torn": ']


def test_refused_row_costs_that_row_only(database: Database) -> None:
    """A payload that JSONB refuses is quarantined with the reason; its page is stored."""
    write(database, page(record(1, {"v": 1}), asked=1))
    refused = dict(enumerate(REFUSED, start=10))
    records = [record(number, payload) for number, payload in refused.items()]
    given_page = page(record(1, {"v": 2}), *records, record(99, {"v": 3}), asked=2)
    compared = compare(database, given_page)
    changes = write(database, given_page)
    assert changes == compared
    assert {key: change for key, change in changes.items() if key > 0} == {1: Change.UPDATED, 99: Change.INSERTED}
    assert [change for key, change in changes.items() if key < 0] == [Change.QUARANTINED] * len(REFUSED)
    assert set(rows_by_id(database)) == {1, 99}
    kept = database.transaction(lambda connection: connection.execute(sa.select(quarantined_records)).all())
    assert {row.record_id: bytes(row.exact).decode() for row in kept} == refused
    assert {(row.account_id, row.resource) for row in kept} == {(1, "listings")}
    assert all(row.reason.startswith("PostgreSQL refused it: ") for row in kept)


def test_refused_typed_value_costs_its_row_only(database: Database) -> None:
    """The driver refuses text with U+0000 in a column, and the record is quarantined."""
    given_page = page(record(1, {}, columns={"status": "a\0b"}), record(2, {"v": 2}), shape=RESERVATIONS)
    assert sorted(write(database, given_page).values()) == [Change.INSERTED, Change.QUARANTINED]
    assert bytes(sql.row(database, "SELECT exact FROM quarantined_records").exact) == b"{}"


def test_cleaned_record_that_is_refused_has_that_reason(database: Database) -> None:
    """Quarantine holds the received bytes once, with the reason why there is no row."""
    write(database, page(record(1, REFUSED[0], exact=b"received", reason="cleaned")))
    kept = sql.row(database, "SELECT count(*) OVER () AS entries, * FROM quarantined_records")
    assert (kept.entries, bytes(kept.exact)) == (1, b"received")
    assert kept.reason.startswith("PostgreSQL refused it: ")


def test_record_without_id_is_quarantined(database: Database) -> None:
    """It gets no row; its key differs from every id and from that of other such records."""
    nameless = [record(None, {"n": n}, exact=b"%d" % n, reason="no usable id") for n in range(3)]
    changes = write(database, page(*nameless, record(4, {})))
    assert sorted(changes.values()) == [Change.INSERTED, *[Change.QUARANTINED] * 3]
    assert sum(key < 0 for key in changes) == 3
    assert compare(database, page(*nameless, asked=1)) == {key: change for key, change in changes.items() if key < 0}
    assert sql.row(database, "SELECT count(*), min(reason) FROM quarantined_records") == (3, "no usable id")


@pytest.mark.parametrize("last_bytes", [b"\x00" * 8, b"\xff" * 8])
def test_keys_of_records_without_id_fit_a_bigint(database: Database, last_bytes: bytes) -> None:
    """Whatever the hash, the key is negative and no smaller than the smallest BIGINT."""
    nameless = replace(record(None, {}, exact=b"{}"), payload_hash=b"\x01" + b"\x07" * 8 + last_bytes)
    (key,) = write(database, page(nameless))
    assert -(2**63) <= key < 0
    assert sql.row(database, "SELECT reason FROM quarantined_records").reason == "it cannot be stored as it is"


def test_cleaned_record_has_a_row_and_its_exact_bytes(database: Database) -> None:
    """It counts as inserted, its bytes are stored once, and every later reading of it is recorded."""
    cleaned = record(1, {"t": "�"}, exact=b'{"t": "\\u0000"}', reason="U+0000")
    assert write(database, page(cleaned, asked=1)) == {1: Change.INSERTED}
    first = sql.row(database, "SELECT * FROM quarantined_records")
    assert (first.record_id, bytes(first.exact), first.reason) == (1, cleaned.exact, "U+0000")
    assert write(database, page(cleaned, asked=2)) == {1: Change.UNCHANGED}
    second = sql.row(database, "SELECT count(*) OVER () AS entries, * FROM quarantined_records")
    assert (second.entries, second.created_at) == (1, first.created_at)
    assert second.last_seen_at > first.last_seen_at


def test_preview_writes_nothing(database: Database) -> None:
    """It returns the changes of a write and leaves every table unchanged."""
    write(database, page(*(record(number, {"v": number}, stamp=5) for number in range(1, 5)), asked=5))
    before = rows_by_id(database)
    mixed = page(
        record(1, {"v": 1}, stamp=5),
        record(2, '{"v": 2.0}', stamp=6),
        record(3, {"v": "new"}, stamp=6),
        record(4, {"v": "old"}, stamp=4),
        record(5, {"v": 5}),
        record(6, REFUSED[0]),
        record(None, {}, exact=b"{}", reason="no usable id"),
        asked=6,
    )
    compared = compare(database, mixed)
    assert rows_by_id(database) == before
    assert sql.row(database, "SELECT count(*) FROM quarantined_records").count == 0
    assert write(database, mixed) == compared
    assert sorted(compared.values()) == sorted([*Change, Change.UNCHANGED, Change.QUARANTINED])


@dataclass(frozen=True)
class Version:
    """One version of a record: the source's stamp and the moment of its request, in minutes."""

    stamp: int | None
    asked: int


def versions(*, stamped: bool) -> st.SearchStrategy[list[Version]]:
    """Draw versions of one record; with stamps, or without any, as its resource has them or not."""
    stamp: st.SearchStrategy[int | None] = st.integers(0, 3) if stamped else st.none()
    drawn = st.lists(st.builds(Version, stamp, st.integers(0, 5)), min_size=1, max_size=6, unique=True)
    return drawn.flatmap(
        lambda some: st.lists(st.sampled_from(some), max_size=3).map(lambda more: some + more)
    ).flatmap(st.permutations)


MOMENTS = 6


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contents=st.lists(st.sampled_from("AB"), min_size=MOMENTS, max_size=MOMENTS),
    arrivals=st.permutations(range(MOMENTS)),
    are_listed=st.lists(st.booleans(), min_size=MOMENTS, max_size=MOMENTS),
)
@pytest.mark.parametrize("shape", [CONVERSATIONS, MESSAGES], ids=lambda shape: str(shape.resource))
def test_unchanged_row_keeps_its_latest_reading(
    database: Database, shape: Shape, contents: list[str], arrivals: list[int], are_listed: list[bool]
) -> None:
    """A second reading with the same content is the row's new time, in a list or alone."""
    sql.execute(database, f"DELETE FROM {MIRRORED[shape.resource].name}")
    for asked in arrivals:
        # A message's stamps can go back without an error.
        stamp = -asked if shape is MESSAGES else None
        received = page(record(1, {"v": contents[asked]}, stamp=stamp), asked=asked, shape=shape)
        database.transaction(partial(write_page, owner=OWNER, page=received, is_listed=are_listed[asked]))
    assert rows_by_id(database, shape.resource)[1].raw_payload == {"v": contents[-1]}


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=st.one_of(versions(stamped=True), versions(stamped=False)))
def test_newest_version_wins_in_any_order(database: Database, arrivals: list[Version]) -> None:
    """With repetitions: the newest by stamp, and then by the moment of the request."""
    sql.execute(database, "DELETE FROM listings")
    for version in arrivals:
        content = {"stamp": version.stamp, "asked": version.asked}
        write(database, page(record(1, content, stamp=version.stamp), asked=version.asked))
    newest = max(arrivals, key=lambda version: (version.stamp or 0, version.asked))
    assert rows_by_id(database)[1].raw_payload == {"stamp": newest.stamp, "asked": newest.asked}


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("newer_last", [True, False])
def test_two_writers_of_one_row_end_with_the_newer(database: Database, *, exists: bool, newer_last: bool) -> None:
    """The second one waits for the first, then decides by what the first has written."""
    if exists:
        write(database, page(record(1, {"v": 0}), asked=0))
    older, newer = page(record(1, {"v": "older"}), asked=1), page(record(1, {"v": "newer"}), asked=2)
    first, second = (older, newer) if newer_last else (newer, older)
    has_written, may_commit = threading.Event(), threading.Event()

    def write_and_hold() -> None:
        def work(connection: sa.Connection) -> None:
            write_page(connection, OWNER, first)
            has_written.set()
            assert may_commit.wait(30)

        database.attempt(work)

    def write_second() -> None:
        def work(connection: sa.Connection) -> None:
            backend.append(connection.scalar(sa.text("SELECT pg_backend_pid()")))
            write_page(connection, OWNER, second)

        assert has_written.wait(30)
        database.attempt(work)

    backend: list[int] = []
    waits = "SELECT cardinality(pg_blocking_pids(:pid)) AS blockers"
    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(write_and_hold), threads.submit(write_second)]
        while not any(future.done() for future in futures) and not (
            backend and sql.row(database, waits, pid=backend[0]).blockers
        ):
            pass
        may_commit.set()
        for future in futures:
            future.result()
    assert rows_by_id(database)[1].raw_payload == {"v": "newer"}


def test_racing_writers_of_many_rows_end_with_the_newer(database: Database) -> None:
    """Threads that start together, with the same rows in opposite orders, lose no row and do not deadlock."""
    rounds, numbers = 4, range(1, 31)
    barrier = threading.Barrier(rounds)

    def work(asked: int) -> None:
        mine = [record(number, {"asked": asked}) for number in numbers]
        barrier.wait(30)
        write(database, page(*(mine if asked % 2 else reversed(mine)), asked=asked))

    with ThreadPoolExecutor(rounds) as threads:
        list(threads.map(work, range(rounds)))
    assert {row.raw_payload["asked"] for row in rows_by_id(database).values()} == {rounds - 1}


def test_every_resource_has_its_table(database: Database) -> None:
    """Records of a resource go to its table and to no other."""
    for number, resource in enumerate(OBJECTS, start=1):
        write(database, page(record(number, {"r": resource.value}), shape=Shape(resource)))
        assert set(rows_by_id(database, resource)) == {number}
    assert MIRRORED[Resource.MESSAGES] is conversation_messages
    assert LISTINGS.resource is Resource.LISTINGS
