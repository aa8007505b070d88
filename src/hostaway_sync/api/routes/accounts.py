"""`/accounts`: which accounts are mirrored."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.parameters import AccountId, Page, Parameters
from hostaway_sync.api.responses import document_of, page_of
from hostaway_sync.api.rows import answer_page, find
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.rows.lists import RowList

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"], route_class=AuthorizedRoute)


@router.get("", responses=page_of("Account"))
@needs(Scope.READ)
def list_accounts(request: Request, page: Annotated[Page, Query()]) -> Response:
    """List the accounts of the caller, removed ones with rows included, by id."""
    return answer_page(request, RowList.ACCOUNTS, page)


@router.get("/{account_id}", responses=document_of("Account"))
@needs(Scope.READ)
def get_account(request: Request, account_id: AccountId, parameters: Annotated[Parameters, Query()]) -> Response:
    """Return one account."""
    del parameters
    return answer(request, find(request, RowList.ACCOUNTS, account_id).row)
