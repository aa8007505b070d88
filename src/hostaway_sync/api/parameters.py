"""What the parameters of lists have in common. A parameter that is not known is an error: a typo would widen a list."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

MOST_ITEMS: Final = 500
_USUAL_ITEMS: Final = 100
_LONGEST_ID: Final = 200

Id = Annotated[
    str,
    Path(
        min_length=1,
        max_length=_LONGEST_ID,
        description="The id of the object in its system, or its whole key, as `…_key` of a row has it.",
    ),
]
AccountId = Annotated[str, Path(pattern=r"^[1-9][0-9]{0,17}$", description="The id of the account.")]


class Parameters(BaseModel):
    """Parameters of a query; others are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Raw(Parameters):
    """Whether an object comes with what its system sent."""

    raw: bool = Field(default=False, description="Add `raw_payload`, the object as its system sent it.")


class Page(Parameters):
    """Which part of a list."""

    limit: int = Field(default=_USUAL_ITEMS, ge=1, le=MOST_ITEMS, description="The most items of this page.")
    cursor: str | None = Field(
        default=None, max_length=2000, description="`next` of the page before; none: the first page."
    )


class OfAccount(Parameters):
    """Which account an object belongs to, where several have one of its id."""

    account_id: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,17}$", description="Of this account alone.")


def as_number(account_id: str | None) -> int | None:
    """Return the id of an account as the database has it."""
    return None if account_id is None else int(account_id)
