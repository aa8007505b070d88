"""Whose records have changed of late. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from hostaway_sync.model.callers import Access


@dataclass(frozen=True, slots=True)
class NewChanges:
    """Which accounts have changes that came since the last look.

    Attributes:
        position: first position in the feed after them.
        accounts: ids, each with the customer whom the account belongs to now; None: there may be some of any account.
        is_waiting: changes are committed that an older writing transaction holds back.
    """

    position: int
    accounts: frozenset[tuple[int, UUID | None]] | None
    is_waiting: bool

    def concern(self, access: Access) -> bool:
        """Whether some of the changes may be of accounts that a caller may see."""
        if self.accounts is None:
            return True
        if access.account_ids is not None:
            return any(account_id in access.account_ids for account_id, _ in self.accounts)
        return any(access.customer_id in (None, customer_id) for _, customer_id in self.accounts)
