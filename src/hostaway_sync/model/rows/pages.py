"""What a caller gets of a list: a page of rows, or one row with what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostaway_sync.model.history.events import LifeEvent
    from hostaway_sync.model.rows.cursor import RowCursor


@dataclass(frozen=True, slots=True)
class RowPage:
    """A page of a list.

    Attributes:
        items: its rows, each as JSON has it; fractions are `Decimal`, with all their digits.
        next: where the next page begins; None: there is none.
    """

    items: Sequence[Mapping[str, Any]]
    next: RowCursor | None


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One row, and what was asked for with it; a part that was not asked for is None.

    Attributes:
        account_id: whose.
        row: as JSON has it, as in a page.
        messages: the first page of the messages of a reservation.
        history: the life of a reservation, in the order in which it happened.
        listing: the listing of a reservation; None also where it is not mirrored.
    """

    account_id: int
    row: Mapping[str, Any]
    messages: RowPage | None = None
    history: Sequence[LifeEvent] | None = None
    listing: Mapping[str, Any] | None = None
