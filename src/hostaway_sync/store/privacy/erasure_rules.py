"""What stays of an object once its guest is forgotten: nights, money, and which object it belongs to.

A list of what may stay, not of what must go: a field that the source adds tomorrow goes by itself. And what may stay
stays only in a form that has no room for a person: a number, a date, one word.
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
"""First byte of the hash of a payload whose guest is forgotten: it is taken over what stays of it."""
_DIGEST_BYTES: Final = 16
ERASED: Final = "erased with a guest"
ERASED_BYTES: Final = f"{ERASED}: ".encode()
"""How bytes begin of which only their number is kept."""

_NUMBER: Final = re.compile(rb'-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?|"-?\d{1,12}(\.\d{1,6})?"|true|false|null')
_MOMENT: Final = re.compile(rb'"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?"|""|null')
_WORD: Final = re.compile(rb'"[A-Za-z_]{0,40}"|-?\d{1,18}|true|false|null')
_STAMP: Final = '(null|"[0-9TZ :.+-]{0,40}")?'
FORMS: Final = {"status": "[A-Za-z_]{0,40}", "activity": rf"{_STAMP}([|]{_STAMP})*"}
"""What typed columns may keep that are text: one word, and stamps; as PostgreSQL reads patterns, too."""
_OBJECTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL: Final = msgspec.Raw(b"null")
_EMPTY: Final = msgspec.Raw(b'""')


def find_copied_owners(payload: str, words: Vocabulary) -> tuple[object, ...] | None:
    """Return what the copies inside a conversation say of whose they are; None: they cannot be read."""
    said: list[object] = []
    try:
        members = _OBJECTS.decode(payload)
        for resource, key in words.copy_keys.items():
            copies = msgspec.json.decode(members.get(key, _NULL))
            for one in copies if isinstance(copies, list) else [copies]:
                if isinstance(one, dict):
                    said += [one.get(name) for name in words.copy_owner_keys[resource]]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return tuple(said)


def remaining_payload(resource: Resource, payload: str, words: Vocabulary) -> str:
    """Give what stays of a payload, as JSON text whose keys are in order; of what stays, all stays."""
    kept = words.kept_after_erasure.get(resource, KeptFields())
    try:
        members = _OBJECTS.decode(payload)
    except msgspec.MsgspecError:
        members = {}
    staying = {key: value for key, value in members.items() if _may_stay(key, value, kept)}
    staying |= dict.fromkeys(kept.emptied, _EMPTY)
    return msgspec.json.encode(dict(sorted(staying.items()))).decode()


def erase_record(record: Record, shape: Shape) -> Record:
    """Give a record without its guest; again it gives the same."""
    payload = remaining_payload(shape.resource, record.payload, shape.vocabulary)
    if record.id is None:
        return replace(record, payload=payload, exact=erase_bytes(record.exact or b""))
    columns = {name: _as_formed(name, value) for name, value in record.columns.items()}
    activity = _as_formed("activity", record.activity)
    kept = replace(record, payload=payload, payload_hash=hash_remains(payload), columns=columns, activity=activity)
    return replace(kept, exact=None, reason=None)


def _as_formed(column: str, value: Any) -> Any:  # noqa: ANN401  (whatever a column holds)
    is_free = isinstance(value, str) and not re.fullmatch(FORMS.get(column, ""), value)
    return None if is_free else value


def hash_remains(payload: str) -> bytes:
    """Give the hash of what stays of a payload."""
    return HASH_RULE + blake2b(payload.encode(), digest_size=_DIGEST_BYTES).digest()


def erase_bytes(exact: bytes) -> bytes:
    """Give what is kept of bytes of which nobody can say what in them is the guest: how many there were."""
    return exact if exact.startswith(ERASED_BYTES) else ERASED_BYTES + f"{len(exact)} bytes".encode()


def _may_stay(key: str, value: msgspec.Raw, kept: KeptFields) -> bool:
    form = _form(key, kept)
    return form is not None and form.fullmatch(bytes(value)) is not None


def _form(key: str, kept: KeptFields) -> re.Pattern[bytes] | None:
    forms = ((kept.numbers, _NUMBER), (kept.moments, _MOMENT), (kept.words, _WORD))
    found = next((form for keys, form in forms if key in keys), None)
    is_sum = found is None and kept.number_key_pattern and re.fullmatch(kept.number_key_pattern, key)
    return _NUMBER if is_sum else found
