"""What a delivery of Hostaway's means: bytes → what they claim, and which object to read again.

A delivery is a hint (API notes, 6.3): nothing of it is mirrored, so all that matters is which object it is about. Every
body has a meaning; where there is nothing to read again, `ignored` says why.
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
class Place:
    """Where an object's id may stand in a delivery, and what it is the id of."""

    resource: Resource
    key: str


_RESERVATION: Final = (
    Place(Resource.RESERVATIONS, "id"),
    Place(Resource.RESERVATIONS, "hostawayReservationId"),
    # Usually the channel's compound text, which is no id and is passed over (API notes, 6.2).
    Place(Resource.RESERVATIONS, "reservationId"),
)
_LISTING: Final = (
    Place(Resource.LISTINGS, "id"),
    Place(Resource.LISTINGS, "listingMapId"),
)
# Its own id is of no use, and may be missing: messages are read by their thread.
_MESSAGE: Final = (
    Place(Resource.CONVERSATIONS, "conversationId"),
    Place(Resource.RESERVATIONS, "reservationId"),
)

ROUTES: Final[Mapping[str, tuple[Place, ...]]] = {
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
"""Where to look, by event, or by object where there is no event; the first place that holds an id counts."""


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
    """Give what a delivery to `account_id` claims, and its JSON as JSONB accepts it; see `EventParser`."""
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
        return json_repair.clean(body)[0]
    except json_repair.NotJson:
        return None


def _event(envelope: _Body, account_id: int) -> Event:
    name, kind = _text(envelope.event), _text(envelope.object)
    subject = _subject(envelope)
    named = subject.accountId if envelope.accountId == _NULL else envelope.accountId
    claimed = as_id(_value(named))
    places = ROUTES.get(name or kind)
    target = _target(subject, places or ())
    ignored = None
    if named != _NULL and claimed != account_id:
        ignored = "another account"
    elif places is None:
        ignored = "unknown event" if name or kind else "no event"
    elif target is None:
        ignored = "no object id"
    return Event(name[:LONGEST_NAME], None if ignored else target, claimed, ignored)


def _subject(envelope: _Body) -> _Subject:
    """Find the object, wherever it is (API notes, 6.2)."""
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


def _target(subject: _Subject, places: tuple[Place, ...]) -> RefreshTarget | None:
    for place in places:
        object_id = as_id(_value(getattr(subject, place.key)))
        if object_id is not None:
            return RefreshTarget(place.resource, object_id)
    return None


def _text(span: msgspec.Raw) -> str:
    value = _value(span)
    return value.strip().replace("\0", _REPLACEMENT) if isinstance(value, str) else ""


def _value(span: msgspec.Raw) -> Any:  # noqa: ANN401  (whatever JSON can hold)
    try:
        return msgspec.json.decode(span)
    except _REFUSALS:
        return None
