from __future__ import annotations

import pytest

from hostaway_sync.store.connection.pooler import is_shared


@pytest.mark.parametrize(
    ("before", "now", "shared"),
    [
        ([], [1, 2], False),
        ([1, 2], [1, 2, 3], False),
        ([], [1, 1], True),
        ([1, 2], [1, 2, 1], True),
        ([1, 2], [2, 1, 3], True),
        ([1, 2], [1, 3, 2], True),
        ([], [1], False),
        ([1], [2], True),
    ],
)
def test_shared_server_processes_are_detected(before: list[int], now: list[int], *, shared: bool) -> None:
    """A transaction pooler gives two clients one process, or one client two."""
    assert is_shared(before, now) is shared
