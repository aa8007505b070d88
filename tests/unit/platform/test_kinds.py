from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.platforms.hostaway.kinds.list_state import LARGE_PAGE, ListState
from hostaway_sync.platforms.hostaway.kinds.records import NEVER_STORED, as_kind_record
from hostaway_sync.platforms.hostaway.kinds.spec import LIMIT, KindSpec, ListToRead, Variant, Window
from hostaway_sync.platforms.hostaway.kinds.table import KINDS, list_kinds

REVIEWS, USERS = KINDS["reviews"], KINDS["users"]
PLAIN = KindSpec("things", "/things", stamp="updatedOn")


def test_review_has_its_columns() -> None:
    """As the platform writes them; a value that does not fit is counted, and stays in the payload."""
    raw = (
        b'{"id": 7, "listingMapId": "41", "rating": 9.5, "departureDate": "2026-03-01 11:00:00",'
        b' "submittedAt": "2026-03-02 10:00:00", "channelId": "x"}'
    )
    record = as_kind_record(raw, REVIEWS)
    assert (record.source_id, record.misfits) == ("7", 1)
    assert record.columns["rating"] == Decimal("9.5")
    assert record.columns["departure_date"] == date(2026, 3, 1)
    assert record.columns["submitted_at"] == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert json.loads(record.payload)["channelId"] == "x"


@pytest.mark.parametrize(
    ("raw", "source_id"),
    [
        (b'{"id": 9007199254740993}', "9007199254740993"),
        (b'{"id": " AB-7 "}', "AB-7"),
        (b'{"id": 123456789012345678901234567890}', "123456789012345678901234567890"),
        (b'{"id": 0}', None),
        (b'{"id": -1}', None),
        (b'{"id": null}', None),
        (b'{"id": true}', None),
        (b'{"id": {}}', None),
        (b'{"id": ""}', None),
        (b"{}", None),
    ],
)
def test_id_keeps_all_its_digits(raw: bytes, source_id: str | None) -> None:
    """Without a usable one a record gets no row, and its bytes are stored."""
    record = as_kind_record(raw, PLAIN)
    assert record.source_id == source_id
    assert (record.reason is None) is (source_id is not None)


def test_kinds_with_a_table_need_a_number_as_id() -> None:
    """Text that is no number gets no row there."""
    assert as_kind_record(b'{"id": "007"}', REVIEWS).source_id == "7"
    assert as_kind_record(b'{"id": "AB"}', REVIEWS).reason == "no usable id"


NAMES = st.sampled_from(sorted(NEVER_STORED)) | st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(members=st.dictionaries(NAMES, JSON, max_size=5), escapes=st.booleans())
def test_secret_keys_are_never_stored(members: dict[str, object], *, escapes: bool) -> None:
    """At any depth and in any letter case, neither in the payload nor in quarantined bytes."""
    text = json.dumps({"id": 5, **members}, ensure_ascii=False)
    if escapes:
        text = text.replace('"icalKey"', '"ical\\u004bey"').replace('"password"', '"\\u0070assword"')
    record = as_kind_record(text.encode("utf-8", "surrogatepass"), USERS)
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            found.update(value)
            value = list(value.values())
        if isinstance(value, list):
            for one in value:
                walk(one)

    walk(json.loads(record.payload))
    assert not found & NEVER_STORED
    assert record.exact is None or record.exact == record.payload.encode()


def test_bytes_that_are_no_object_are_not_stored() -> None:
    """They may hold secrets at an unknown place."""
    for raw in (b'"icalKey: abc"', b'{"icalKey": "abc"', b"\xff\xfe"):
        record = as_kind_record(raw, USERS)
        assert record.source_id is None
        assert b"abc" not in (record.exact or b"")
        assert b"bytes" in (record.exact or b"")


def test_key_order_and_volatile_keys_make_no_change() -> None:
    """Every other difference is a change."""
    spec = KindSpec("things", "/things", volatile=frozenset({"uses"}))
    first = as_kind_record(b'{"id": 1, "a": 2, "uses": 3}', spec).payload_hash
    assert as_kind_record(b'{"uses": 4, "a": 2, "id": 1}', spec).payload_hash == first
    assert as_kind_record(b'{"id": 1, "a": 3, "uses": 3}', spec).payload_hash != first


def test_characters_that_postgresql_refuses_are_cleaned() -> None:
    """The record says what was changed, and the stamp is read all the same."""
    record = as_kind_record(b'{"id": 1, "a": "x\\u0000y", "updatedOn": "2026-03-01 10:00:00"}', PLAIN)
    assert record.reason == "U+0000"
    assert record.source_updated_at == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_values_of_a_map_need_not_be_objects() -> None:
    """A country is a name."""
    record = as_kind_record(b'"Germany"', PLAIN, "DE")
    assert (record.source_id, json.loads(record.payload)) == ("DE", {"value": "Germany"})


def test_a_kind_is_read_from_all_its_lists() -> None:
    """Each with its own path and parameters, and in parts where only what may still change is asked for."""
    variants = (Variant({"b": 2}), Variant(path="/others/{parent}", prefix="o:"))
    spec = KindSpec("things", "/things/{parent}", params={"a": 1, "b": 1}, variants=variants, by_reservation="ids")
    assert list(spec.lists(7, date(2026, 3, 1))) == [
        ListToRead("/things/7", {"a": 1, "b": 2}),
        ListToRead("/others/7", {"a": 1, "b": 1}, "o:", is_optional=True),
    ]
    (plain,) = PLAIN.lists(None, None)
    assert plain == ListToRead("/things", {})
    windowed = replace(spec, window=Window("from", 1), variants=(Variant(),))
    assert [one.params for one in windowed.lists(7, date(2026, 3, 1), [3, 4])] == [
        {"a": 1, "b": 1, "from": "2026-02-28"},
        {"a": 1, "b": 1, "ids[0]": 3, "ids[1]": 4},
    ]
    assert [one.params for one in windowed.lists(7, None)] == [{"a": 1, "b": 1}]


def test_window_covers_objects_that_may_still_change() -> None:
    """It has no end if no date lies ahead."""
    assert Window("from", before=60).params(date(2026, 3, 1)) == [{"from": "2025-12-31"}]
    both = Window("from", before=1, last="to", after=2, also=(("begin", "end"),))
    assert both.params(date(2026, 3, 1)) == [
        {"from": "2026-02-28", "to": "2026-03-03"},
        {"begin": "2026-02-28", "end": "2026-03-03"},
    ]


def test_no_window_is_longer_than_hostaway_answers() -> None:
    """Charges of more than 60 days are refused."""
    window = KINDS["charges"].window
    assert window is not None
    assert window.before + window.after <= 60


@pytest.mark.parametrize(("reservations", "requests"), [(0, 2), (1, 3), (200, 3), (201, 4), (400, 4)])
def test_charges_of_two_hundred_reservations_are_one_request(reservations: int, requests: int) -> None:
    """Beside those of the window, by either of their dates."""
    lists = list(KINDS["charges"].lists(None, date(2026, 3, 1), range(1, reservations + 1)))
    assert len(lists) == requests
    named = [number for one in lists for key, number in one.params.items() if key.startswith("reservationIds[")]
    assert named == list(range(1, reservations + 1))


@given(
    rows=st.integers(0, 700),
    cap=st.sampled_from([10, 20, 25, 50, 100, 500]),
    counts=st.booleans(),
    ignores_offset=st.booleans(),
)
def test_every_list_is_read_to_its_end(rows: int, cap: int, *, counts: bool, ignores_offset: bool) -> None:
    """With any paging; a list that may be cut is doubted, and none is endless."""
    names, state, requests = [str(number) for number in range(rows)], ListState(), 0
    while not state.is_over:
        first = 0 if ignores_offset else state.offset
        state.add(names[first : first + cap], rows if counts else None)
        requests += 1
        assert requests <= rows // cap + 2
    if state.doubt is None:
        cut_unseen = ignores_offset and not counts and cap < LIMIT
        assert state.names == set(names) or cut_unseen
    if not ignores_offset:
        assert state.doubt is None


@given(st.lists(st.lists(st.integers(0, 120), max_size=60, unique=True), min_size=1, max_size=8))
def test_repeated_rows_make_a_list_doubtful(pages: list[list[int]]) -> None:
    """Rows moved while it was read, so that others may be missing."""
    state = ListState()
    seen: set[int] = set()
    came_twice = False
    for page in pages:
        if state.is_over:
            break
        came_twice |= bool(seen) and bool(seen & set(page)) and not seen >= set(page)
        seen |= set(page)
        state.add([str(number) for number in page], None)
    if came_twice:
        assert state.doubt is not None


def test_list_that_ends_before_its_count_is_doubtful() -> None:
    """The server itself counts more."""
    state = ListState()
    state.add([str(number) for number in range(LARGE_PAGE)], 80)
    state.add([], 80)
    assert state.is_over
    assert state.doubt == "50 rows were read where Hostaway counts 80"


def test_kinds_have_names_for_views_and_distinct_paths() -> None:
    """A name becomes part of SQL, so that it must need no quotes."""
    kinds = list_kinds()
    assert all(kind.name.replace("_", "").isalpha() and kind.name.islower() for kind in kinds)
    assert len({spec.path for spec in KINDS.values()}) == len(kinds)
    assert [kind.name for kind in kinds if kind.columns] == ["reviews", "tasks"]


@pytest.mark.parametrize(("name", "requests"), [("tasks", 1), ("custom_fields", 3), ("coupons", 1), ("charges", 3)])
def test_kind_knows_how_many_requests_read_it(name: str, requests: int) -> None:
    """The lists that make it up, or the parts of them that may still change."""
    assert KINDS[name].kind.requests == requests
