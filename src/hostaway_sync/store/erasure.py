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

from hostaway_sync.records import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.records import Record

HASH_RULE: Final = b"\x03"
"""First byte of the hash of a payload whose guest is forgotten: it is taken over what stays of it."""
_DIGEST_BYTES: Final = 16
ERASED: Final = "erased with a guest"
GONE: Final = f"{ERASED}: ".encode()
"""How bytes begin of which only their number is kept."""

_NUMBER: Final = re.compile(rb'-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?|"-?\d{1,12}(\.\d{1,6})?"|true|false|null')
_MOMENT: Final = re.compile(rb'"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?"|""|null')
_WORD: Final = re.compile(rb'"[A-Za-z_]{0,40}"|-?\d{1,18}|true|false|null')
# Sums have many names, and more with every channel (API notes, 9.2).
_SUM: Final = re.compile(
    r"\w*([pP]rice|[aA]mount|Fee|[bB]alance|Commission|commission|[pP]ayout|[dD]eposit|[tT]axes|[dD]iscount)"
)


def _kept(numbers: str, moments: str, words: str) -> Mapping[str, re.Pattern[bytes]]:
    return {
        **dict.fromkeys(numbers.split(), _NUMBER),
        **dict.fromkeys(moments.split(), _MOMENT),
        **dict.fromkeys(words.split(), _WORD),
    }


_KEPT: Final[Mapping[Resource, Mapping[str, re.Pattern[bytes]]]] = {
    Resource.RESERVATIONS: _kept(
        "id accountId listingMapId channelId numberOfGuests adults children infants pets nights "
        "checkInTime checkOutTime isDatesUnspecified isInstantBooked isArchived isPaid cancellationPolicyId",
        "arrivalDate departureDate previousArrivalDate previousDepartureDate reservationDate pendingExpireDate "
        "cancellationDate insertedOn updatedOn latestActivityOn",
        "status channelName currency paymentStatus cancelledBy reservationAgreement airbnbCancellationPolicy",
    ),
    Resource.CONVERSATIONS: _kept(
        "id accountId listingMapId reservationId channelId hasUnreadMessages isArchived",
        "messageSentOn messageReceivedOn insertedOn updatedOn",
        "",
    ),
    Resource.MESSAGES: _kept(
        "id accountId listingMapId reservationId conversationId channelId isIncoming isSeen",
        "date insertedOn updatedOn sentToChannelDate sentChannelDate",
        "status communicationType",
    ),
}
# What readers of a thread take for granted.
_EMPTIED: Final[Mapping[Resource, Mapping[str, msgspec.Raw]]] = {
    Resource.MESSAGES: {"body": msgspec.Raw(b'""')},
}
_STAMP: Final = '(null|"[0-9TZ :.+-]{0,40}")?'
FORMS: Final = {"status": "[A-Za-z_]{0,40}", "activity": rf"{_STAMP}([|]{_STAMP})*"}
"""What typed columns may keep that are text: one word, and stamps; as PostgreSQL reads patterns, too."""
_OBJECTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Copies(msgspec.Struct):
    reservation: Any = msgspec.field(default=None, name="Reservation")
    messages: Any = msgspec.field(default=None, name="conversationMessages")


_COPIED: Final = msgspec.json.Decoder(_Copies)


def owners_of_copies(payload: str) -> tuple[object, ...] | None:
    """Return what the copies inside a conversation say of whose they are; None: they cannot be read."""
    try:
        copies = _COPIED.decode(payload)
    except (msgspec.MsgspecError, RecursionError):
        return None
    messages = copies.messages if isinstance(copies.messages, list) else [copies.messages]
    said = [copies.reservation.get("id")] if isinstance(copies.reservation, dict) else []
    for one in messages:
        if isinstance(one, dict):
            said += [one.get("reservationId"), one.get("conversationId")]
    return tuple(said)


def remains(resource: Resource, payload: str) -> str:
    """Give what stays of a payload, as JSON text whose keys are in order; of what stays, all stays."""
    kept = _KEPT[resource]
    try:
        members = _OBJECTS.decode(payload)
    except msgspec.MsgspecError:
        members = {}
    staying = {key: value for key, value in members.items() if _may_stay(resource, key, value, kept)}
    staying |= _EMPTIED.get(resource, {})
    return msgspec.json.encode(dict(sorted(staying.items()))).decode()


def erased(resource: Resource, record: Record) -> Record:
    """Give a record without its guest; again it gives the same."""
    payload = remains(resource, record.payload)
    if record.id is None:
        return replace(record, payload=payload, exact=gone(record.exact or b""))
    columns = {name: _as_formed(name, value) for name, value in record.columns.items()}
    activity = _as_formed("activity", record.activity)
    kept = replace(record, payload=payload, payload_hash=digest_of(payload), columns=columns, activity=activity)
    return replace(kept, exact=None, reason=None)


def _as_formed(column: str, value: Any) -> Any:  # noqa: ANN401  (whatever a column holds)
    is_free = isinstance(value, str) and not re.fullmatch(FORMS.get(column, ""), value)
    return None if is_free else value


def digest_of(payload: str) -> bytes:
    """Give the hash of what stays of a payload."""
    return HASH_RULE + blake2b(payload.encode(), digest_size=_DIGEST_BYTES).digest()


def gone(exact: bytes) -> bytes:
    """Give what is kept of bytes of which nobody can say what in them is the guest: how many there were."""
    return exact if exact.startswith(GONE) else GONE + f"{len(exact)} bytes".encode()


def _may_stay(resource: Resource, key: str, value: msgspec.Raw, kept: Mapping[str, re.Pattern[bytes]]) -> bool:
    form = kept.get(key)
    if form is None and resource is Resource.RESERVATIONS and _SUM.fullmatch(key):
        form = _NUMBER
    return form is not None and form.fullmatch(bytes(value)) is not None
