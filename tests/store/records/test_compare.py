from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.examples import examples
from tests.support.records import LISTINGS, OWNER, add_account, at, page, record, rows_by_id, write

from hostaway_sync.model.records import Owner, Resource, Shape
from hostaway_sync.store.records import findings as verify_findings
from hostaway_sync.store.records.compare import RowComparison, compare_page, repair_page
from hostaway_sync.store.records.findings import FindingCounts, Note, Notes

if TYPE_CHECKING:
    from hostaway_sync.model.records import Page
    from hostaway_sync.store.postgres.database import Database

RESERVATIONS = Shape(Resource.RESERVATIONS, columns=("listing_id", "status"), volatile=("policy",))
CONVERSATIONS = Shape(Resource.CONVERSATIONS, columns=("reservation_id", "listing_id"), volatile=("Reservation",))
MESSAGES = Shape(Resource.MESSAGES, columns=("conversation_id",), signed=("attachments",))
NOTES = Notes(1, fencing_token=1)


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store the account that owns every row of this module."""
    add_account(database)


def compare(database: Database, given: Page, owner: Owner = OWNER) -> dict[int | None, RowComparison]:
    """Compare a page, return the result of each record, and check that a locking comparison is the same."""
    found = database.transaction(lambda connection: compare_page(connection, owner, given))
    assert found == database.transaction(lambda connection: compare_page(connection, owner, given, locking=True))
    return {each.record.id: each.verdict for each in found}


def repair(database: Database, given: Page) -> None:
    """Repair a page in a transaction of its own."""
    database.transaction(lambda connection: repair_page(connection, OWNER, given))


def note(database: Database, resource: Resource, *found: Note, notes: Notes = NOTES) -> None:
    """Record the findings of a page."""
    database.transaction(
        lambda connection: verify_findings.add_findings(connection, notes, resource, found, page=next(notes.pages))
    )


def test_written_record_is_equal_and_another_missing(database: Database) -> None:
    """Record by record, in one account alone."""
    write(database, page(record(1, {"a": 1})))
    assert compare(database, page(record(1, {"a": 1}), record(2, {}))) == {
        1: RowComparison.EQUAL,
        2: RowComparison.MISSING,
    }
    add_account(database, 2)
    assert compare(database, page(record(1, {"a": 1})), Owner(2)) == {1: RowComparison.MISSING}
    assert compare(database, page()) == {}


@pytest.mark.parametrize(
    ("stored", "received"),
    [
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ('{"a": 1}', '{"a": 1.0}'),
        ('{"a": "\\u00e9"}', '{"a": "é"}'),
        ('{"a": 1, "policy": 1}', '{"a": 1}'),
    ],
)
def test_other_bytes_of_the_same_content_are_equal(database: Database, stored: str, received: str) -> None:
    """Key order, notation and volatile keys do not count."""
    write(database, page(record(1, stored), shape=RESERVATIONS))
    assert compare(database, page(record(1, received), shape=RESERVATIONS)) == {1: RowComparison.EQUAL}


def test_new_signature_of_a_url_is_no_difference(database: Database) -> None:
    """Another file is one."""

    def message(url: str) -> Page:
        return page(record(1, {"attachments": [{"url": url}]}), shape=MESSAGES)

    write(database, message("https://files/a.jpg?sig=1"))
    assert compare(database, message("https://files/a.jpg?sig=2")) == {1: RowComparison.EQUAL}
    assert compare(database, message("https://files/b.jpg?sig=1")) == {1: RowComparison.DIFFERENT}


@pytest.mark.parametrize("damaged", ['{"a": 2}', '{"a": 1, "b": null}', "{}", "null", "[]", '"a"', "1"])
@pytest.mark.parametrize("shape", [LISTINGS, RESERVATIONS, MESSAGES])
def test_damaged_payload_differs_despite_its_hash(database: Database, shape: Shape, damaged: str) -> None:
    """A repair replaces also a value that is no object, and records when the payload changed."""
    given = page(record(1, {"a": 1}, stamp=0), shape=shape)
    write(database, given)
    table = {"messages": "conversation_messages"}.get(shape.resource, shape.resource.value)
    sql.execute(database, f"UPDATE {table} SET raw_payload = CAST(:damaged AS jsonb)", damaged=damaged)
    before = rows_by_id(database, shape.resource)[1]
    assert compare(database, given) == {1: RowComparison.DIFFERENT}
    repair(database, given)
    after = rows_by_id(database, shape.resource)[1]
    assert (after.raw_payload, after.source_updated_at, after.observed_at) == ({"a": 1}, at(0), at(0))
    assert bytes(after.payload_hash) == given.records[0].payload_hash
    assert after.updated_at > before.updated_at
    assert compare(database, given) == {1: RowComparison.EQUAL}


@pytest.mark.parametrize("damage", ["status = 'new'", "listing_id = NULL", "source_updated_at = NULL"])
def test_columns_read_from_the_payload_are_compared(database: Database, damage: str) -> None:
    """A column or stamp that differs from the record is a difference; a repair leaves the payload's time."""
    given = page(record(1, {}, stamp=0, columns={"listing_id": 5, "status": "old"}), shape=RESERVATIONS)
    write(database, given)
    before = rows_by_id(database, Resource.RESERVATIONS)[1]
    sql.execute(database, f"UPDATE reservations SET {damage}")
    assert compare(database, given) == {1: RowComparison.DIFFERENT}
    repair(database, given)
    after = rows_by_id(database, Resource.RESERVATIONS)[1]
    assert (after.listing_id, after.status, after.source_updated_at) == (5, "old", at(0))
    assert after.updated_at == before.updated_at
    assert compare(database, given) == {1: RowComparison.EQUAL}


def test_stamp_from_the_future_is_no_difference_later(database: Database) -> None:
    """It was from the future when its row was written, and no longer is when it is compared."""
    far = 60 * 24 * 30
    write(database, page(record(1, {}, stamp=far)))
    assert rows_by_id(database)[1].source_updated_at is None
    assert compare(database, page(record(1, {}, stamp=far), asked=2 * far)) == {1: RowComparison.EQUAL}


def test_listed_record_with_a_missing_row_is_missing(database: Database) -> None:
    """A repair clears the mark, and an older stamp does not stop it."""
    write(database, page(record(1, {"a": 1}, stamp=9)))
    sql.execute(database, "UPDATE listings SET missing_since = now(), observed_at = now()")
    older = page(record(1, {"a": 0}, stamp=0), asked=5)
    assert compare(database, older) == {1: RowComparison.MISSING}
    repair(database, older)
    row = rows_by_id(database)[1]
    assert (row.missing_since, row.raw_payload, row.source_updated_at) == (None, {"a": 0}, at(0))
    assert compare(database, older) == {1: RowComparison.EQUAL}


def test_row_read_after_the_page_is_reported(database: Database) -> None:
    """The caller may ask the source once more before the row counts as different."""
    write(database, page(record(1, {"a": 1}), asked=5))
    for asked, expected in ((4, True), (5, False), (6, False)):
        (found,) = database.transaction(lambda c, a=asked: compare_page(c, OWNER, page(record(1, {}), asked=a)))  # type: ignore[misc]  # bound at once
        assert (found.verdict, found.is_later) == (RowComparison.DIFFERENT, expected)


def test_repaired_conversation_is_due(database: Database) -> None:
    """Its messages may be damaged, too; a listing has no thread."""
    given = page(record(1, {"a": 1}), asked=5, shape=CONVERSATIONS)
    write(database, given)
    sql.execute(database, "UPDATE conversations SET thread_due_at = NULL, raw_payload = '{}'")
    repair(database, given)
    assert rows_by_id(database, Resource.CONVERSATIONS)[1].thread_due_at == at(5)


def test_refused_record_must_be_in_quarantine(database: Database) -> None:
    """It costs no other record of its page, and is equal while its bytes are stored."""
    refused = record(2, '{"a": "\\u0000"}')
    given = page(record(1, {"a": 1}), refused)
    write(database, given)
    assert compare(database, given) == {1: RowComparison.EQUAL, 2: RowComparison.EQUAL}
    sql.execute(database, "DELETE FROM quarantined_records")
    assert compare(database, given) == {1: RowComparison.EQUAL, 2: RowComparison.MISSING}
    repair(database, given)
    assert compare(database, given) == {1: RowComparison.EQUAL, 2: RowComparison.EQUAL}


def test_record_without_id_must_be_in_quarantine(database: Database) -> None:
    """It has no row to compare with."""
    nameless = record(None, "null", exact=b'{"id": "abc"}', reason="no usable id")
    given = page(nameless, record(1, {}))
    write(database, given)
    assert compare(database, given) == {None: RowComparison.EQUAL, 1: RowComparison.EQUAL}
    sql.execute(database, "UPDATE quarantined_records SET exact = 'x'")
    assert compare(database, given) == {None: RowComparison.MISSING, 1: RowComparison.EQUAL}
    repair(database, given)
    assert compare(database, given) == {None: RowComparison.EQUAL, 1: RowComparison.EQUAL}


def test_cleaned_record_needs_its_row_and_its_bytes(database: Database) -> None:
    """With a new signature in a URL, the bytes of its row are enough."""

    def cleaned(signature: int) -> Page:
        payload = {"body": "\ufffd", "attachments": [f"https://files/a?{signature}"]}
        exact = f'{{"body": "\\u0000", "attachments": ["https://files/a?{signature}"]}}'.encode()
        return page(record(1, payload, exact=exact, reason="U+0000"), shape=MESSAGES)

    write(database, cleaned(1))
    assert compare(database, cleaned(1)) == compare(database, cleaned(2)) == {1: RowComparison.EQUAL}
    sql.execute(database, "UPDATE conversation_messages SET raw_payload = '{}'")
    assert compare(database, cleaned(1)) == {1: RowComparison.DIFFERENT}
    repair(database, cleaned(2))
    assert compare(database, cleaned(2)) == {1: RowComparison.EQUAL}
    sql.execute(database, "DELETE FROM quarantined_records")
    assert compare(database, cleaned(2)) == {1: RowComparison.MISSING}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=2), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "policy", "é"]), JSON, max_size=3)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=OBJECTS, received=OBJECTS)
def test_records_equal_as_json_compare_as_equal(
    database: Database, stored: dict[str, Any], received: dict[str, Any]
) -> None:
    """Whatever the payloads are, and whatever was stored: after a repair they are equal."""

    def kept(payload: dict[str, Any]) -> Any:
        return json.loads(json.dumps({key: value for key, value in payload.items() if key != "policy"}))

    sql.execute(database, "DELETE FROM reservations")
    write(database, page(record(1, stored), shape=RESERVATIONS))
    given_page = page(record(1, received), shape=RESERVATIONS)
    is_equal = _typed(kept(stored)) == _typed(kept(received))
    assert compare(database, given_page) == {1: RowComparison.EQUAL if is_equal else RowComparison.DIFFERENT}
    repair(database, given_page)
    assert compare(database, given_page) == {1: RowComparison.EQUAL}


def _typed(value: Any) -> Any:
    """Tell True from 1, which Python does not."""
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    return [_typed(inner) for inner in value] if isinstance(value, list) else (isinstance(value, bool), value)


def test_object_counts_once_with_its_last_result(database: Database) -> None:
    """Pages overlap and lists are walked again; resources and comparisons are counted apart."""
    note(
        database,
        Resource.LISTINGS,
        Note(1, RowComparison.DIFFERENT, is_newer=True),
        Note(2, RowComparison.MISSING),
        Note(-3, RowComparison.MISSING),
    )
    note(database, Resource.LISTINGS, Note(1, RowComparison.EQUAL), Note(2, RowComparison.DIFFERENT, is_newer=True))
    note(database, Resource.LISTINGS, Note(9, RowComparison.EXTRA), notes=Notes(1, fencing_token=1))
    note(database, Resource.RESERVATIONS, Note(1, RowComparison.UNDECIDED))
    expected = dict.fromkeys(RowComparison, 0) | {
        RowComparison.EQUAL: 1,
        RowComparison.DIFFERENT: 1,
        RowComparison.MISSING: 1,
    }
    found = database.transaction(lambda c: verify_findings.count_findings(c, NOTES, Resource.LISTINGS))
    assert found == FindingCounts(expected, newer=1)


def test_ids_of_one_result_are_limited(database: Database) -> None:
    """An object without a usable id has none."""
    note(
        database,
        Resource.LISTINGS,
        *(Note(key, RowComparison.MISSING) for key in (5, 3, -7, 4)),
        Note(1, RowComparison.EQUAL),
    )

    def ids(limit: int) -> list[int]:
        return database.transaction(
            lambda c: verify_findings.list_ids(c, NOTES, Resource.LISTINGS, RowComparison.MISSING, limit=limit)
        )

    assert (ids(2), ids(20)) == ([3, 4], [3, 4, 5])


def test_notes_of_a_comparison_are_deleted(database: Database) -> None:
    """Those of other comparisons stay."""
    note(database, Resource.LISTINGS, Note(1, RowComparison.EQUAL))
    note(database, Resource.LISTINGS, Note(1, RowComparison.EQUAL), notes=Notes(1, fencing_token=1))
    database.transaction(lambda connection: verify_findings.delete_notes(connection, NOTES))
    assert sql.row(database, "SELECT count(*) FROM verification_notes") == (1,)


def test_unlisted_rows_are_live_rows_without_a_note(database: Database) -> None:
    """They are counted and noted without being fetched."""
    write(database, page(*(record(key, {}) for key in (1, 2, 3, 4))))
    sql.execute(database, "UPDATE listings SET missing_since = now() WHERE id = 4")
    note(database, Resource.LISTINGS, Note(1, RowComparison.EQUAL))

    def unlisted() -> tuple[list[int], int]:
        return database.transaction(
            lambda c: (
                [row.id for row in verify_findings.list_unlisted(c, NOTES, Resource.LISTINGS, deep=True)],
                verify_findings.count_unlisted(c, NOTES, Resource.LISTINGS, deep=True),
            )
        )

    assert unlisted() == ([2, 3], 2)
    number = next(NOTES.pages)
    added = database.transaction(
        lambda c: verify_findings.add_unlisted(c, NOTES, Resource.LISTINGS, deep=True, page=number)
    )
    assert added == 2
    assert unlisted() == ([], 0)
    found = database.transaction(lambda c: verify_findings.count_findings(c, NOTES, Resource.LISTINGS))
    assert (found.counts[RowComparison.EXTRA], found.counts[RowComparison.EQUAL]) == (2, 1)


def test_repair_changes_no_other_rows(database: Database) -> None:
    """Rows that are not in the page keep their bytes, their marks and their time."""
    write(database, page(record(1, {"a": 1}), record(2, {"a": 2})))
    before = rows_by_id(database)[2]
    repair(database, replace(page(record(1, {"a": 9}))))
    assert rows_by_id(database)[2] == before
