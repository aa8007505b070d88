"""Bytes → records, whatever the bytes are."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.records import OBJECTS, Record, Resource
from hostaway_sync.platforms.hostaway.paging.rows import LazyRecords, as_row
from hostaway_sync.platforms.hostaway.parsing.resources import (
    SPECS,
    as_record,
    choose_list,
    object_path,
)

RESERVATION = SPECS[Resource.RESERVATIONS]
MESSAGE = SPECS[Resource.MESSAGES]
CONVERSATION = SPECS[Resource.CONVERSATIONS]
NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
GOOD = {
    "id": 41200077,
    "listingMapId": 300101,
    "channelId": 2018,
    "status": "new",
    "arrivalDate": "2026-12-04",
    "departureDate": "2026-12-07",
    "updatedOn": "2026-11-20 12:00:00",
    "latestActivityOn": "2026-11-20 11:00:00",
}


def short(value: object) -> str:
    """Name a parameter by its beginning."""
    return repr(value)[:40]


def reservation(**changes: object) -> Record:
    """Read a reservation with these keys changed."""
    return as_record(json.dumps(GOOD | changes).encode(), RESERVATION)


def test_every_resource_has_a_specification_of_its_own() -> None:
    """Its shape names its typed columns."""
    assert set(SPECS) == set(OBJECTS)
    assert all(spec.resource is resource for resource, spec in SPECS.items())
    assert SPECS[Resource.MESSAGES].shape.columns == (
        "conversation_id",
        "reservation_id",
        "is_incoming",
        "status",
        "is_final",
        "sent_at",
    )
    assert all(spec.params["includeResources"] == 1 for spec in SPECS.values())


def test_valid_row_keeps_its_exact_bytes() -> None:
    """Its text is what was received, and nothing is quarantined."""
    raw = json.dumps(GOOD, ensure_ascii=False).encode()
    record = as_record(raw, RESERVATION)
    assert record == Record(
        id=41200077,
        payload=raw.decode(),
        payload_hash=b"\x01" + blake2b(raw, digest_size=16).digest(),
        source_updated_at=NOON,
        columns={
            "listing_id": 300101,
            "channel_id": 2018,
            "status": "new",
            "arrival_date": date(2026, 12, 4),
            "departure_date": date(2026, 12, 7),
        },
        activity='"2026-11-20 11:00:00"',
    )


def test_message_has_its_own_columns() -> None:
    """`sent_at` is the message's date."""
    raw = b'{"id":5,"conversationId":"6","reservationId":null,"isIncoming":1,"status":"sent",'
    raw += b'"date":"2026-11-20 12:00:00"}'
    record = as_record(raw, MESSAGE)
    assert dict(record.columns) == {
        "conversation_id": 6,
        "reservation_id": None,
        "is_incoming": True,
        "status": "sent",
        "is_final": True,
        "sent_at": NOON,
    }
    assert record.source_updated_at is None
    assert record.activity is None
    assert record.misfits == ()


@pytest.mark.parametrize(
    ("status", "expected", "misfits"),
    [
        ("sent", True, ()),
        ("cancelled_by_user", True, ()),
        ("somethingNew", True, ()),
        ("awaiting", False, ()),
        ("paused", False, ()),
        (None, None, ()),
        (5, None, ("status",)),
        (["awaiting"], None, ("status",)),
    ],
)
def test_message_is_final_unless_it_waits(status: object, expected: bool | None, misfits: tuple[str, ...]) -> None:  # noqa: FBT001  (a value drawn for the test)
    """A status of another type is counted once, and the message is final."""
    record = as_record(json.dumps({"id": 1, "status": status}).encode(), MESSAGE)
    assert record.columns["is_final"] is expected
    assert record.misfits == misfits


def test_conversation_has_no_stamp() -> None:
    """None of its keys moves with every change."""
    record = as_record(b'{"id":5,"updatedOn":"2026-11-20 12:00:00"}', CONVERSATION)
    assert record.source_updated_at is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"id":1}', "|"),
        (b'{"id":1,"messageSentOn":null , "messageReceivedOn":null}', "|"),
        (b'{"id":1,"messageSentOn":"2026-11-20 12:00:00"}', '"2026-11-20 12:00:00"|'),
        (b'{"id":1,"messageReceivedOn":"b","messageSentOn": "a" }', '"a"|"b"'),
        (b'{"id":1,"messageSentOn":1.50,"messageReceivedOn":[ {} ]}', "1.50|[ {} ]"),
        (rb'{"id":1,"messageSentOn":"a\u0000\ud83d","messageReceivedOn":""}', r'"a\ufffd\ufffd"|""'),
        (b'{"id":1,"messageSentOn":"\xff\x00","messageReceivedOn":NaN}', '"\ufffd\\ufffd"|'),
        (rb'{"id":1e400,"messageSentOn":"a","messageReceivedOn":"\ud83d\ude00"}', r'"a"|"\ud83d\ude00"'),
        (b"[1]", None),
        (b"{", None),
    ],
    ids=short,
)
def test_activity_is_stored_as_received(raw: bytes, expected: str | None) -> None:
    """Any text of the source that can be stored; never a misfit."""
    record = as_record(raw, CONVERSATION)
    assert record.activity == expected
    assert record.misfits == ()


def test_listings_and_messages_have_no_activity() -> None:
    """Their keys say nothing about messages, not even a key that does so in other resources."""
    for resource in (Resource.LISTINGS, Resource.MESSAGES):
        assert as_record(b'{"id":5,"latestActivityOn":"2026-11-20 12:00:00"}', SPECS[resource]).activity is None


def test_specs_of_newest_lists_differ_in_their_request_only() -> None:
    """Without one the whole list is read; a parent's list is always whole."""
    for resource in (Resource.LISTINGS, Resource.RESERVATIONS):
        newest = choose_list(resource, of_parent=False, newest=True)
        assert (newest.is_whole, newest.shape) == (False, SPECS[resource].shape)
        assert choose_list(resource, of_parent=False, newest=False) is SPECS[resource]
    for parent in (Resource.CONVERSATIONS, Resource.MESSAGES):
        assert choose_list(parent, of_parent=True, newest=True).is_whole
    assert choose_list(Resource.CONVERSATIONS, of_parent=False, newest=True) is SPECS[Resource.CONVERSATIONS]
    with pytest.raises(ValueError, match="parent"):
        choose_list(Resource.MESSAGES, of_parent=False, newest=False)


@pytest.mark.parametrize(
    ("resource", "parent", "expected"),
    [
        (Resource.LISTINGS, None, "/listings/5"),
        (Resource.RESERVATIONS, None, "/reservations/5"),
        (Resource.CONVERSATIONS, None, "/conversations/5"),
        (Resource.CONVERSATIONS, 7, "/conversations/5"),
        (Resource.MESSAGES, 7, "/conversations/7/messages/5"),
    ],
)
def test_path_of_an_object_is_below_its_list(resource: Resource, parent: int | None, expected: str) -> None:
    """A parent matters only where the list belongs to a parent."""
    assert object_path(resource, 5, parent) == expected


def test_message_without_its_conversation_has_no_path() -> None:
    """Its list needs one."""
    with pytest.raises(ValueError, match="parent"):
        object_path(Resource.MESSAGES, 5, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7), (7.0, 7), ("7", 7), (" 007 ", 7), (2**63 - 1, 2**63 - 1), ("9223372036854775807", 2**63 - 1)],
)
def test_id_of_any_type_is_read(value: object, expected: int) -> None:
    """A whole number, in any notation."""
    assert reservation(id=value).id == expected


@pytest.mark.parametrize(
    "value",
    ["null", '""', "0", "-1", "7.5", '"7.5"', '"x"', '"٣"', "true", "[7]", '{"id":7}', str(2**63), "9" * 5000, "1e400"],
    ids=short,
)
def test_row_without_a_usable_id_keeps_its_exact_bytes(value: str) -> None:
    """It becomes a quarantined record with the reason."""
    raw = f'{{"id":{value},"status":"new"}}'.encode()
    record = as_record(raw, RESERVATION)
    assert (record.id, record.exact, record.reason) == (None, raw, "no usable id")
    assert record.columns["status"] == "new"


def test_row_without_an_id_keeps_its_exact_bytes() -> None:
    """As one whose id is null."""
    record = as_record(b'{"status":"new"}', RESERVATION)
    assert (record.id, record.exact, record.reason) == (None, b'{"status":"new"}', "no usable id")


@pytest.mark.parametrize(
    ("key", "column", "value", "expected"),
    [
        ("listingMapId", "listing_id", "12", 12),
        ("listingMapId", "listing_id", "", None),
        ("listingMapId", "listing_id", -(2**63), -(2**63)),
        ("status", "status", "somethingNew", "somethingNew"),
        ("status", "status", "", ""),
        ("status", "status", None, None),
        ("arrivalDate", "arrival_date", "2026-12-04 15:00:00", date(2026, 12, 4)),
        ("arrivalDate", "arrival_date", "", None),
        ("arrivalDate", "arrival_date", "0000-00-00", None),
        ("arrivalDate", "arrival_date", "0000-00-00 00:00:00", None),
    ],
)
def test_values_of_other_types_are_read(key: str, column: str, value: object, expected: object) -> None:
    """Without a misfit, where they mean a value or no value."""
    record = reservation(**{key: value})
    assert record.columns[column] == expected
    assert record.misfits == ()


@pytest.mark.parametrize(
    ("key", "column", "value"),
    [
        ("listingMapId", "listing_id", "twelve"),
        ("listingMapId", "listing_id", True),
        ("listingMapId", "listing_id", 2**63),
        ("listingMapId", "listing_id", {}),
        ("channelId", "channel_id", 1.5),
        ("status", "status", 5),
        ("arrivalDate", "arrival_date", "tomorrow"),
        ("arrivalDate", "arrival_date", "tomorrow at noon"),
        ("arrivalDate", "arrival_date", "2026-02-30"),
        ("departureDate", "departure_date", 20261204),
    ],
)
def test_value_that_does_not_fit_its_column_is_named(key: str, column: str, value: object) -> None:
    """The column is null, the record is not lost."""
    record = reservation(**{key: value})
    assert record.id == 41200077
    assert record.columns[column] is None
    assert record.misfits == (column,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20 12:00:00", NOON),
        ("2026-11-20T12:00:00", NOON),
        ("2026-11-20T12:00:00Z", NOON),
        ("2026-11-20T14:00:00+02:00", NOON),
        ("", None),
        (None, None),
        ("0000-00-00 00:00:00", None),
    ],
)
def test_stamps_are_read_as_utc(text: str | None, expected: datetime | None) -> None:
    """With or without a zone; null stays null."""
    record = reservation(updatedOn=text)
    assert record.source_updated_at == expected
    assert record.misfits == ()


@pytest.mark.parametrize("value", ["yesterday", 1763640000, "0001-01-01T00:00:00+10:00", "2026-13-01 00:00:00"])
def test_unreadable_stamp_is_a_misfit(value: object) -> None:
    """The record has no stamp then."""
    record = reservation(updatedOn=value)
    assert record.source_updated_at is None
    assert record.misfits == ("source_updated_at",)


@pytest.mark.parametrize(
    ("value", "expected", "misfits"),
    [
        (0, False, ()),
        (1, True, ()),
        (True, True, ()),
        (False, False, ()),
        ("0", False, ()),
        ("1", True, ()),
        ("", None, ()),
        (None, None, ()),
        (2, None, ("is_incoming",)),
        ("yes", None, ("is_incoming",)),
        ([], None, ("is_incoming",)),
    ],
)
def test_booleans_are_read(value: object, expected: bool | None, misfits: tuple[str, ...]) -> None:  # noqa: FBT001  (a value drawn for the test)
    """0 and 1 in all their notations."""
    record = as_record(json.dumps({"id": 1, "isIncoming": value}).encode(), MESSAGE)
    assert record.columns["is_incoming"] is expected
    assert record.misfits == misfits


@pytest.mark.parametrize(
    ("raw", "payload", "reason"),
    [
        (rb'{"id":1,"a":"x\u0000y"}', r'{"id":1,"a":"x\ufffdy"}', "U+0000"),
        (rb'{"id":1,"\u0000":1}', r'{"id":1,"\ufffd":1}', "U+0000"),
        (rb'{"id":1,"a":"\ud83d"}', r'{"id":1,"a":"\ufffd"}', "lone surrogate"),
        (rb'{"id":1,"a":"\ude00\ud83d x"}', r'{"id":1,"a":"\ufffd\ufffd x"}', "lone surrogate"),
        (b'{"id":1,"a":"\xff\xc3"}', '{"id":1,"a":"\ufffd\ufffd"}', "invalid UTF-8"),
        (b'{"id":1,"a":"\xed\xa0\xbd"}', '{"id":1,"a":"\ufffd\ufffd\ufffd"}', "invalid UTF-8"),
        (b'{"id":1,"a":"\x00\n"}', r'{"id":1,"a":"\ufffd\u000a"}', "control character"),
        (b'{"id":1,"a":1e200000}', '{"id":1,"a":null}', "number out of range"),
        (b'{"id":1,"a":[1E-99999 , 2]}', '{"id":1,"a":[null , 2]}', "number out of range"),
        (b'{"id":1,"a":-1e00000000012345678}', '{"id":1,"a":null}', "number out of range"),
        (b'{"id":1,"a":' + b"9" * 131_073 + b"}", '{"id":1,"a":null}', "number out of range"),
        (b'{"id":1,"a":0.' + b"9" * 16_384 + b"}", '{"id":1,"a":null}', "number out of range"),
        (b'{"id":1,"a":NaN,"b":-Infinity}', '{"id":1,"a":null,"b":null}', "number that is none"),
        (
            rb'{"id":1,"a":"\u0000\ud83d","b":1e99999999}',
            r'{"id":1,"a":"\ufffd\ufffd","b":null}',
            "U+0000, lone surrogate, number out of range",
        ),
    ],
    ids=short,
)
def test_payload_that_jsonb_refuses_is_cleaned_and_kept(raw: bytes, payload: str, reason: str) -> None:
    """The row has a replacement, and quarantine the received bytes."""
    record = as_record(raw, RESERVATION)
    assert (record.id, record.payload, record.exact, record.reason) == (1, payload, raw, reason)
    assert record.payload_hash == b"\x01" + blake2b(raw, digest_size=16).digest()
    assert_row_says_what_the_record_says(raw)


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"id":1,"a":"\\u0000 \\ud83d"}',
        rb'{"id":1,"a":"\ud83d\ude00 \u00e9 \/"}',
        b'{"id":1,"a":1e00000000000000001,"b":-2.5E+3,"c":1e12345}',
        b'{"id":1,"a":"id 7e12345, of 2025"}',
        b'{"id":1,"hash":"5d0e12345678,0e99999"}',
        b'{"id":1,"a":' + b"9" * 20_000 + b"}",
        b'{"id":1,"a":"' + b"0" * 20_000 + b'"}',
    ],
    ids=short,
)
def test_payload_that_only_looks_invalid_is_unchanged(raw: bytes) -> None:
    """A false alarm changes nothing."""
    record = as_record(raw, RESERVATION)
    assert (record.id, record.payload, record.exact, record.reason) == (1, raw.decode(), None, None)


@pytest.mark.parametrize("depth", [498, 600, 5_000, 100_000])
def test_deep_nesting_is_cut_where_it_gets_too_deep(depth: int) -> None:
    """The record keeps its id and all values that are not too deep."""
    raw = b'{"id":1,"deep":' + b"[" * depth + b'{"x":1}' + b"]" * depth + b',"status":"new"}'
    record = as_record(raw, RESERVATION)
    assert record.id == 1
    assert record.columns["status"] == "new"
    if depth < 500:
        assert record.exact is None
    else:
        assert (record.exact, record.reason) == (raw, "nested too deeply")
        assert record.payload == '{"id":1,"deep":' + "[" * 499 + "null" + "]" * 499 + ',"status":"new"}'


@pytest.mark.parametrize(
    ("raw", "payload", "reason"),
    [
        (b"", "null", "not JSON"),
        (b"{nonsense}", "null", "not JSON"),
        (b'{"id":1,"a":"\\x"}', "null", "not JSON"),
        (b'{"id":1]', "null", "not JSON"),
        (b'{"id":1}}', "null", "not JSON"),
        (b'{"id":1', "null", "not JSON"),
        (b'{"id":"', "null", "not JSON"),
        (b"[1]", "[1]", "not an object"),
        (b"null", "null", "not an object"),
        (rb'"\u0000"', r'"\ufffd"', "not an object"),
    ],
)
def test_value_that_is_no_object_keeps_its_exact_bytes(raw: bytes, payload: str, reason: str) -> None:
    """It is quarantined."""
    record = as_record(raw, RESERVATION)
    assert (record.id, record.payload, record.exact, record.reason) == (None, payload, raw, reason)


def test_number_that_no_float_holds_is_a_misfit() -> None:
    """JSONB keeps it; the column cannot."""
    raw = b'{"id":1,"listingMapId":1e400,"status":"new"}'
    record = as_record(raw, RESERVATION)
    assert (record.id, record.payload, record.exact) == (1, raw.decode(), None)
    assert (record.columns["listing_id"], record.columns["status"]) == (None, "new")
    assert record.misfits == ("listing_id",)


def test_text_columns_hold_nothing_that_cannot_be_stored() -> None:
    """A zero character is replaced there, too."""
    record = as_record(rb'{"id":1,"status":"a\u0000\ud83d"}', RESERVATION)
    assert record.columns["status"] == "a\ufffd\ufffd"


def test_page_holds_the_newest_row_of_an_id() -> None:
    """Of equals the first; a row without a stamp never replaces one; rows without an id all stay."""
    changes: list[dict[str, object]] = [
        {"id": 1, "status": "old", "updatedOn": "2026-11-20 11:00:00"},
        {"id": 2, "status": "first"},
        {"id": 1, "status": "new", "updatedOn": "2026-11-20 12:00:00"},
        {"id": 2, "status": "second"},
        {"id": 1, "status": "nothing", "updatedOn": None},
        {"id": 3, "status": "nothing", "updatedOn": None},
        {"id": 3, "status": "something"},
        {"id": None},
        {"id": None},
    ]
    raws = [json.dumps(GOOD | changed).encode() for changed in changes]
    records = LazyRecords(RESERVATION, raws, [as_row(raw, RESERVATION) for raw in raws])
    assert len(records) == 5
    assert [(record.id, record.columns["status"]) for record in records] == [
        (1, "new"),
        (2, "first"),
        (3, "something"),
        (None, "new"),
        (None, "new"),
    ]
    assert records[0] is records[:1][0]


def assert_row_says_what_the_record_says(raw: bytes) -> None:
    """Check the row of the walk against the record of the store."""
    for spec in SPECS.values():
        record = as_record(raw, spec)
        assert as_row(raw, spec) == (record.id, record.source_updated_at, record.payload_hash)


@given(raw=st.binary(max_size=80))
def test_any_bytes_make_a_record(raw: bytes) -> None:
    """No received bytes are dropped or fatal."""
    for tried in (raw, b'{"id":1,"status":"' + raw + b'"}', b'{"id":' + raw + b"}"):
        record = as_record(tried, RESERVATION)
        json.loads(record.payload)
        record.payload.encode()
        assert (record.exact is None) == (record.reason is None)
        assert record.exact in (None, tried)
        assert record.exact is not None or record.payload.encode() == tried
        assert_row_says_what_the_record_says(tried)


ODD_TEXT = st.sampled_from([*'a0\0\n\\"/é', "\ud83d", "\ude00", "\U0001f600"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(ODD_TEXT, max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(ODD_TEXT, max_size=3), inner, max_size=4),
    max_leaves=8,
)


@given(fields=st.dictionaries(st.sampled_from([*GOOD, "note"]), JSON_VALUES, max_size=8), ascii_only=st.booleans())
def test_any_json_in_any_key_makes_a_record(fields: dict[str, object], ascii_only: bool) -> None:  # noqa: FBT001  (a value drawn for the test)
    """Wrong types in every column at once are misfits, and no errors."""
    text = json.dumps(fields, ensure_ascii=ascii_only)
    record = as_record(text.encode(errors="surrogatepass"), RESERVATION)
    assert set(record.columns) == set(RESERVATION.columns)
    assert record.activity is not None
    assert "\0" not in record.activity
    record.activity.encode()
    assert "\\u0000" not in record.payload.replace("\\\\", "")
    assert_row_says_what_the_record_says(text.encode(errors="surrogatepass"))
