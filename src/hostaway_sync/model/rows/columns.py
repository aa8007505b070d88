"""A column of the rows of a list, as a document of the API describes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowColumn:
    """A column of rows.

    Attributes:
        name: of the column, and of the member in JSON.
        type: of its values, in the words of PostgreSQL, such as `timestamp with time zone`.
        comment: what it means; None: it has no comment.
    """

    name: str
    type: str
    comment: str | None
