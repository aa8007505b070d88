"""What a webhook delivery means: its bytes → the event that it claims, and which object to read again.

A delivery is a hint (API notes, 6.3): its content is not mirrored, so all that matters is which object it is about.
Every body becomes an `Event`; when no object is to be read again, `ignored` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.model.deliveries import Event, RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.parsing import json_repair
from hostaway_sync.platforms.hostaway.parsing.casts import as_id

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_NAME: Final = 200
_REFUSALS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)
_NULL: Final = msgspec.Raw(b"null")
_REPLACEMENT: Final = "\ufffd"


@dataclass(frozen=True, slots=True)
class IdLocation:
    """A key of a delivery that may hold an object's id, and the resource of that object."""

    resource: Resource
    key: str


_RESERVATION: Final = (
    IdLocation(Resource.RESERVATIONS, "id"),
    IdLocation(Resource.RESERVATIONS, "hostawayReservationId"),
    # Usually a compound text of the channel, which is no id and is skipped (API notes, 6.2).
    IdLocation(Resource.RESERVATIONS, "reservationId"),
)
_LISTING: Final = (
    IdLocation(Resource.LISTINGS, "id"),
    IdLocation(Resource.LISTINGS, "listingMapId"),
)
# A message is read with its thread, so its own id does not matter, and may be missing.
_MESSAGE: Final = (
    IdLocation(Resource.CONVERSATIONS, "conversationId"),
    IdLocation(Resource.RESERVATIONS, "reservationId"),
)

ID_LOCATIONS: Final[Mapping[str, tuple[IdLocation, ...]]] = {
    "reservation.created": _RESERVATION,
    "reservation.updated": _RESERVATION,
    "reservation.cancelled": _RESERVATION,
    "listing.created": _LISTING,
    "listing.updated": _LISTING,
    "listing.deleted": _LISTING,
    "message.created": _MESSAGE,
    "message.received": _MESSAGE,
    "conversationMessage": _MESSAGE,
}
"""Where to look for the id, by event, or by object when there is no event; the first location with an id counts."""


class _Body(msgspec.Struct):
    event: msgspec.Raw = _NULL
    object: msgspec.Raw = _NULL
    accountId: msgspec.Raw = _NULL  # noqa: N815  (Hostaway's name for it)
    data: msgspec.Raw = _NULL
    payload: msgspec.Raw = _NULL


class _Subject(msgspec.Struct):
    id: msgspec.Raw = _NULL
    hostawayReservationId: msgspec.Raw = _NULL  # noqa: N815  (Hostaway's names, here and below)
    reservationId: msgspec.Raw = _NULL  # noqa: N815
    listingMapId: msgspec.Raw = _NULL  # noqa: N815
    conversationId: msgspec.Raw = _NULL  # noqa: N815
    accountId: msgspec.Raw = _NULL  # noqa: N815


class _Nesting(msgspec.Struct):
    data: msgspec.Raw = _NULL


_BODIES: Final = msgspec.json.Decoder(_Body)
_SUBJECTS: Final = msgspec.json.Decoder(_Subject)
_NESTINGS: Final = msgspec.json.Decoder(_Nesting)


def read_event(body: bytes, *, account_id: int) -> tuple[Event, str | None]:
    """Return what a delivery to `account_id` claims, and its JSON as JSONB accepts it; see `EventParser`."""
    payload = _payload(body)
    if payload is None:
        return Event("", None, None, "no JSON"), None
    try:
        envelope = _BODIES.decode(payload)
    except _REFUSALS:
        return Event("", None, None, "no object"), payload
    return _event(envelope, account_id), payload


def _payload(body: bytes) -> str | None:
    if not json_repair.is_suspect(body):
        try:
            msgspec.json.decode(body, type=msgspec.Raw)
            return body.decode()
        except _REFUSALS:
            pass
    try:
        return json_repair.clean_json(body)[0]
    except json_repair.NotJson:
        return None


def _event(envelope: _Body, account_id: int) -> Event:
    name, kind = _text(envelope.event), _text(envelope.object)
    subject = _subject(envelope)
    named = subject.accountId if envelope.accountId == _NULL else envelope.accountId
    claimed = as_id(_value(named))
    locations = ID_LOCATIONS.get(name or kind)
    target = _target(subject, locations or ())
    ignored = None
    if named != _NULL and claimed != account_id:
        ignored = "another account"
    elif locations is None:
        ignored = "unknown event" if name or kind else "no event"
    elif target is None:
        ignored = "no object id"
    return Event(name[:LONGEST_NAME], None if ignored else target, claimed, ignored)


def _subject(envelope: _Body) -> _Subject:
    """Return the object of a delivery, from any of the keys that may hold it (API notes, 6.2)."""
    for span in (envelope.data, _nested(envelope.payload), envelope.payload):
        try:
            return _SUBJECTS.decode(span)
        except _REFUSALS:
            continue
    return _Subject()


def _nested(span: msgspec.Raw) -> msgspec.Raw:
    try:
        return _NESTINGS.decode(span).data
    except _REFUSALS:
        return _NULL


def _target(subject: _Subject, locations: tuple[IdLocation, ...]) -> RefreshTarget | None:
    for location in locations:
        object_id = as_id(_value(getattr(subject, location.key)))
        if object_id is not None:
            return RefreshTarget(location.resource, object_id)
    return None


def _text(span: msgspec.Raw) -> str:
    value = _value(span)
    return value.strip().replace("\0", _REPLACEMENT) if isinstance(value, str) else ""


def _value(span: msgspec.Raw) -> Any:  # noqa: ANN401  (any JSON value)
    try:
        return msgspec.json.decode(span)
    except _REFUSALS:
        return None
