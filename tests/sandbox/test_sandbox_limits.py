from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server.rate_limits import Limit, SlidingWindows

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox


class Clock:
    """A clock whose time changes only when a test sets it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@given(st.lists(st.integers(0, 60), max_size=120), st.integers(1, 6), st.integers(1, 8))
@settings(deadline=None)
def test_no_window_anywhere_holds_more_than_the_limit(gaps: list[int], limit: int, seconds: int) -> None:
    """Granted requests never exceed the limit in any window, refused ones use up nothing, and no slot is wasted."""
    windows = SlidingWindows({"ip": Limit(limit, float(seconds))})
    granted: list[int] = []
    seen: list[int] = []
    most = 0
    now = 0
    for gap in gaps:
        now += gap % 4
        seen.append(now)
        most = max(most, sum(moment > now - seconds for moment in seen))
        recent = [moment for moment in granted if moment > now - seconds]
        refusal = windows.admit(["ip:1"], float(now))
        assert (refusal is None) == (len(recent) < limit)
        if refusal is None:
            granted.append(now)
        else:
            assert refusal.retry_at == recent[0] + seconds
            assert (refusal.applied, refusal.limit) == ("ip", limit)
    assert windows.max_in_window("ip:1") == most
    assert windows.refused["ip:1"] == len(seen) - len(granted)


def test_a_request_must_fit_every_bucket() -> None:
    """One refused by its account does not use up its address."""
    windows = SlidingWindows({"ip": Limit(3), "account": Limit(1)})
    assert windows.admit(["ip:1", "account:1"], 0.0) is None
    assert windows.admit(["ip:1", "account:1"], 1.0) is not None
    assert windows.admit(["ip:1", "account:2"], 1.0) is None
    assert windows.admit(["ip:1", "account:3"], 1.0) is None
    assert windows.admit(["ip:1", "account:4"], 9.9) is not None
    assert windows.admit(["ip:1", "account:1"], 10.0) is None
    windows.forget()
    assert windows.max_in_window("ip:1") == 0


@pytest.mark.parametrize(("profile", "limit"), [("old", 15), ("new", 200)])
def test_the_profiles_refuse_one_request_too_many(open_sandbox: OpenSandbox, profile: str, limit: int) -> None:
    """By address first; the answer says when there is room again, as a Unix time."""
    clock = Clock()
    sandbox, caller = open_sandbox(rate_limits=profile, clock=clock)
    assert {caller.get("/listings", params={"limit": 1}).status_code for _ in range(limit - 1)} == {200}
    clock.now += 4.25
    reply = caller.get("/listings")
    assert reply.status_code == 429
    assert reply.json()["status"] == "fail"
    assert "rate limits" in reply.json()["message"]
    assert reply.headers["X-RateLimit-Limit"] == str(limit)
    assert reply.headers["X-RateLimit-Remaining"] == "0"
    assert reply.headers["X-RateLimit-Applied"] == "ip"
    assert reply.headers["X-RateLimit-Retry-After"] == "1800000010"
    assert "Retry-After" not in reply.headers
    clock.now = 1_800_000_010.0
    assert caller.get("/listings", params={"limit": 1}).status_code == 200
    assert sandbox.max_in_window("ip:127.0.0.1") == limit + 1
    assert sandbox.windows.refused["ip:127.0.0.1"] == 1


def test_two_addresses_share_the_account_and_not_each_other(open_sandbox: OpenSandbox) -> None:
    """The old profile lets 20 through for an account, 15 from each address."""
    clock = Clock()
    sandbox, caller = open_sandbox(rate_limits="old", clock=clock, switches=Switches(token_counts=False))
    with closing(type(caller)(sandbox, address="127.0.0.2")) as neighbour:
        assert [caller.get("/listings", params={"limit": 1}).status_code for _ in range(12)] == [200] * 12
        assert [neighbour.get("/listings", params={"limit": 1}).status_code for _ in range(8)] == [200] * 8
        assert neighbour.get("/listings").headers["X-RateLimit-Applied"] == "account"
    assert sandbox.max_in_window("account:70001") == 21


@pytest.mark.parametrize("counts", [True, False])
def test_the_token_route_counts_if_the_switch_says_so(open_sandbox: OpenSandbox, *, counts: bool) -> None:
    """Against the address and the account."""
    sandbox, _ = open_sandbox(rate_limits="new", switches=Switches(token_counts=counts))
    assert sandbox.max_in_window("ip:127.0.0.1") == int(counts)
    assert sandbox.max_in_window("account:70001") == int(counts)


def test_sends_have_a_bucket_of_their_own(open_sandbox: OpenSandbox) -> None:
    """Thirty a minute; a send takes no slot of the general limits."""
    clock = Clock()
    sandbox, caller = open_sandbox(rate_limits="new", clock=clock)
    path = f"/conversations/{caller.ids('/conversations', limit=1)[0]}/messages"
    replies = [caller.post(path, json={"body": "Hello"}) for _ in range(31)]
    assert [reply.status_code for reply in replies] == [200] * 30 + [429]
    assert replies[-1].headers["X-RateLimit-Applied"] == "endpoint"
    assert sandbox.max_in_window("endpoint:70001") == 31
    assert sandbox.max_in_window("ip:127.0.0.1") == 2
    clock.now += 60
    assert caller.post(path, json={"body": "Hello"}).status_code == 200


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rate_limit_headers": False}, None),
        ({"clock_skew": -3_600.0}, "1799996410"),
        ({"clock_skew": 90}, "1800000100"),
    ],
)
def test_headers_may_be_missing_or_wrong(
    open_sandbox: OpenSandbox, options: dict[str, Any], expected: str | None
) -> None:
    """No headers at all, or the times of a skewed clock."""
    _, caller = open_sandbox(rate_limits="old", clock=Clock(), **options)
    replies = [caller.get("/listings", params={"limit": 1}) for _ in range(15)]
    assert replies[-1].status_code == 429
    assert replies[-1].headers.get("X-RateLimit-Retry-After") == expected
    assert ("X-RateLimit-Limit" in replies[-1].headers) == (expected is not None)


def test_switched_off_it_still_records(open_sandbox: OpenSandbox) -> None:
    """Nothing is refused, everything is counted; forgetting starts anew."""
    sandbox, caller = open_sandbox(clock=Clock())
    for _ in range(300):
        assert caller.get("/listings", params={"limit": 1}).status_code == 200
    assert sandbox.max_in_window("account:70001") == 301
    assert sandbox.calls["GET /listings"] == 300
    assert len(sandbox.requests) == 301
    last = sandbox.requests[-1]
    assert (last.method, last.path, last.query, last.status) == ("GET", "/listings", {"limit": "1"}, 200)
    assert (last.route, last.account_id) == ("GET /listings", 70001)
    sandbox.forget()
    assert (sandbox.max_in_window("account:70001"), sum(sandbox.calls.values()), len(sandbox.requests)) == (0, 0, 0)
