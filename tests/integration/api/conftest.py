from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.api_rows import fill_accounts
from tests.support.servers.api import Callers, running_api

from hostaway_sync.model.callers import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.sync_env import SyncEnv


@pytest.fixture
def callers(sync_env: Callable[..., SyncEnv]) -> Iterator[Callers]:
    """Serve the API to a caller of account 1, one of account 2, one of both, and one without a key."""
    env = sync_env(store=False)
    fill_accounts(env.database, 1, 2)
    with running_api(env.mirror()) as api:
        keys = (
            api.issue_key("one", Access.of_accounts({1})),
            api.issue_key("two", Access.of_accounts({2})),
            api.issue_key("both", Access.everything()),
        )
        with (
            api.client(keys[0]) as one,
            api.client(keys[1]) as two,
            api.client(keys[2]) as both,
            api.client(None) as stranger,
        ):
            yield Callers(api, one, two, both, stranger)
