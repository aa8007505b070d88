"""The fields that stay of an object once its guest is forgotten: nights, money, and the ids of related objects.

The rules list the fields that may stay, so that a field that the source adds later is erased without a change here.
A field stays only in a form that cannot hold personal data: a number, a date, one word.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.model.vocabulary import KeptFields

if TYPE_CHECKING:
    from hostaway_sync.model.records import Record, Resource, Shape
    from hostaway_sync.model.vocabulary import Vocabulary

HASH_RULE: Final = b"\x03"
"""First byte of the hash of a payload whose guest is forgotten; the hash is taken over the remaining payload."""
_DIGEST_BYTES: Final = 16
ERASED: Final = "erased with a guest"
ERASED_BYTES: Final = f"{ERASED}: ".encode()
"""The first bytes of a value that was erased, and of which only the size is kept."""

_NUMBER: Final = re.compile(rb'-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?|"-?\d{1,12}(\.\d{1,6})?"|true|false|null')
_TIME: Final = re.compile(rb'"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?"|""|null')
_WORD: Final = re.compile(rb'"[A-Za-z_]{0,40}"|-?\d{1,18}|true|false|null')
_TIMESTAMP: Final = '(null|"[0-9TZ :.+-]{0,40}")?'
FORMS: Final = {"status": "[A-Za-z_]{0,40}", "activity": rf"{_TIMESTAMP}([|]{_TIMESTAMP})*"}
"""Patterns of the text that typed columns may keep, one word or timestamps; valid in Python and in PostgreSQL."""
_OBJECTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL: Final = msgspec.Raw(b"null")
_EMPTY: Final = msgspec.Raw(b'""')


def find_copied_owners(payload: str, words: Vocabulary) -> tuple[object, ...] | None:
    """Return the owner ids that stand in the copies inside a conversation; None: the payload cannot be read."""
    owners: list[object] = []
    try:
        members = _OBJECTS.decode(payload)
        for resource, key in words.copy_keys.items():
            copies = msgspec.json.decode(members.get(key, _NULL))
            for one in copies if isinstance(copies, list) else [copies]:
                if isinstance(one, dict):
                    owners += [one.get(name) for name in words.copy_owner_keys[resource]]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return tuple(owners)


def remaining_payload(resource: Resource, payload: str, words: Vocabulary) -> str:
    """Return the fields of a payload that may stay, as JSON text with sorted keys; it is idempotent."""
    kept = words.kept_after_erasure.get(resource, KeptFields())
    try:
        members = _OBJECTS.decode(payload)
    except msgspec.MsgspecError:
        members = {}
    remaining = {key: value for key, value in members.items() if _may_stay(key, value, kept)}
    remaining |= dict.fromkeys(kept.emptied, _EMPTY)
    return msgspec.json.encode(dict(sorted(remaining.items()))).decode()


def is_free_of_guest(resource: Resource, payload: str, words: Vocabulary) -> bool:
    """Whether all fields of some that a payload had may stay: nothing of a guest is in them."""
    kept = words.kept_after_erasure.get(resource, KeptFields())
    members = _OBJECTS.decode(payload)
    return all(
        _may_stay(key, value, kept) or (key in kept.emptied and value == _EMPTY) for key, value in members.items()
    )


def erase_record(record: Record, shape: Shape) -> Record:
    """Return a record without the data of its guest; it is idempotent."""
    payload = remaining_payload(shape.resource, record.payload, shape.vocabulary)
    if record.id is None:
        return replace(record, payload=payload, exact=erase_bytes(record.exact or b""))
    columns = {name: _keep_if_allowed(name, value) for name, value in record.columns.items()}
    activity = _keep_if_allowed("activity", record.activity)
    kept = replace(record, payload=payload, payload_hash=hash_remains(payload), columns=columns, activity=activity)
    return replace(kept, exact=None, reason=None)


def _keep_if_allowed(column: str, value: Any) -> Any:  # noqa: ANN401  (a value of any column)
    is_free = isinstance(value, str) and not re.fullmatch(FORMS.get(column, ""), value)
    return None if is_free else value


def hash_remains(payload: str) -> bytes:
    """Return the hash of a remaining payload."""
    return HASH_RULE + blake2b(payload.encode(), digest_size=_DIGEST_BYTES).digest()


def erase_bytes(exact: bytes) -> bytes:
    """Return the size of bytes in their place, where it is unknown which of them are about the guest."""
    return exact if exact.startswith(ERASED_BYTES) else ERASED_BYTES + f"{len(exact)} bytes".encode()


def _may_stay(key: str, value: msgspec.Raw, kept: KeptFields) -> bool:
    form = _form(key, kept)
    return form is not None and form.fullmatch(bytes(value)) is not None


def _form(key: str, kept: KeptFields) -> re.Pattern[bytes] | None:
    forms = ((kept.numbers, _NUMBER), (kept.moments, _TIME), (kept.words, _WORD))
    found = next((form for keys, form in forms if key in keys), None)
    is_sum = found is None and kept.number_key_pattern and re.fullmatch(kept.number_key_pattern, key)
    return _NUMBER if is_sum else found
