"""The fields that an object keeps when its guest is forgotten."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import pytest

from hostaway_sync.model.records import Record, Resource, Shape
from hostaway_sync.model.vocabulary import KeptFields, Vocabulary
from hostaway_sync.store.privacy.erasure_rules import (
    ERASED_BYTES,
    HASH_RULE,
    erase_bytes,
    erase_record,
    find_copied_owners,
    hash_remains,
    is_free_of_guest,
    remaining_payload,
)

KEPT = KeptFields(
    numbers=frozenset({"id", "nights"}),
    moments=frozenset({"arrivalDate"}),
    words=frozenset({"status"}),
    number_key_pattern=r"\w*Price",
    emptied=frozenset({"body"}),
)
WORDS = Vocabulary(
    kept_after_erasure={"reservations": KEPT},
    copy_keys={"reservations": "Reservation", "messages": "conversationMessages"},
    copy_owner_keys={"reservations": ("id",), "messages": ("reservationId", "conversationId")},
)
SHAPE = Shape(Resource.RESERVATIONS, vocabulary=WORDS)


def left_of(**fields: Any) -> dict[str, Any]:
    """Return the rest of a reservation with these fields, without the emptied one."""
    left: dict[str, Any] = json.loads(remaining_payload(Resource.RESERVATIONS, json.dumps(fields), WORDS))
    assert left.pop("body") == ""
    return left


@pytest.mark.parametrize(
    ("key", "kept", "erased"),
    [
        ("nights", [3, -3, 2.5, 1e3, "3", "-3.5", True, None], ["three", "", "3 nights", {}, [3], "1234567890123"]),
        ("totalPrice", [310.5, "310.50"], ["310 EUR", "Ada"]),
        ("arrivalDate", ["2026-03-01", "2026-03-01 15:00:00", "2026-03-01T15:00:00.5Z", "", None], ["tomorrow", 3]),
        ("status", ["new", "ownerStay", "", None, 3], ["Ada Lovelace", "x" * 41]),
        ("guestName", [], ["Ada", None, 3, ""]),
        ("price", [], [3]),
    ],
)
def test_field_stays_only_in_its_form(key: str, kept: list[object], erased: list[object]) -> None:
    """A name in place of a number is personal, whatever its key is called."""
    for value in kept:
        assert left_of(**{key: value}) == {key: value}
    for value in erased:
        assert left_of(**{key: value}) == {}


def test_without_a_pattern_only_named_keys_stay() -> None:
    """An empty pattern matches no key, not even an empty one."""
    words = Vocabulary(kept_after_erasure={"messages": KeptFields(numbers=frozenset({"id"}))})
    assert remaining_payload(Resource.MESSAGES, '{"id": 3, "": 4, "price": 5}', words) == '{"id":3}'
    assert remaining_payload(Resource.LISTINGS, '{"id": 3}', words) == "{}"


def test_rest_of_an_erased_object_is_sorted_and_stable() -> None:
    """Equal rests have equal bytes and hashes; an unreadable payload leaves only the emptied keys."""
    remaining = remaining_payload(Resource.RESERVATIONS, '{"nights": 3, "id": 41, "guestName": "Ada"}', WORDS)
    assert remaining == '{"body":"","id":41,"nights":3}'
    assert remaining_payload(Resource.RESERVATIONS, remaining, WORDS) == remaining
    assert remaining_payload(Resource.RESERVATIONS, "[1", WORDS) == '{"body":""}'


@pytest.mark.parametrize(
    ("payload", "is_free"),
    [
        ("{}", True),
        ('{"nights": 3, "status": "new"}', True),
        ('{"nights": 3, "body": ""}', True),
        ('{"nights": 3, "body": "Ada"}', False),
        ('{"nights": "", "status": "new"}', False),
        ('{"guestName": ""}', False),
    ],
)
def test_fields_that_may_stay_are_free_of_a_guest(payload: str, *, is_free: bool) -> None:
    """Each of them; an emptied one only without a text, and none of a resource that keeps none."""
    assert is_free_of_guest(Resource.RESERVATIONS, payload, WORDS) is is_free
    assert is_free_of_guest(Resource.LISTINGS, payload, WORDS) is (payload == "{}")


def test_hash_of_an_erased_object_is_that_of_its_rest() -> None:
    """Its first byte tells it from the hash of a received payload, and 128 bits follow."""
    assert hash_remains("{}") == HASH_RULE + blake2b(b"{}", digest_size=16).digest()
    assert hash_remains("{}") != hash_remains('{"id":1}')


def test_erased_record_keeps_no_free_text() -> None:
    """Columns and activity keep one word or timestamps; exact bytes and reason are deleted."""
    activity = '"2026-03-01 10:00:00"|null'
    record = Record(
        41,
        '{"id": 41, "guestName": "Ada"}',
        b"old",
        None,
        columns={"status": "new", "listing_id": 7, "guest": "Ada"},
        exact=b"Ada",
        reason="it held U+0000",
        activity=activity,
    )
    erased = erase_record(record, SHAPE)
    assert erased == Record(
        41,
        '{"body":"","id":41}',
        hash_remains('{"body":"","id":41}'),
        None,
        columns={"status": "new", "listing_id": 7, "guest": None},
        activity=activity,
    )
    assert erase_record(erased, SHAPE) == erased


@pytest.mark.parametrize(
    ("activity", "kept"),
    [
        (None, None),
        ('"2026-03-01T10:00:00Z"', '"2026-03-01T10:00:00Z"'),
        ("Ada wrote", None),
        ('"2026-03-01"|Ada', None),
    ],
)
def test_activity_stays_only_as_timestamps(activity: str | None, kept: str | None) -> None:
    """It comes from the payload, where a field may hold any text."""
    assert erase_record(Record(41, "{}", b"", None, activity=activity), SHAPE).activity == kept


@pytest.mark.parametrize("status", ["Ada Lovelace", "new\n", "x" * 41])
def test_status_of_free_text_is_erased(status: str) -> None:
    """One word may stay, a longer text may be about the guest."""
    assert erase_record(Record(41, "{}", b"", None, columns={"status": status}), SHAPE).columns == {"status": None}


def test_bytes_without_an_id_keep_only_their_size() -> None:
    """Which of them are about the guest is unknown."""
    erased = erase_record(Record(None, '{"guestName": "Ada"}', b"h", None, exact=b"Ada!", reason="no id"), SHAPE)
    assert (erased.payload, erased.exact, erased.reason) == ('{"body":""}', ERASED_BYTES + b"4 bytes", "no id")
    assert erase_record(erased, SHAPE) == erased
    assert erase_record(Record(None, "{}", b"h", None), SHAPE).exact == ERASED_BYTES + b"0 bytes"
    assert erase_bytes(erase_bytes(b"Ada")) == ERASED_BYTES + b"3 bytes"


@pytest.mark.parametrize(
    ("payload", "owners"),
    [
        ('{"Reservation": {"id": 41, "guestName": "Ada"}}', (41,)),
        ('{"conversationMessages": [{"reservationId": 41, "conversationId": 5}, 3, {}]}', (41, 5, None, None)),
        ('{"Reservation": {"id": 41}, "conversationMessages": [{"reservationId": 42}]}', (41, 42, None)),
        ('{"Reservation": null, "conversationMessages": "x"}', ()),
        ("{}", ()),
        ("[1", None),
        ("[]", None),
    ],
)
def test_copies_inside_a_conversation_name_their_owners(payload: str, owners: tuple[object, ...] | None) -> None:
    """One copy or a list of them; an unreadable payload may be about any guest."""
    assert find_copied_owners(payload, WORDS) == owners
