"""How the bytes of one object of a kind become a `KindRecord`; never raises, whatever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.model.kinds.kind import KindRecord
from hostaway_sync.platforms.hostaway.parsing import json_repair
from hostaway_sync.platforms.hostaway.parsing.casts import Misfit, as_id, as_timestamp
from hostaway_sync.platforms.hostaway.parsing.resources import DECODE_ERRORS, hash_payload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hostaway_sync.model.redaction import Redactor
    from hostaway_sync.platforms.hostaway.kinds.spec import KindSpec

NEVER_STORED: Final = frozenset(
    {
        "verificationCode",
        "icalKey",
        "password",
        "cardId",
        "ccNumber",
        "cvc",
        "lastFourDigits",
        "paymentMethodId",
        "paymentProviderId",
        "providerTransactionId",
        "stripeCustomerId",
        "stripeGuestId",
    }
)
"""Keys that open something, at any depth: accounts, calendars, webhooks, cards and payment providers."""
_DIGEST_BYTES: Final = 16
_LONGEST_ID: Final = 200
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NULL: Final = msgspec.Raw(b"null")


def as_kind_record(
    raw: bytes, spec: KindSpec, key: str | None = None, *, prefix: str = "", redactor: Redactor | None = None
) -> KindRecord:
    """Return one object as it will be stored.

    Args:
        raw: its bytes.
        spec: of its kind.
        key: its id, where the list is a map.
        prefix: the start of its id.
        redactor: hides fields of it, before it is compared.

    A value of a map need not be an object; it is stored as `{"value": …}` then.
    """
    try:
        text, members, changes = _read(raw)
    except json_repair.NotJson:
        return _without_row(raw, "not JSON", redactor)
    if members is None:
        if key is None:
            return _without_row(raw, "not an object", redactor)
        members = {"value": msgspec.Raw(text.encode())}
    dropped = NEVER_STORED | spec.dropped
    try:
        kept = {name: _drop(value, dropped) for name, value in members.items() if name not in dropped}
    except RecursionError:
        return _without_row(raw, "nested too deeply to find the keys that are never stored", redactor)
    source_id = key if key is not None else _read_id(kept, spec)
    return _record(kept, spec, None if source_id is None else prefix + source_id, changes, redactor)


def _read(raw: bytes) -> tuple[str, dict[str, msgspec.Raw] | None, str | None]:
    """Return JSON text that JSONB accepts, its members (None: it is no object), and what was changed as a phrase.

    Raises:
        NotJson: it is no JSON even after these changes.
    """
    if not json_repair.is_suspect(raw):
        try:
            return raw.decode(), _MEMBERS.decode(raw), None
        except DECODE_ERRORS:
            pass
    text, changes = json_repair.clean_json(raw)
    try:
        return text, _MEMBERS.decode(text), changes
    except DECODE_ERRORS:
        return text, None, changes


def _record(
    members: Mapping[str, msgspec.Raw],
    spec: KindSpec,
    source_id: str | None,
    changes: str | None,
    redactor: Redactor | None,
) -> KindRecord:
    received = members
    if redactor is not None:
        members = _MEMBERS.decode(redactor.redact(_join(members)))
    payload = _join(members)
    compared = [
        part for name in sorted(members) if name not in spec.volatile for part in (name.encode(), bytes(members[name]))
    ]
    digest = hash_payload(b"\0".join(compared), redactor)
    if spec.columns and source_id is not None:
        # The ids of a table of its own are numbers.
        number = as_id(source_id)
        source_id = None if number is None else str(number)
    if source_id is None:
        return KindRecord(None, payload, digest, exact=payload.encode(), reason="no usable id")
    columns: dict[str, object] = {}
    misfits = 0
    for column, (name, cast) in spec.columns.items():
        try:
            columns[column] = cast(_value(members.get(name)))
        except Misfit:
            columns[column] = None
            # A hash in place of a number is no fault of the source's.
            misfits += members.get(name) == received.get(name)
    exact = None if changes is None else payload.encode()
    return KindRecord(source_id, payload, digest, _read_stamp(members, spec), columns, misfits, exact, changes)


def _without_row(raw: bytes, reason: str, redactor: Redactor | None) -> KindRecord:
    """Return a record of bytes that are no object: which keys they hold is not known, so their size alone is kept."""
    digest = hash_payload(raw, redactor)
    exact = f"not kept: {len(raw)} bytes, blake2b {digest[-_DIGEST_BYTES:].hex()}".encode()
    return KindRecord(None, "null", digest, exact=exact, reason=reason)


def _drop(raw: msgspec.Raw, dropped: frozenset[str]) -> msgspec.Raw:
    """Return a value without these keys, at any depth; numbers keep the form in which they were received."""
    # Nearly no value holds such a key; one with escaped characters might, unseen.
    received = bytes(raw)
    if b"\\u" not in received and not any(name.encode() in received for name in dropped):
        return raw
    if received.startswith(b'"'):
        return _drop_in_text(raw, dropped)
    try:
        members = _MEMBERS.decode(raw)
    except msgspec.MsgspecError:
        try:
            items = _ITEMS.decode(raw)
        except msgspec.MsgspecError:
            return raw
        return msgspec.Raw(msgspec.json.encode([_drop(item, dropped) for item in items]))
    kept = {name: _drop(value, dropped) for name, value in members.items() if name not in dropped}
    return msgspec.Raw(_join(kept).encode())


def _drop_in_text(raw: msgspec.Raw, dropped: frozenset[str]) -> msgspec.Raw:
    """Return a string without these keys if it is JSON itself, as some of Hostaway's are (notes on resources, 2)."""
    text = msgspec.json.decode(raw, type=str).strip()
    if not text.startswith(("{", "[")):
        return raw
    without = bytes(_drop(msgspec.Raw(text.encode()), dropped)).decode()
    return raw if without == text else msgspec.Raw(msgspec.json.encode(without))


def _join(members: Mapping[str, msgspec.Raw]) -> str:
    return msgspec.json.encode(dict(members)).decode()


def _value(span: msgspec.Raw | None) -> Any:  # noqa: ANN401  (any JSON)
    if span is None:
        return None
    try:
        return msgspec.json.decode(span)
    except DECODE_ERRORS:
        raise Misfit from None


def _read_id(members: Mapping[str, msgspec.Raw], spec: KindSpec) -> str | None:
    """Return the id as text; numbers keep their digits, however many there are."""
    parts: list[str] = []
    for name in spec.id_keys:
        value = members.get(name, _NULL)
        try:
            text = bytes(value).decode().strip()
            part = msgspec.json.decode(value, type=str).strip() if text.startswith('"') else text
        except DECODE_ERRORS:
            return None
        if not part or part in {"null", "true", "false", "0"} or part[0] in "[{-" or "\0" in part:
            return None
        parts.append(part)
    joined = ":".join(parts)
    return joined if len(joined) <= _LONGEST_ID else None


def _read_stamp(members: Mapping[str, msgspec.Raw], spec: KindSpec) -> datetime | None:
    try:
        return None if spec.stamp is None else as_timestamp(_value(members.get(spec.stamp)))
    except Misfit:
        return None
