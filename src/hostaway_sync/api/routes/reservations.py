"""`/reservations`: stays and inquiries, with their messages and their history."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.parameters import Id, OfAccount, Page, Raw, as_number
from hostaway_sync.api.responses import document_of, page_of
from hostaway_sync.api.rows import answer_page, answer_page_of, find, mirror_of, not_found, page_document
from hostaway_sync.app.documents.history import event_document, life_document
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.rows.lists import Part, RowFilters, RowList
from hostaway_sync.model.rows.pages import FoundRow

router = APIRouter(prefix="/api/v1/reservations", tags=["reservations"], route_class=AuthorizedRoute)

_LONGEST_WORD = 40
_PART = rf" *(?:(?:{'|'.join(Part)}) *)?"
_PARTS = rf"^{_PART}(?:,{_PART})*$"


class ReservationList(Page, OfAccount, Raw):
    """Which reservations."""

    listing_id: str | None = Field(default=None, max_length=200, description="Of this listing, by its id or key.")
    status: str | None = Field(default=None, max_length=_LONGEST_WORD, description="In the words of `core`.")
    channel: str | None = Field(default=None, max_length=_LONGEST_WORD, description="In the words of `core`.")
    check_in_from: date | None = Field(default=None, description="The earliest day of arrival.")
    check_in_to: date | None = Field(default=None, description="The latest day of arrival, included.")
    updated_since: datetime | None = Field(
        default=None, description="Those that this mirror stored, saw change or missed at this moment or later."
    )


class OneReservation(OfAccount, Raw):
    """Which reservation, and what comes with it."""

    include: str = Field(
        default="",
        description="`messages`, `history` and `listing`, separated by commas: each comes as a member.",
        json_schema_extra={"pattern": _PARTS},
    )

    @field_validator("include")
    @classmethod
    def _known_parts(cls, value: str) -> str:
        if re.fullmatch(_PARTS, value) is None:
            raise ValueError("can hold messages, history and listing, separated by commas")
        return value

    @property
    def parts(self) -> frozenset[Part]:
        """What comes with it."""
        return frozenset(Part(part.strip()) for part in self.include.split(",") if part.strip())


class MessageList(Page, OfAccount, Raw):
    """Which messages of a reservation."""


@router.get("", responses=page_of("Reservation"))
@needs(Scope.READ)
def list_reservations(request: Request, wanted: Annotated[ReservationList, Query()]) -> Response:
    """List reservations, by account and id."""
    filters = RowFilters(
        account_id=as_number(wanted.account_id),
        listing_id=wanted.listing_id,
        status=wanted.status,
        channel=wanted.channel,
        check_in_from=wanted.check_in_from,
        check_in_to=wanted.check_in_to,
        updated_since=wanted.updated_since,
    )
    return answer_page(request, RowList.RESERVATIONS, wanted, filters, raw=wanted.raw)


@router.get("/{reservation_id}", responses=document_of("ReservationDetails"))
@needs(Scope.READ)
def get_reservation(request: Request, reservation_id: Id, wanted: Annotated[OneReservation, Query()]) -> Response:
    """Return one reservation, and what is included."""
    found = find(request, RowList.RESERVATIONS, reservation_id, wanted.account_id, raw=wanted.raw, include=wanted.parts)
    return answer(request, {**found.row, **_included(found, wanted.parts)})


@router.get("/{reservation_id}/messages", responses=page_of("Message"))
@needs(Scope.READ)
def list_reservation_messages(
    request: Request, reservation_id: Id, wanted: Annotated[MessageList, Query()]
) -> Response:
    """List the messages of a reservation, by id."""
    of = RowList.MESSAGES
    return answer_page_of(request, of, reservation_id, wanted.account_id, wanted, raw=wanted.raw)


@router.get("/{reservation_id}/history", responses=document_of("Life"))
@needs(Scope.READ)
def get_reservation_history(request: Request, reservation_id: Id, wanted: Annotated[OfAccount, Query()]) -> Response:
    """Return the life of a reservation, in the order in which it happened."""
    told = mirror_of(request).rows.tell_history(
        request.state.caller.access, reservation_id, account_id=as_number(wanted.account_id)
    )
    if told is None:
        raise not_found(RowList.RESERVATIONS)
    return answer(request, life_document(told[0], int(reservation_id.rpartition(":")[2]), told[1]))


def _included(found: FoundRow, parts: frozenset[Part]) -> dict[str, Any]:
    """Return the parts that were asked for, each under its name."""
    whole = {
        Part.MESSAGES: None if found.messages is None else page_document(found.messages),
        Part.HISTORY: None if found.history is None else [event_document(event) for event in found.history],
        Part.LISTING: found.listing,
    }
    return {str(part): value for part, value in whole.items() if part in parts}
