"""What a record of a kind holds, byte by byte."""

from __future__ import annotations

import json
import sys
from hashlib import blake2b
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.model.redaction import MARK_BYTES, Redaction, parse_rules
from hostaway_sync.platforms.hostaway.kinds.records import as_kind_record
from hostaway_sync.platforms.hostaway.kinds.spec import KindSpec
from hostaway_sync.platforms.hostaway.kinds.table import KINDS
from hostaway_sync.platforms.hostaway.parsing.resources import HASH_RULE
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY

if TYPE_CHECKING:
    from hostaway_sync.model.kinds.kind import KindRecord

PLAIN = KindSpec("things", "/things", stamp="updatedOn")


def test_hash_of_an_object_stays_the_same_between_releases() -> None:
    """Another rule would make every mirrored object a changed one; such a rule needs a new first byte."""
    assert as_kind_record(b'{"id": 1, "a": 2}', PLAIN).payload_hash.hex() == "019e356e53074ad3593d5f3f6e55bc8746"


def test_values_without_secret_keys_keep_their_exact_bytes() -> None:
    """Spaces and digits inside a value are those that were received."""
    record = as_kind_record(b'{"id": 1, "a": {"b" : 1.10}, "c": [ 2.0 ]}', PLAIN)
    assert record.payload == '{"id":1,"a":{"b" : 1.10},"c":[ 2.0 ]}'
    assert record.exact is None


def test_secret_keys_inside_lists_are_dropped_alone() -> None:
    """The other items and keys stay, numbers in the form in which they were received."""
    record = as_kind_record(b'{"id": 1, "a": [{"password": "x", "b": 1.10}, 2.0, "c"]}', PLAIN)
    assert record.payload == '{"id":1,"a":[{"b":1.10},2.0,"c"]}'


def test_secret_keys_inside_a_text_of_json_are_dropped() -> None:
    """Hostaway puts JSON into strings; other texts stay as they are, even if they name such a key."""
    inner = json.dumps(json.dumps({"password": "x", "b": 1}))
    record = as_kind_record(b'{"id": 1, "a": ' + inner.encode() + b', "c": "{password", "d": "my password"}', PLAIN)
    assert record.payload == '{"id":1,"a":"{\\"b\\":1}","c":"{password","d":"my password"}'


def test_a_text_of_json_without_secrets_keeps_its_bytes() -> None:
    """Also where it had to be searched, because its characters are escaped."""
    raw = json.dumps(' {"b":"\\u0041"}')
    assert as_kind_record(f'{{"id": 1, "a": {raw}}}'.encode(), PLAIN).payload == f'{{"id":1,"a":{raw}}}'
    listed = json.dumps('[{"password":"x"},1]')
    assert as_kind_record(f'{{"id": 1, "a": {listed}}}'.encode(), PLAIN).payload == '{"id":1,"a":"[{},1]"}'


def test_hashes_of_redacted_objects_are_keyed() -> None:
    """Also of bytes that are no object: nobody can compare a guess with one."""
    redactor = Redaction(parse_rules("*.note=drop"), b"s" * 32, VOCABULARY).redactor_for("things")
    assert redactor is not None
    for raw in (b'{"id":1,"a":2}', b"[1]", b"x"):
        found = as_kind_record(raw, PLAIN, redactor=redactor)
        assert found.payload_hash != as_kind_record(raw, PLAIN).payload_hash
        assert found.payload_hash.startswith(redactor.digest(b"")[:MARK_BYTES])
    assert as_kind_record(b'{"id":1,"note":2}', PLAIN, redactor=redactor).payload == '{"id":1}'


def test_object_too_deep_to_be_searched_keeps_its_size_alone() -> None:
    """It may hold a key that must not be stored, and must not end the run."""
    deep = b'{"id": 1, "a": ' + b'{"b":' * 490 + b'{"password": "x"}' + b"}" * 491

    def read_below(frames: int) -> KindRecord:
        return read_below(frames - 1) if frames else as_kind_record(deep, PLAIN)

    # Python 3.11 counts msgspec's own recursion, too, and takes two frames a level for the search; later ones one.
    record = read_below(sys.getrecursionlimit() - (600 if sys.version_info < (3, 12) else 400))
    assert record.source_id is None
    assert (record.exact or b"").startswith(b"not kept")


@pytest.mark.parametrize(
    ("raw", "source_id"),
    [
        (b'{"id": false}', None),
        (b'{"id": [1]}', None),
        (b'{"id": "X-7"}', "X-7"),
        (b'{"id": "' + b"9" * 200 + b'"}', "9" * 200),
        (b'{"id": "' + b"9" * 201 + b'"}', None),
    ],
)
def test_id_is_short_text_or_a_number(raw: bytes, source_id: str | None) -> None:
    """A record without such an id gets no row; its payload is kept."""
    record = as_kind_record(raw, PLAIN)
    assert record.source_id == source_id
    if source_id is None:
        assert (record.exact, record.reason) == (record.payload.encode(), "no usable id")


def test_ids_of_several_keys_are_joined_by_colons() -> None:
    """One that lacks a key is no id."""
    spec = KindSpec("things", "/things", id_keys=("a", "b"))
    assert as_kind_record(b'{"a": 1, "b": "x"}', spec).source_id == "1:x"
    assert as_kind_record(b'{"a": 1}', spec).source_id is None


def test_each_value_that_does_not_fit_its_column_is_counted() -> None:
    """These columns are null."""
    record = as_kind_record(b'{"id": 7, "channelId": "x", "rating": "good", "arrivalDate": "soon"}', KINDS["reviews"])
    assert record.misfits == 3
    assert [record.columns[name] for name in ("channel_id", "rating", "arrival_date")] == [None, None, None]


def test_cleaned_object_keeps_its_cleaned_bytes_and_the_reason() -> None:
    """The received bytes may hold keys that must not be stored."""
    record = as_kind_record(b'{"id": 1, "a": "x\\u0000"}', PLAIN)
    assert (record.source_id, record.reason) == ("1", "U+0000")
    assert record.exact == record.payload.encode() == b'{"id":1,"a":"x\\ufffd"}'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"\xff", "not JSON"), (b'{"id"', "not JSON"), (b"[1]", "not an object"), (b"7", "not an object")],
)
def test_bytes_that_are_no_object_leave_size_and_digest(raw: bytes, reason: str) -> None:
    """Equal bytes have equal digests, so that they are quarantined once."""
    record = as_kind_record(raw, PLAIN)
    digest = blake2b(raw, digest_size=16).digest()
    assert (record.source_id, record.payload, record.reason) == (None, "null", reason)
    assert record.payload_hash == HASH_RULE + digest
    assert record.exact == f"not kept: {len(raw)} bytes, blake2b {digest.hex()}".encode()
