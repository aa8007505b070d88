"""`/sync-runs`: when accounts were mirrored, and what it brought."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.parameters import Id, OfAccount, Page, Parameters, as_number
from hostaway_sync.api.responses import document_of, page_of
from hostaway_sync.api.rows import answer_page, find
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.records import RunState
from hostaway_sync.model.rows.lists import RowFilters, RowList

router = APIRouter(prefix="/api/v1/sync-runs", tags=["sync runs"], route_class=AuthorizedRoute)


class RunList(Page, OfAccount):
    """Which runs."""

    state: RunState | None = Field(default=None, description="In this state.")


@router.get("", responses=page_of("SyncRun"))
@needs(Scope.READ)
def list_sync_runs(request: Request, wanted: Annotated[RunList, Query()]) -> Response:
    """List runs, by account, the newest first."""
    filters = RowFilters(
        account_id=as_number(wanted.account_id), state=None if wanted.state is None else wanted.state.value
    )
    return answer_page(request, RowList.SYNC_RUNS, wanted, filters)


@router.get("/{run_id}", responses=document_of("SyncRun"))
@needs(Scope.READ)
def get_sync_run(request: Request, run_id: Id, parameters: Annotated[Parameters, Query()]) -> Response:
    """Return one run, with the counts of each resource."""
    del parameters
    return answer(request, find(request, RowList.SYNC_RUNS, run_id).row)
