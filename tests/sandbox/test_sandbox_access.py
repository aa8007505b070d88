from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hostaway_sync.sandbox import AccountSpec, Sandbox, Switches

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox

DENIED = {"status": "fail", "message": "The resource owner or authorization server denied the request."}
MISSING = {"status": "fail", "message": "Resource not found"}


class Clock:
    """A clock whose time changes only when a test sets it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def _exchange(sandbox: Sandbox, **changes: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": "70001", "client_secret": sandbox.client_secret}
    return httpx.post(f"{sandbox.url}/accessTokens", data=form | changes)


def _listing(sandbox: Sandbox, token: str) -> httpx.Response:
    return httpx.get(f"{sandbox.url}/listings?limit=1", headers={"Authorization": f"Bearer {token}"})


def test_token_works_from_one_second_after_issue_until_expiry() -> None:
    """Too young, good, expired: 403, 200, 403, by the sandbox's clock."""
    clock = Clock()
    with Sandbox(clock=clock, reservations=1, listings=1) as sandbox:
        reply = _exchange(sandbox)
        assert list(reply.json()) == ["token_type", "expires_in", "access_token"]
        assert (reply.json()["token_type"], reply.json()["expires_in"]) == ("Bearer", 63_072_000)
        token = reply.json()["access_token"]
        assert _listing(sandbox, token).status_code == 403
        clock.now += 1
        assert _listing(sandbox, token).status_code == 200
        clock.now += 63_072_000
        assert (_listing(sandbox, token).status_code, _listing(sandbox, token).json()) == (403, DENIED)


def test_a_token_looks_like_the_real_ones_and_is_repeatable() -> None:
    """A JWT with the account as audience; the same seed and clock give the same tokens, each another."""
    tokens = []
    for _ in range(2):
        with Sandbox(clock=Clock(), reservations=1, listings=1) as sandbox:
            tokens.append([_exchange(sandbox).json()["access_token"] for _ in range(2)])
            assert sandbox.tokens.issued == 2
    assert tokens[0] == tokens[1]
    assert tokens[0][0] != tokens[0][1]
    claims = tokens[0][0].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "==="))["aud"] == "70001"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "99999"}, 401, "invalid_client"),
        ({"client_id": "many"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_refused_credentials_get_an_oauth_body(changes: dict[str, str], status: int, error: str) -> None:
    """401 for a wrong id or secret, 400 for another grant, never the usual envelope."""
    with Sandbox(reservations=1, listings=1) as sandbox:
        reply = _exchange(sandbox, **changes)
        assert reply.status_code == status
        assert reply.json()["error"] == error
        assert set(reply.json()) == {"error", "error_description", "message"}
        assert httpx.get(f"{sandbox.url}/accessTokens").status_code == 400
        assert httpx.post(f"{sandbox.url}/accessTokens", json={"client_id": 1}).status_code == 400


def test_a_deleted_secret_refuses_new_tokens_and_keeps_old_ones(open_sandbox: OpenSandbox) -> None:
    """The key was deleted in the dashboard: 401 at the token route."""
    sandbox, caller = open_sandbox()
    sandbox.reconfigure(70001, secret_deleted=True)
    assert _exchange(sandbox).status_code == 401
    assert caller.get("/listings").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic abc"}])
def test_any_bad_bearer_is_denied(headers: dict[str, str]) -> None:
    """No token, an unknown one, another scheme: 403 with one and the same body."""
    with Sandbox(reservations=1, listings=1) as sandbox:
        reply = httpx.get(f"{sandbox.url}/reservations", headers=headers)
        assert (reply.status_code, reply.json()) == (403, DENIED)
    with Sandbox(reservations=1, listings=1, switches=Switches(bad_bearer=401)) as sandbox:
        assert httpx.get(f"{sandbox.url}/reservations", headers=headers).status_code == 401


def test_tokens_can_be_revoked(open_sandbox: OpenSandbox) -> None:
    """The API revokes one token, a test all of them; revoking an unknown token succeeds."""
    sandbox, caller = open_sandbox()
    assert caller.delete("/accessTokens", params={"token": "unknown"}).status_code == 200
    token = caller.headers["Authorization"].removeprefix("Bearer ")
    reply = caller.delete("/accessTokens", params={"token": token})
    assert reply.json() == {"status": "success", "result": []}
    assert caller.get("/listings").status_code == 403
    fresh, other = (_exchange(sandbox).json()["access_token"] for _ in range(2))
    sandbox.revoke_tokens()
    assert {_listing(sandbox, token).status_code for token in (fresh, other)} == {403}


@pytest.mark.parametrize("lifetime", Switches.choices()["token_lifetime"])
def test_the_lifetime_of_a_token_is_a_switch(open_sandbox: OpenSandbox, lifetime: Any) -> None:
    """Two years, half a year, or a number in quotes."""
    sandbox, _ = open_sandbox(switches=Switches(token_lifetime=lifetime))
    assert _exchange(sandbox).json()["expires_in"] == lifetime


def test_an_account_without_inbox_rights_is_denied_there_only(open_sandbox: OpenSandbox) -> None:
    """403 on every thread, or on every conversation too; bookings and listings are open."""
    sandbox, caller = open_sandbox(accounts=[AccountSpec(inbox="closed_threads", reservations=20)])
    thread = caller.ids("/conversations")[0]
    refused = caller.get(f"/conversations/{thread}/messages")
    assert (refused.status_code, refused.json()) == (403, DENIED)
    assert caller.post(f"/conversations/{thread}/messages", json={"body": "x"}).status_code == 403
    sandbox.reconfigure(70001, inbox="closed")
    assert caller.get("/conversations").status_code == 403
    assert caller.get(f"/conversations/{thread}").status_code == 403
    assert caller.get("/reservations").status_code == 200


@pytest.mark.parametrize("resource", ["listings", "reservations", "conversations"])
def test_single_objects_are_those_of_the_lists(open_sandbox: OpenSandbox, resource: str) -> None:
    """A GET by id gives the row, a reservation with two keys more, seeded or changed."""
    sandbox, caller = open_sandbox()
    sandbox.world.pay(caller.ids("/reservations")[5])
    for row in caller.rows(f"/{resource}", includeResources=1, limit=8):
        single = caller.get(f"/{resource}/{row['id']}", params={"includeResources": 1}).json()
        assert list(single) == ["status", "result"]
        extras = set(single["result"]) - set(row)
        assert {key: value for key, value in single["result"].items() if key in row} == row
        assert len(extras) == (2 if resource == "reservations" else 0)


def test_single_messages_and_threads_of_a_reservation(open_sandbox: OpenSandbox) -> None:
    """Messages by id whatever their status, conversations by reservation, all messages where the switch says so."""
    sandbox, caller = open_sandbox(switches=Switches(single_conversation_messages="all", single_extra_keys=False))
    conversation = next(row for row in caller.rows("/conversations") if row["reservationId"])
    path = f"/conversations/{conversation['id']}/messages"
    waiting = sandbox.world.schedule_message(conversation["id"], sandbox.world.now.replace(year=2031))
    assert caller.get(f"{path}/{waiting}").json()["result"]["status"] == "awaiting"
    everything = caller.rows(path, includeScheduledMessages=1)
    single = caller.get(f"/conversations/{conversation['id']}").json()["result"]
    assert [row["id"] for row in single["conversationMessages"]] == [row["id"] for row in reversed(everything)]
    mine = caller.rows(f"/reservations/{conversation['reservationId']}/conversations")
    assert [row["id"] for row in mine] == [conversation["id"]]
    assert len(caller.get(f"/reservations/{conversation['reservationId']}").json()["result"]) == 117


PATHS = (
    "/listings/5",
    "/reservations/5",
    "/conversations/5",
    "/conversations/5/messages",
    "/reservations/5/conversations",
    "/listings/5/calendar",
    "/webhooks/unifiedWebhooks/5",
)


def test_missing_object_is_404_or_403_as_the_switch_says(open_sandbox: OpenSandbox) -> None:
    """The switch holds for every single object; unknown routes are always 404. The sentence may be in `result`."""
    _, caller = open_sandbox()
    thread = caller.ids("/conversations")[0]
    for path in (*PATHS, f"/conversations/{thread}/messages/5", "/unknown", "/listings/abc"):
        reply = caller.get(path)
        assert (reply.status_code, reply.json()) == (404, MISSING), path
    assert caller.delete("/reservations/5").status_code == 404
    assert caller.delete("/listings/5").status_code == 404
    assert caller.put("/conversations/5", json={"hasUnreadMessages": 0}).status_code == 404
    assert caller.put("/webhooks/unifiedWebhooks/5", json={}).status_code == 404
    assert caller.get(str(caller.base_url).removesuffix("v1/") + "v2/listings").status_code == 404
    _, forbidden = open_sandbox(switches=Switches(deleted_object=403))
    assert {forbidden.get(path).status_code for path in PATHS} == {403}
    _, other = open_sandbox(switches=Switches(fail_text="result"))
    assert other.get("/listings/5").json() == {"status": "fail", "result": "Resource not found"}
    _, listed = open_sandbox(switches=Switches(fail_text="list"))
    assert listed.get("/listings/5").json() == {"status": "fail", "result": ["Resource not found"]}


def test_calendars_have_both_ends_and_every_day(open_sandbox: OpenSandbox) -> None:
    """Days ascend without a gap; malformed dates are ignored, and a calendar has at most three years."""
    _, caller = open_sandbox()
    path = f"/listings/{caller.ids('/listings')[0]}/calendar"
    days = caller.rows(path, startDate="2026-12-04", endDate="2026-12-09")
    assert [day["date"] for day in days] == [f"2026-12-{number:02d}" for number in range(4, 10)]
    assert caller.page(path, startDate="2026-12-04", endDate="2026-12-09") == {"status": "success", "result": days}
    before = datetime.now(UTC).date()
    found = date.fromisoformat(caller.rows(path, startDate="soon")[0]["date"])
    assert before <= found <= datetime.now(UTC).date()
    assert len(caller.rows(path)) == 30
    year = caller.rows(path, startDate="2026-01-01", endDate="2099-01-01")
    assert len(year) == 1_101
    assert {day["status"] for day in year} == {"available", "reserved", "blocked", "pending"}
    assert {type(day["price"]) for day in year} >= {int, float, type(None)}
