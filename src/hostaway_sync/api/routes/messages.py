"""`/send-message` and `/messages`: what is sent to guests, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.bodies import ACCOUNT_ID, Body, find_in_body, read_number
from hostaway_sync.api.parameters import Id, OfAccount, Page, Parameters, as_number
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.responses import document_of, page_of, problems, refer
from hostaway_sync.api.rows import answer_page, find, mirror_of
from hostaway_sync.messages.answer import AnswerKind, SendAnswer
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.messages import CommunicationType, IntentState, MessageRequest
from hostaway_sync.model.rows.lists import RowFilters, RowList
from hostaway_sync.model.rows.pages import FoundRow

router = APIRouter(prefix="/api/v1", tags=["messages"], route_class=AuthorizedRoute)

KEY_HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_STATUS = {AnswerKind.SENT: 201, AnswerKind.WAITING: 202}
_REPLAYED_HEADER = {REPLAYED: {"schema": {"type": "string"}, "description": "`true`: an earlier request did this."}}
_SENT = {"headers": _REPLAYED_HEADER, "content": {"application/json": {"schema": refer("SentMessage")}}}
_ANSWERS = {
    201: {"description": "It was sent.", **_SENT},
    202: {"description": "It is queued or being sent, or whether it was sent is not known yet.", **_SENT},
    **problems(
        *(ProblemKind.NOT_FOUND, ProblemKind.AMBIGUOUS, ProblemKind.CONFLICT, ProblemKind.TOO_LARGE),
        *(ProblemKind.NOT_SENT, ProblemKind.SOURCE),
    ),
}


class NewMessage(Body):
    """A message to a guest."""

    reservation_id: str = Field(min_length=1, max_length=200, description="Whose guest: its id or key.")
    message: str = Field(description="The text.", json_schema_extra={"pattern": r"\S"})
    channel_type: CommunicationType | None = Field(default=None, description="Default: as the guest wrote last.")
    conversation_id: str | None = Field(
        default=None, min_length=1, max_length=200, description="Its thread, by its id or key; default: the newest."
    )
    account_id: str | None = Field(default=None, pattern=ACCOUNT_ID, description="Of this account.")
    again: StrictBool = Field(default=False, description="Send the same text once more within ten minutes.")


class SentList(Page, OfAccount):
    """Which messages."""

    state: IntentState | None = Field(default=None, description="In this state.")


def _find_reservation(request: Request, members: Mapping[str, Any]) -> FoundRow | None:
    return find_in_body(request, RowList.RESERVATIONS, members, "reservation_id")


@router.post("/send-message", status_code=201, responses=_ANSWERS)
@needs(Scope.MESSAGES, row_of_body=_find_reservation)
def send_message(
    request: Request,
    wanted: NewMessage,
    idempotency_key: Annotated[
        str | None,
        Header(description="Names this message: repeat the request under it, and the guest gets the message once."),
    ] = None,
) -> Response:
    """Send a guest a message, at most once.

    The same key and body answer with what became of the message, and `Idempotent-Replayed: true`.
    """
    if len(request.headers.getlist(KEY_HEADER)) > 1:
        raise Problem(ProblemKind.INVALID, f"header.{KEY_HEADER}: is there more than once")
    found: FoundRow = request.state.row
    sent = mirror_of(request).messages.send_once(
        MessageRequest(
            reservation_id=int(found.row["reservation_id"]),
            text=wanted.message,
            account_id=found.account_id,
            conversation_id=read_number(wanted.conversation_id, found.account_id, "conversation_id"),
            communication_type=wanted.channel_type,
            key=idempotency_key,
            again=wanted.again,
        )
    )
    return _answer_sent(request, sent)


@router.get("/messages", responses=page_of("SentMessage"))
@needs(Scope.READ)
def list_sent_messages(request: Request, wanted: Annotated[SentList, Query()]) -> Response:
    """List the messages that were sent from here, by account, the newest first; without their texts."""
    state = None if wanted.state is None else wanted.state.value
    filters = RowFilters(account_id=as_number(wanted.account_id), state=state)
    return answer_page(request, RowList.SENT_MESSAGES, wanted, filters)


@router.get("/messages/{intent_id}", responses=document_of("SentMessage"))
@needs(Scope.READ)
def get_sent_message(request: Request, intent_id: Id, parameters: Annotated[Parameters, Query()]) -> Response:
    """Return one message that was sent from here, as it stands now."""
    del parameters
    return answer(request, find(request, RowList.SENT_MESSAGES, intent_id).row)


def _answer_sent(request: Request, sent: SendAnswer) -> Response:
    """Return what became of a message.

    Raises:
        Problem: it was not sent.
    """
    intent, headers = sent.intent, {REPLAYED: "true"} if sent.is_replayed else {}
    number = str(intent.intent_id)
    if sent.kind is AnswerKind.OTHER_MESSAGE:
        raise Problem(ProblemKind.INVALID, f"header.{KEY_HEADER}: belongs to another message, number {number}")
    row = find(request, RowList.SENT_MESSAGES, number, str(intent.message.account_id)).row
    if sent.kind is AnswerKind.REPEATED:
        detail = (
            f"the guest got this text within ten minutes, or is about to, by message {number}: nothing was sent; "
            "`again` sends it once more"
        )
        raise Problem(ProblemKind.CONFLICT, detail, sent_message=row)
    if sent.kind is AnswerKind.FAILED:
        raise Problem(ProblemKind.NOT_SENT, intent.error, headers=headers, sent_message=row)
    response = answer(request, {**row, "concerns": sent.concerns}, status=_STATUS[sent.kind])
    response.headers.update({**headers, "Location": f"/api/v1/messages/{number}"})
    return response
