from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.api_rows import fill_accounts
from tests.support.servers.api import running_api

from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers.api import Callers
    from tests.support.sync_env import SyncEnv

PROXIED = {"X-Forwarded-For": "127.0.0.1"}


def test_details_are_for_this_machine_and_administrators_alone(callers: Callers) -> None:
    """Through a proxy others learn whether it is ready, and nothing of metrics; an administrator sees all accounts."""
    whole = callers.stranger.get("/ready").json()
    assert whole == {"ready": True, "database": True, "schema": True, "row_security": False, "waiting": 0}
    assert callers.stranger.get("/metrics").text.count("hostaway_sync_accounts{") == 2
    some = callers.api.issue_key("some", Access.of_accounts({1}), {Scope.ADMIN})
    admin = callers.api.issue_key("admin", Access.everything(), {Scope.ADMIN})
    for key, status in ((None, 401), (some, 403), (admin, 200)):
        with callers.api.client(key) as client:
            assert client.get("/metrics", headers=PROXIED).status_code == status
            assert client.get("/ready", headers=PROXIED).json() == (whole if status == 200 else {"ready": True})
    assert callers.of_both.get("/metrics", headers={"Host": "rebound.example.org"}).status_code == 403


def test_requests_are_counted_by_the_template_of_their_path(callers: Callers) -> None:
    """No id, no odd method and no unknown path becomes a label."""
    callers.of_one.get("/api/v1/reservations/7")
    callers.of_one.get("/api/v1/reservations/99")
    callers.of_one.get("/wp-admin/7")
    callers.of_one.request("BREW", "/api/v1/reservations/7")
    text = callers.stranger.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("hostaway_sync_http_requests_total")]
    route = 'route="/api/v1/reservations/{reservation_id}"'
    for labels in (
        f'method="GET",{route},status="200"',
        f'method="GET",{route},status="404"',
        'method="GET",route="unknown",status="404"',
    ):
        assert f"hostaway_sync_http_requests_total{{{labels}}} 1.0" in lines
    assert "BREW" not in text
    assert "wp-admin" not in text
    assert f'hostaway_sync_http_request_seconds_count{{method="GET",{route}}} 2.0' in text


def test_a_database_of_another_release_is_not_ready(callers: Callers) -> None:
    """Whoever balances the load sends requests elsewhere."""
    database = callers.api.mirror._database  # noqa: SLF001  (the test's own)
    sql.execute(database, "UPDATE alembic_version SET version_num = '0001'")
    answer = callers.stranger.get("/ready")
    assert (answer.status_code, answer.json()["ready"], answer.json()["schema"]) == (503, False, False)


def test_pages_of_named_origins_alone_may_ask_from_a_browser(sync_env: Callable[..., SyncEnv]) -> None:
    """Their preflight is answered without a key; other origins get no header that allows anything."""
    env = sync_env(store=False)
    fill_accounts(env.database, 1)
    page, other = "https://desk.example.com", "https://evil.example.com"
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "X-API-Key"}
    with running_api(env.mirror(), origins=(page,)) as api:
        with api.client(None) as browser:
            preflight = browser.options("/api/v1/accounts", headers={"Origin": page, **asked})
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == page
            assert "access-control-allow-credentials" not in preflight.headers
            refused = browser.options("/api/v1/accounts", headers={"Origin": other, **asked})
            assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)
        with api.client(api.issue_key("desk", Access.everything())) as client:
            assert (
                client.get("/api/v1/accounts", headers={"Origin": page}).headers["access-control-allow-origin"] == page
            )
            plain = client.get("/api/v1/accounts", headers={"Origin": other})
            assert "access-control-allow-origin" not in plain.headers
