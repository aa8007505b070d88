"""The four resources, each as one row of data, and how their bytes become records.

A new column, limit or parameter is a change of a value in `SPECS`. Limits stay below what Hostaway serves quickly
(API notes, 4.1 and 9.1). Objects are always asked for with all their parts (API notes, 4.6).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.model.records import Record, Resource, Shape
from hostaway_sync.platforms.hostaway.parsing import json_repair
from hostaway_sync.platforms.hostaway.parsing.casts import (
    Cast,
    Misfit,
    as_boolean,
    as_date,
    as_final,
    as_id,
    as_integer,
    as_text,
    as_timestamp,
)
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostaway_sync.model.redaction import Redactor

HASH_RULE: Final = b"\x01"
_DIGEST_BYTES: Final = 16
DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_UNREADABLE: Final = object()
_NULL: Final = msgspec.Raw(b"null")


class Paging(StrEnum):
    """How a list is walked; the value is the name of the parameter."""

    CURSOR = "afterId"
    OFFSET = "offset"


@dataclass(frozen=True)
class ResourceSpec:
    """How one resource is read.

    Attributes:
        resource: the kind of object.
        path: of its list, below the API's address; `{parent}` is the id of the object that the list belongs to.
        paging: how its list is walked.
        limit: rows in one page.
        stamp: the key of Hostaway's own time of change; None when the resource has none.
        columns: column → key and cast.
        activity: keys that change when messages may have been added or removed (API notes, 5).
        params: sent with every request.
        volatile: see `Shape`; also the keys that a single object has and its row in a list has not.
        signed: see `Shape`.
        is_paged: the list comes in pages; otherwise all at once, as far as is known.
        is_whole: the whole list is read; otherwise new rows only, and then its length means nothing.
        is_ordered_by_stamp: see `Shape`; the stamps of a message can go back without any error.
        has_parts: the parts that change `activity` are in lists of their own, which are read without the object.
        silent: see `Shape`.
    """

    resource: Resource
    path: str
    paging: Paging
    limit: int
    stamp: str | None = None
    columns: Mapping[str, tuple[str, Cast]] = field(default_factory=dict)
    activity: tuple[str, ...] = ()
    params: Mapping[str, int | str] = field(default_factory=lambda: {"includeResources": 1})
    volatile: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    is_paged: bool = True
    is_whole: bool = True
    is_ordered_by_stamp: bool = True
    has_parts: bool = False
    silent: tuple[str, ...] = ()

    @cached_property
    def shape(self) -> Shape:
        """What the store must know to compare two payloads of this resource."""
        return Shape(
            self.resource,
            tuple(self.columns),
            self.volatile,
            self.signed,
            self.is_ordered_by_stamp,
            with_parts=self.activity if self.has_parts else (),
            silent=self.silent,
            vocabulary=VOCABULARY,
        )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys whose values are read: id, then the stamp if there is one, then those of the columns."""
        stamps = () if self.stamp is None else (self.stamp,)
        return tuple(dict.fromkeys(("id", *stamps, *(key for key, _ in self.columns.values()))))

    @cached_property
    def casts(self) -> tuple[tuple[str, Cast, int], ...]:
        """Column, cast and index of its value in `keys`; the stamp is the column `source_updated_at`."""
        stamps = () if self.stamp is None else (("source_updated_at", as_timestamp, 1),)
        indexes = {key: index for index, key in enumerate(self.keys)}
        return (*stamps, *((column, cast, indexes[key]) for column, (key, cast) in self.columns.items()))

    @cached_property
    def values(self) -> msgspec.json.Decoder[Any]:
        """Decodes the values of `keys`, and `activity` as bytes, and skips all other keys."""
        return msgspec.json.Decoder(self._struct(Any, None))

    @cached_property
    def head(self) -> msgspec.json.Decoder[Any]:
        """Decodes id and stamp, and skips all other keys."""
        read = [("id", Any, None), *([] if self.stamp is None else [(self.stamp, Any, None)])]
        return msgspec.json.Decoder(msgspec.defstruct("Head", read, gc=False))

    @cached_property
    def spans(self) -> msgspec.json.Decoder[Any]:
        """Decodes `keys` and `activity` as bytes, so that one unreadable value does not hide the others."""
        return msgspec.json.Decoder(self._struct(msgspec.Raw, _NULL))

    def _struct(self, kind: Any, absent: object) -> type[msgspec.Struct]:  # noqa: ANN401 - a type form
        read = [(key, kind, absent) for key in self.keys]
        kept = [(key, msgspec.Raw, _NULL) for key in self.activity]
        return msgspec.defstruct(self.resource.name.title(), [*read, *kept], gc=False)


SPECS: Final[Mapping[Resource, ResourceSpec]] = {
    Resource.LISTINGS: ResourceSpec(
        resource=Resource.LISTINGS,
        path="/listings",
        paging=Paging.OFFSET,
        limit=50,
        stamp="latestActivityOn",
    ),
    Resource.RESERVATIONS: ResourceSpec(
        resource=Resource.RESERVATIONS,
        path="/reservations",
        paging=Paging.CURSOR,
        limit=500,
        stamp="updatedOn",
        columns={
            "listing_id": ("listingMapId", as_integer),
            "channel_id": ("channelId", as_integer),
            "status": ("status", as_text),
            "arrival_date": ("arrivalDate", as_date),
            "departure_date": ("departureDate", as_date),
        },
        activity=("latestActivityOn",),
        volatile=("cancellationPolicyDetails", "channelCancellationPolicyCode"),
    ),
    Resource.CONVERSATIONS: ResourceSpec(
        resource=Resource.CONVERSATIONS,
        path="/conversations",
        paging=Paging.OFFSET,
        limit=100,
        columns={"reservation_id": ("reservationId", as_integer), "listing_id": ("listingMapId", as_integer)},
        activity=("messageSentOn", "messageReceivedOn"),
        volatile=("Reservation", "conversationMessages"),
        has_parts=True,
        silent=("hasUnreadMessages",),
    ),
    Resource.MESSAGES: ResourceSpec(
        resource=Resource.MESSAGES,
        path="/conversations/{parent}/messages",
        paging=Paging.OFFSET,
        limit=500,
        stamp="updatedOn",
        columns={
            "conversation_id": ("conversationId", as_integer),
            "reservation_id": ("reservationId", as_integer),
            "is_incoming": ("isIncoming", as_boolean),
            "status": ("status", as_text),
            "is_final": ("status", as_final),
            "sent_at": ("date", as_timestamp),
        },
        params={"includeResources": 1, "includeScheduledMessages": 1},
        signed=("attachments", "imagesUrls"),
        is_ordered_by_stamp=False,
    ),
}


LISTS_OF_A_PARENT: Final[Mapping[Resource, ResourceSpec]] = {
    Resource.CONVERSATIONS: replace(
        SPECS[Resource.CONVERSATIONS], path="/reservations/{parent}/conversations", is_paged=False
    ),
}

LISTS_NEWEST_FIRST: Final[Mapping[Resource, ResourceSpec]] = {
    Resource.LISTINGS: replace(
        SPECS[Resource.LISTINGS], params={"includeResources": 1, "sortOrder": "latestActivityDesc"}, is_whole=False
    ),
    Resource.RESERVATIONS: replace(SPECS[Resource.RESERVATIONS], limit=100, is_whole=False),
}


def choose_list(resource: Resource, *, of_parent: bool, newest: bool) -> ResourceSpec:
    """Return how to read a list: that of one parent if there is such a list, the newest rows only if it can be sorted.

    Raises:
        ValueError: the list belongs to a parent, and `of_parent` is False.
    """
    if of_parent:
        return LISTS_OF_A_PARENT.get(resource, SPECS[resource])
    spec = LISTS_NEWEST_FIRST.get(resource, SPECS[resource]) if newest else SPECS[resource]
    if "{parent}" in spec.path:
        raise ValueError(f"{resource} are read from a parent")
    return spec


def object_path(resource: Resource, record_id: int, parent: int | None) -> str:
    """Return the path of one object, which is below that of its list; see `choose_list`."""
    spec = choose_list(resource, of_parent=False, newest=False) if parent is None else SPECS[resource]
    return f"{spec.path.format(parent=parent)}/{record_id}"


def as_record(raw: bytes, spec: ResourceSpec, digest: bytes | None = None, redactor: Redactor | None = None) -> Record:
    """Return one object as it will be stored; never raises, whatever its bytes are.

    `digest` is its hash, if that is known already; `redactor` hides fields of it.
    """
    record = _unredacted(raw, spec, digest or hash_payload(raw, redactor))
    if redactor is None:
        return record
    exact = None if record.exact is None else redactor.redact_exact(raw, record.payload)
    return replace(record, payload=redactor.redact(record.payload), exact=exact)


def _unredacted(raw: bytes, spec: ResourceSpec, digest: bytes) -> Record:
    if not json_repair.is_suspect(raw):
        try:
            values = msgspec.structs.astuple(spec.values.decode(raw))
            return _record(raw, spec, values, raw.decode(), digest)
        except DECODE_ERRORS:
            pass
    return _cleaned_record(raw, spec, digest)


def hash_payload(raw: bytes, redactor: Redactor | None = None) -> bytes:
    """Return the hash of an object's exact bytes; see `Record.payload_hash`."""
    if redactor is not None:
        return redactor.digest(raw)
    return HASH_RULE + blake2b(raw, digest_size=_DIGEST_BYTES).digest()


def _cleaned_record(raw: bytes, spec: ResourceSpec, digest: bytes) -> Record:
    try:
        payload, changes = json_repair.clean_json(raw)
    except json_repair.NotJson:
        return Record(None, "null", digest, None, exact=raw, reason="not JSON")
    try:
        spans = msgspec.structs.astuple(spec.spans.decode(payload))
    except msgspec.MsgspecError:
        return Record(None, payload, digest, None, exact=raw, reason="not an object")
    read = len(spec.keys)
    return _record(raw, spec, (*map(_value, spans[:read]), *spans[read:]), payload, digest, changes)


def _value(span: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(span)
    except msgspec.MsgspecError:
        return _UNREADABLE


def _record(
    raw: bytes, spec: ResourceSpec, values: tuple[object, ...], payload: str, digest: bytes, changes: str | None = None
) -> Record:
    record_id = as_id(values[0])
    columns: dict[str, Any] = {}
    misfits: list[str] = []
    for column, cast, index in spec.casts:
        try:
            columns[column] = cast(values[index])
        except Misfit:
            columns[column] = None
            misfits.append(column)
    stamp = columns.pop("source_updated_at", None)
    reason = changes if record_id is not None else "no usable id"
    exact = None if reason is None else raw
    activity = _join(values[len(spec.keys) :]) if spec.activity else None
    return Record(record_id, payload, digest, stamp, columns, exact, reason, tuple(misfits), activity)


def _join(spans: Sequence[Any]) -> str:
    """Return values as they were received, as text; `raw` was JSON, so PostgreSQL can store it."""
    return "|".join("" if span == _NULL else str(span, "utf-8") for span in spans)
