"""Callers add, change and remove accounts; each within what it is bound to, and no secret comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.support import sql
from tests.support.servers.api import running_api

from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ROUTE = "/api/v1/accounts"
OURS, THEIRS = UUID(int=1), UUID(int=2)
OTHER = "INSERT INTO accounts (account_id, client_secret) VALUES (5, '')"
SCOPES = {Scope.READ, Scope.ACCOUNTS}


def test_an_account_is_added_changed_and_removed(sync_env: Build, caplog: pytest.LogCaptureFixture) -> None:
    """For the customer of the caller; the first sync is queued, and the log names the caller."""
    env = sync_env(store=False)
    sql.execute(env.database, OTHER)
    number, secret = str(env.account_id), env.sandbox.accounts[env.account_id].spec.secret
    one, whole = f"{ROUTE}/{number}", {"client_id": number, "client_secret": secret, "name": "Strand"}
    with running_api(env.mirror()) as api:
        ours, theirs = (api.issue_key(f"of-{who.int}", Access.of_customer(who), SCOPES) for who in (OURS, THEIRS))
        bound = api.issue_key("bound", Access.of_accounts({5}), SCOPES)
        with api.client(ours) as client, api.client(theirs) as other, api.client(bound) as narrow:
            told: list[Any] = [
                narrow.post(ROUTE, json=whole),
                client.post(ROUTE, json={**whole, "customer_id": str(THEIRS)}),
            ]
            assert [answer.status_code for answer in told] == [403, 403]
            wrong = {**whole, "client_secret": "wrong-secret"}
            told.append(client.post(ROUTE, json=wrong))
            assert (told[-1].status_code, client.get(one).status_code) == (422, 404)
            added = client.post(ROUTE, json=whole)
            assert added.status_code == 201, added.text
            assert (added.json()["name"], added.headers["location"]) == ("Strand", one)
            assert added.json()["sync_run"]["mode"] == "full"
            # Only who has the secret learns that another customer has the account.
            told += [
                added,
                other.post(ROUTE, json=wrong),
                other.post(ROUTE, json=whole),
                client.post(ROUTE, json=whole),
            ]
            assert [answer.status_code for answer in told[-3:]] == [422, 409, 409]
            assert other.patch(one, json={"name": "mine"}).status_code == other.delete(one).status_code == 404
            tag = client.get(one).headers["etag"]
            renamed = client.patch(one, json={"name": "Strand 2", "is_active": False}, headers={"If-Match": tag})
            assert (renamed.status_code, renamed.json()["name"]) == (200, "Strand 2")
            outdated = {"If-Match": tag}
            assert client.patch(one, json={"name": "Strand 3"}, headers=outdated).status_code == 412
            assert client.delete(one, headers=outdated).status_code == 412
            told.append(client.patch(one, json={"client_secret": "wrong-secret", "name": "no"}))
            assert (told[-1].status_code, client.get(one).json()["name"]) == (422, "Strand 2")
            told.append(client.patch(one, json={"client_secret": secret, "is_active": True}))
            assert told[-1].status_code == 200
            told.append(client.delete(f"{one}?purge=true"))
            assert (told[-1].status_code, told[-1].json()["account_id"], client.get(one).status_code) == (
                200,
                number,
                404,
            )
    noted = sql.rows(
        env.database, f"SELECT action, changes FROM audit_log WHERE account_id = {number} ORDER BY audit_id"
    )
    assert {changes["caller"] for _, changes in noted} == {"of-1"}
    assert {"added", "updated", "disabled", "enabled", "removed", "purged"} <= {action for action, _ in noted}
    seen = caplog.text + "".join(answer.text for answer in told) + str(noted)
    assert secret not in seen
    assert "wrong-secret" not in seen


def test_accounts_are_changed_by_callers_with_the_scope_alone(sync_env: Build) -> None:
    """The row is judged before the body; a body with members that are not known changes nothing."""
    env = sync_env()
    sql.execute(env.database, OTHER)
    one = f"{ROUTE}/{env.account_id}"
    with running_api(env.mirror()) as api:
        reader = api.issue_key("reader", Access.everything())
        stranger = api.issue_key("stranger", Access.of_accounts({5}), SCOPES)
        with api.client(None) as nobody, api.client(reader) as read, api.client(stranger) as other:
            for client, status in ((nobody, 401), (read, 403), (other, 404)):
                assert client.patch(one, json={"account_id": 5}).status_code == status
                assert client.delete(f"{one}?purge=perhaps").status_code == status
            for client, status in ((nobody, 401), (read, 403)):
                assert client.post(ROUTE, json={}).status_code == status
        with api.client(api.issue_key("ops", Access.everything(), SCOPES)) as client:
            bodies: list[Any] = [{}, {"customer_id": str(OURS)}, {"name": "a\0"}, {"name": ""}, {"client_secret": None}]
            bodies += [{"is_active": "no"}, {"name": "x", "webhook_url": "y"}, [], "x"]
            for body in bodies:
                assert client.patch(one, json=body).status_code == 422, body
            new = {"client_id": "9", "client_secret": "s"}
            for body in (
                {**new, "is_active": False},
                {**new, "client_id": 9},
                {"client_id": "9"},
                {**new, "customer_id": "x"},
            ):
                assert client.post(ROUTE, json=body).status_code == 422, body
            assert client.delete(f"{one}?purge=perhaps").status_code == 422
            assert client.put(one).headers["allow"] == "DELETE, GET, PATCH"
    assert sql.rows(env.database, "SELECT count(*) FROM accounts WHERE is_active") == [(2,)]
