"""What a person may ask of one reservation: its price, its log, its agreement. Nothing of it is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.kinds.requested import Requested, RequestedObject
from hostaway_sync.platforms.hostaway.kinds.spec import KindSpec

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class RequestedSpec:
    """One of them.

    Attributes:
        list: how it is read; `{parent}` is the id of the reservation.
        cells: the keys that a person is shown, by their headings.
        is_one: it is one object, and no list.
        redacted_as: the resource whose rules hide its fields, where it is one object.
    """

    list: KindSpec
    cells: Mapping[str, str]
    is_one: bool = False
    redacted_as: str = ""


REQUESTED: Final[Mapping[Requested, RequestedSpec]] = {
    Requested.FINANCE: RequestedSpec(
        KindSpec("finance_fields", "/financeField/{parent}", scope=Scope.LISTING),
        {"name": "name", "alias": "alias", "type": "type", "value": "value", "total": "total", "quantity": "quantity"},
    ),
    # The id of an entry is unique only within its source.
    Requested.LOGS: RequestedSpec(
        KindSpec("reservation_logs", "/reservations/{parent}/logs", scope=Scope.LISTING, id_keys=("source", "id")),
        {
            "at": "insertedOn",
            "field": "updatedField",
            "before": "previousValue",
            "after": "newValue",
            "by": "updatedByUserName",
            "source": "source",
        },
    ),
    # Hostaway answers with the whole reservation.
    Requested.AGREEMENT: RequestedSpec(
        KindSpec("rental_agreements", "/reservations/{parent}/rentalAgreement", scope=Scope.LISTING),
        {
            "agreement": "reservationAgreement",
            "file": "rentalAgreementFileUrl",
            "guest": "guestName",
            "arrival": "arrivalDate",
            "departure": "departureDate",
        },
        is_one=True,
        redacted_as="reservations",
    ),
}


def as_requested_object(payload: str, spec: RequestedSpec) -> RequestedObject:
    """Return one object of an answer, with what a person is shown of it."""
    members: dict[str, Any] = json.loads(payload) or {}
    cells = {heading: _as_text(members.get(key)) for heading, key in spec.cells.items()}
    return RequestedObject(members, cells)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
