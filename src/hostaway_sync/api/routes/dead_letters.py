"""`/dead-letters`: work that failed for good, until a person has it tried again or gives it up."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.parameters import Id, OfAccount, Page, as_number
from hostaway_sync.api.problems import ProblemKind
from hostaway_sync.api.responses import page_of, problems, refer
from hostaway_sync.api.rows import answer_page, find, mirror_of
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.rows.lists import RowFilters, RowList

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"], route_class=AuthorizedRoute)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is settled.", "content": {"application/json": {"schema": refer("DeadLetter")}}},
    **problems(ProblemKind.NOT_FOUND, ProblemKind.CONFLICT, ProblemKind.TOO_LARGE),
}


class LetterState(StrEnum):
    """Whether a dead letter waits, or what was done about it."""

    WAITING = "waiting"
    RETRIED = "retried"
    DISCARDED = "discarded"


class LetterList(Page, OfAccount):
    """Which dead letters."""

    state: LetterState = Field(default=LetterState.WAITING, description="In this state.")


def _find_letter(request: Request) -> object:
    return find(request, RowList.DEAD_LETTERS, request.path_params["dead_letter_id"])


@router.get("", responses=page_of("DeadLetter"))
@needs(Scope.READ)
def list_dead_letters(request: Request, wanted: Annotated[LetterList, Query()]) -> Response:
    """List the work that failed for good, by account, the newest first."""
    filters = RowFilters(account_id=as_number(wanted.account_id), state=wanted.state.value)
    return answer_page(request, RowList.DEAD_LETTERS, wanted, filters)


@router.post("/{dead_letter_id}/retry", responses=_ANSWERS)
@needs(Scope.ACCOUNTS, _find_letter)
def retry_dead_letter(request: Request, dead_letter_id: Id) -> Response:
    """Have the work tried again, with all attempts."""
    mirror_of(request).jobs.retry_dead_letter(int(request.state.row.row["dead_letter_id"]))
    return answer(request, find(request, RowList.DEAD_LETTERS, dead_letter_id).row)


@router.post("/{dead_letter_id}/discard", responses=_ANSWERS)
@needs(Scope.ACCOUNTS, _find_letter)
def discard_dead_letter(request: Request, dead_letter_id: Id) -> Response:
    """Give the work up."""
    mirror_of(request).jobs.discard_dead_letter(int(request.state.row.row["dead_letter_id"]))
    return answer(request, find(request, RowList.DEAD_LETTERS, dead_letter_id).row)
