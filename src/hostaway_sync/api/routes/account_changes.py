"""Accounts that a caller adds, changes and removes. Their secrets are in no answer, no log and no error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field, SecretStr, StrictBool, model_validator
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer, require_match
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.bodies import ACCOUNT_ID, Body
from hostaway_sync.api.parameters import AccountId, Parameters
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.responses import Responses, problems, refer
from hostaway_sync.api.rows import find, mirror_of
from hostaway_sync.app.documents.accounts import removal_document
from hostaway_sync.app.documents.runs import sync_request_document
from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.model.rows.lists import RowList
from hostaway_sync.model.rows.pages import FoundRow

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"], route_class=AuthorizedRoute)


def _require_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be shown")
    return text


_Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_require_printable)]
_Secret = Annotated[SecretStr, Field(min_length=1, max_length=500)]
_KINDS = (ProblemKind.NOT_FOUND, ProblemKind.CONFLICT, ProblemKind.TOO_LARGE, ProblemKind.SOURCE)


def _answers(status: int, name: str, sentence: str, *kinds: ProblemKind) -> Responses:
    told = {"description": sentence, "content": {"application/json": {"schema": refer(name)}}}
    return {status: told, **problems(*_KINDS, *kinds)}


class AccountWanted(Body):
    """An account to mirror."""

    client_id: str = Field(pattern=ACCOUNT_ID, description="Its id at the platform.")
    client_secret: _Secret = Field(description="Of its API key.")
    name: _Name | None = Field(default=None, description="How operators call it.")
    customer_id: UUID | None = Field(default=None, description="Whose it is; of a caller of a customer: that one.")


class AccountPatch(Body):
    """What changes; a member that is left out stays."""

    is_active: StrictBool = Field(default=True, description="Whether it is mirrored.")
    name: _Name | None = Field(default=None, description="How operators call it; null: no name.")
    client_secret: _Secret | None = Field(default=None, description="A new one, which must work; the old one is gone.")

    @model_validator(mode="after")
    def _changes_something(self) -> AccountPatch:
        if not self.model_fields_set or ("client_secret" in self.model_fields_set and self.client_secret is None):
            raise ValueError("name what changes: is_active, name or client_secret")
        return self


class RemovalWanted(Parameters):
    """How much is removed."""

    purge: bool = Field(default=False, description="Delete its rows, too; this cannot be undone.")


def _require_own(request: Request, members: Mapping[str, Any]) -> None:
    """Refuse an account or a customer that the caller is not bound to, whatever else the body says.

    Raises:
        Problem: it is one.
    """
    access: Access = request.state.caller.access
    if access.account_ids is not None and members.get("client_id") not in set(map(str, access.account_ids)):
        raise Problem(ProblemKind.SCOPE_MISSING, "this caller is bound to other accounts, and adds none")
    own = None if access.customer_id is None else str(access.customer_id)
    if own is not None and members.get("customer_id", own) != own:
        raise Problem(ProblemKind.SCOPE_MISSING, "this caller adds accounts of its own customer alone")


def _find_account(request: Request) -> FoundRow:
    return find(request, RowList.ACCOUNTS, request.path_params["account_id"])


@router.post("", status_code=201, responses=_answers(201, "NewAccount", "It is added, and its first sync is queued."))
@needs(Scope.ACCOUNTS, row_of_body=_require_own)
def add_account(request: Request, wanted: AccountWanted) -> Response:
    """Add an account, if the platform accepts its secret; its first sync, a full one, is queued."""
    mirror, access, number = mirror_of(request), request.state.caller.access, int(wanted.client_id)
    customer_id = access.customer_id or wanted.customer_id
    mirror.accounts.add_for(access, number, wanted.client_secret, name=wanted.name, customer_id=customer_id)
    asked = mirror.jobs.request_sync(number, full=True)
    row = find(request, RowList.ACCOUNTS, wanted.client_id).row
    response = answer(request, {**row, "sync_run": sync_request_document(asked)}, status=201)
    response.headers["Location"] = f"/api/v1/accounts/{number}"
    return response


@router.patch("/{account_id}", responses=_answers(200, "Account", "It, as it is now.", ProblemKind.CHANGED))
@needs(Scope.ACCOUNTS, _find_account)
def change_account(request: Request, account_id: AccountId, wanted: AccountPatch) -> Response:
    """Rename an account, disable or enable it, or replace its secret by one that works.

    With `If-Match`, only if it is as the caller saw it.
    """
    require_match(request, request.state.row.row)
    accounts, number, given = mirror_of(request).accounts, int(account_id), wanted.model_fields_set
    fields = {"name": wanted.name} if "name" in given else {}
    if fields or wanted.client_secret is not None:
        accounts.update(number, fields, wanted.client_secret)
    if "is_active" in given:
        (accounts.enable if wanted.is_active else accounts.disable)(number)
    return answer(request, find(request, RowList.ACCOUNTS, account_id).row)


@router.delete("/{account_id}", responses=_answers(200, "AccountRemoval", "It is removed.", ProblemKind.CHANGED))
@needs(Scope.ACCOUNTS, _find_account)
def remove_account(request: Request, account_id: AccountId, wanted: Annotated[RemovalWanted, Query()]) -> Response:
    """Remove an account: its webhook and token at the platform, its secrets here, and with `purge` its rows.

    What was interrupted is finished by the same request.
    """
    require_match(request, request.state.row.row)
    removal = mirror_of(request).accounts.remove(int(account_id), purge=wanted.purge)
    return answer(request, {**removal_document(removal, purged=wanted.purge), "account_id": account_id})
