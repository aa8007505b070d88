"""What the bodies of requests have in common. A member that is not known is an error, and is never stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict

from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.rows import find
from hostaway_sync.model.ids import read_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from hostaway_sync.model.rows.lists import RowList
    from hostaway_sync.model.rows.pages import FoundRow

ACCOUNT_ID: Final = r"^[1-9][0-9]{0,17}$"


class Body(BaseModel):
    """The members of a body; others are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def find_in_body(request: Request, wanted: RowList, members: Mapping[str, Any], name: str) -> FoundRow | None:
    """Return the row of the caller's that a body names; None: it names none, which its route says.

    Args:
        request: of the caller.
        wanted: in which list.
        members: of the body, which are not checked yet.
        name: of the member that names the row.

    Raises:
        Problem: the caller has no such row.
    """
    text, account_id = members.get(name), members.get("account_id")
    if not isinstance(text, str):
        return None
    is_account = isinstance(account_id, str) and re.fullmatch(ACCOUNT_ID, account_id) is not None
    return find(request, wanted, text, account_id if is_account else None)


def read_number(text: str | None, account_id: int, name: str) -> int | None:
    """Return the id of an object of an account, given by its id or its whole key; None: none is given.

    Raises:
        Problem: it is neither.
    """
    if text is None:
        return None
    before, _, last = text.rpartition(":")
    number = read_id(last)
    if number is None or (before and before.rpartition(":")[2] != str(account_id)):
        raise Problem(ProblemKind.INVALID, f"body.{name}: is no id of an object of account {account_id}")
    return number
