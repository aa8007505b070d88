from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.api_rows import fill_accounts
from tests.support.servers.api import running_api

from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv


def test_a_caller_without_requests_is_told_when_to_come_back(sync_env: Callable[..., SyncEnv]) -> None:
    """In every process; another key has requests of its own, and what lacks the scope costs none."""
    env = sync_env(store=False)
    fill_accounts(env.database, 1)
    accounts = "/api/v1/accounts"
    limit = "3/300"
    with running_api(env.mirror(api_rate_limit=limit)) as api, running_api(env.mirror(api_rate_limit=limit)) as other:
        keys = [api.issue_key(name, Access.everything()) for name in ("one", "two")]
        sender = api.issue_key("sender", Access.everything(), {Scope.MESSAGES})
        with api.client(keys[0]) as here, other.client(keys[0]) as there, api.client(keys[1]) as two:
            assert [one.get(accounts).status_code for one in (here, there, here)] == [200] * 3
            for client in (here, there):
                refused = client.get(f"{accounts}/9?x=1")
                assert refused.status_code == 429
                assert refused.json()["type"] == "urn:hostaway-sync:problem:too-many-requests"
                assert 90 < int(refused.headers["retry-after"]) <= 100
            assert two.get(accounts).status_code == 200
        with api.client(sender) as client:
            assert [client.get(accounts).status_code for _ in range(4)] == [403] * 4
