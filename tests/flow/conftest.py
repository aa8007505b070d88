"""Builds towns: a sandbox and the database that mirrors it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.flow.town import Town

from hostaway_sync.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hostaway_sync.store.engine import Database


@pytest.fixture
def town(database: Database, tmp_path: Path) -> Iterator[Callable[..., Town]]:
    """Give a function that starts a sandbox with the options given and stores its accounts."""
    with ExitStack() as stack:

        def build(*, store: bool = True, **options: Any) -> Town:
            options = {"reservations": 12, "listings": 3, "token_delay": 0.0} | options
            sandbox = stack.enter_context(Sandbox(**options))
            built = Town(sandbox, database, tmp_path, stack)
            for account_id in sandbox.accounts if store else ():
                built.store_account(account_id)
            return built

        yield build
