from __future__ import annotations

from uuid import uuid4

import pytest

from hostaway_sync.model.callers import Access
from hostaway_sync.model.history.new_changes import NewChanges

MINE, OTHER = uuid4(), uuid4()
SOME = frozenset({(1, MINE), (2, None)})


@pytest.mark.parametrize(
    ("accounts", "access", "concerned"),
    [
        (None, Access.of_accounts({9}), True),
        (SOME, Access.everything(), True),
        (SOME, Access.of_accounts({2, 9}), True),
        (SOME, Access.of_accounts({9}), False),
        (SOME, Access.of_customer(MINE), True),
        (SOME, Access.of_customer(OTHER), False),
        (frozenset(), Access.everything(), False),
    ],
)
def test_changes_concern_callers_who_see_their_accounts(
    accounts: frozenset[tuple[int, None]] | None, access: Access, *, concerned: bool
) -> None:
    """Where it is not known whose they are, they concern everybody."""
    assert NewChanges(1, accounts, is_waiting=False).concern(access) is concerned
