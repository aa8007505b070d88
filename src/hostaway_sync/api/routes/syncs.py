"""Syncs that a caller asks for: of an account, or once more like a run that was not whole."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.bodies import Body
from hostaway_sync.api.parameters import AccountId
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.responses import problems, refer
from hostaway_sync.api.rows import find, mirror_of
from hostaway_sync.app.documents.runs import sync_request_document
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.records import Mode, RunState
from hostaway_sync.model.rows.lists import RowList
from hostaway_sync.model.rows.pages import FoundRow

router = APIRouter(prefix="/api/v1", tags=["sync runs"], route_class=AuthorizedRoute)

_NOT_WHOLE = frozenset({RunState.FAILED, RunState.PARTIAL, RunState.ABANDONED, RunState.SKIPPED})
_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "It is queued.", "content": {"application/json": {"schema": refer("SyncJob")}}},
    **problems(ProblemKind.NOT_FOUND, ProblemKind.CONFLICT, ProblemKind.TOO_LARGE),
}
_ResourceName = Annotated[str, Field(min_length=1, max_length=100)]


class SyncWanted(Body):
    """What to mirror."""

    mode: Mode = Field(description="`full` reads everything, `incremental` what changed.")
    resources: list[_ResourceName] = Field(
        default_factory=list, max_length=50, description="These alone; none: all that are mirrored."
    )


def _find_account(request: Request) -> FoundRow:
    return find(request, RowList.ACCOUNTS, request.path_params["account_id"])


def _find_run(request: Request) -> FoundRow:
    return find(request, RowList.SYNC_RUNS, request.path_params["run_id"])


@router.post("/accounts/{account_id}/sync", status_code=202, responses=_ANSWERS)
@needs(Scope.ACCOUNTS, _find_account)
def sync_account(request: Request, account_id: AccountId, wanted: SyncWanted) -> Response:
    """Have an account mirrored by a worker, unless a sync of it waits or is under way."""
    del account_id
    return _request_sync(request, request.state.row.account_id, wanted.mode, wanted.resources)


@router.post("/sync-runs/{run_id}/retry", status_code=202, responses=_ANSWERS)
@needs(Scope.ACCOUNTS, _find_run)
def retry_sync_run(request: Request, run_id: Annotated[str, Path(description="The id of the run.")]) -> Response:
    """Have an account mirrored once more, in the mode of a run that was not whole."""
    found: FoundRow = request.state.row
    state = found.row["state"]
    if state not in _NOT_WHOLE:
        raise Problem(ProblemKind.CONFLICT, f"run {run_id} is {state}: only a run that was not whole is tried again")
    return _request_sync(request, found.account_id, Mode(found.row["mode"]), [])


def _request_sync(request: Request, account_id: int, mode: Mode, resources: list[str]) -> Response:
    asked = mirror_of(request).jobs.request_sync(account_id, full=mode is Mode.FULL, resources=resources)
    if not asked.is_new:
        detail = f"job {asked.number} syncs account {account_id} already, or is to: ask again when it has ended"
        raise Problem(ProblemKind.CONFLICT, detail, job=str(asked.number))
    return answer(request, sync_request_document(asked), status=202)
