from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

import httpx
import pytest

from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox

    from hostaway_sync.sandbox import Effect, Reply, Request

SENDING = "POST /conversations/{id}/messages"


@pytest.mark.parametrize(
    ("effect", "code", "start"),
    [
        (faults.bad_gateway(), 502, b"<html>"),
        (faults.bad_gateway(504), 504, b"<html>"),
        (faults.status(200), 200, b""),
        (faults.status(500, b"oops", headers={"X-Why": "test"}, content_type="text/plain"), 500, b"oops"),
        (faults.denied(), 403, b'{"status": "fail"'),
        (faults.denied(401), 401, b'{"status": "fail"'),
        (faults.fail_with_200(), 200, b'{"status": "fail"'),
        (faults.rate_limited(), 429, b'{"status": "fail"'),
        (faults.null_result(), 200, b'{"status": "success", "result": null, "count": 120'),
        (faults.early_empty_page(), 200, b'{"status": "success", "result": [], "count": 120'),
        (faults.torn_json(), 200, b'{"status":"success","result":[{"id"'),
    ],
)
def test_a_fault_strikes_once_and_then_all_is_well(
    open_sandbox: OpenSandbox, effect: Effect, code: int, start: bytes
) -> None:
    """Each kind of wrong answer comes with its status, and the next answer is right."""
    sandbox, caller = open_sandbox()
    rule = sandbox.faults.add(effect, route="GET /reservations")
    reply = caller.get("/reservations")
    assert reply.status_code == code
    assert reply.content.startswith(start)
    assert caller.get("/reservations").json()["status"] == "success"
    assert rule.hits == 1


def test_torn_json_is_framed_right_and_broken(open_sandbox: OpenSandbox) -> None:
    """The length of the body is right, and the JSON in it is cut off."""
    sandbox, caller = open_sandbox()
    sandbox.faults.add(faults.torn_json())
    reply = caller.get("/reservations")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|Invalid"):
        reply.json()


def test_connections_tear_and_reset(open_sandbox: OpenSandbox) -> None:
    """A body that ends early, and a connection that ends before its answer."""
    sandbox, caller = open_sandbox()
    sandbox.faults.add(faults.torn_connection())
    with pytest.raises(httpx.RemoteProtocolError):
        caller.get("/reservations")
    sandbox.faults.add(faults.connection_reset())
    with pytest.raises(httpx.ReadError):
        caller.get("/reservations")
    assert sandbox.requests[-1].status == 0
    assert caller.get("/reservations").status_code == 200


def test_a_slow_body_ends_when_its_gate_opens(open_sandbox: OpenSandbox) -> None:
    """Half of it comes at once, the rest when the test says so."""
    sandbox, caller = open_sandbox()
    gate = Event()
    sandbox.faults.add(faults.slow(gate))
    with caller.stream("GET", "/reservations") as reply:
        parts = reply.iter_raw()
        first = next(parts)
        assert 0 < len(first) < int(reply.headers["Content-Length"])
        gate.set()
        assert len(first) + sum(len(part) for part in parts) == int(reply.headers["Content-Length"])


def test_silence_lasts_until_client_or_sandbox_ends_it(open_sandbox: OpenSandbox) -> None:
    """The client times out; the sandbox stops without waiting for silent connections."""
    sandbox, caller = open_sandbox()
    gate = Event()
    sandbox.faults.add(faults.silence(gate), times=None)
    with pytest.raises(httpx.ReadTimeout):
        caller.get("/reservations", timeout=0.05)
    broken: list[Exception] = []

    def ask() -> None:
        try:
            caller.get("/reservations")
        except httpx.TransportError as error:
            broken.append(error)

    arrived = Event()
    sandbox.after_request(lambda _request, _reply: arrived.set())
    thread = Thread(target=ask)
    thread.start()
    assert arrived.wait(30)
    sandbox.stop()
    thread.join(30)
    assert len(broken) == 1


@pytest.mark.parametrize("effect", [faults.status(500), faults.connection_reset(), faults.bad_gateway()])
def test_a_send_may_be_accepted_and_its_answer_lost(open_sandbox: OpenSandbox, effect: Effect) -> None:
    """The thread holds the message although the answer was an error."""
    sandbox, caller = open_sandbox()
    thread = caller.ids("/conversations", limit=1)[0]
    sandbox.faults.add(faults.accepted_then(effect), route=SENDING)
    try:
        assert caller.post(f"/conversations/{thread}/messages", json={"body": "On our way"}).status_code >= 500
    except httpx.ReadError:
        assert sandbox.requests[-1].status == 0
    assert caller.rows(f"/conversations/{thread}/messages", limit=1)[0]["body"] == "On our way"


def test_an_accepted_send_may_time_out(open_sandbox: OpenSandbox) -> None:
    """No answer comes, and the thread holds the message."""
    sandbox, caller = open_sandbox()
    thread = caller.ids("/conversations", limit=1)[0]
    sandbox.faults.add(faults.accepted_then(faults.silence(Event())), route=SENDING)
    accepted = Event()
    sandbox.after_request(lambda _request, _reply: accepted.set())
    with pytest.raises(httpx.ReadTimeout):
        caller.post(f"/conversations/{thread}/messages", json={"body": "Hello?"}, timeout=0.2)
    assert accepted.wait(30)
    assert caller.rows(f"/conversations/{thread}/messages", limit=1)[0]["body"] == "Hello?"


def test_a_429_carries_the_time_a_test_sets(open_sandbox: OpenSandbox) -> None:
    """With a Unix time, right or skewed, a lower limit and a scope; or with nothing."""
    sandbox, caller = open_sandbox()
    sandbox.faults.add(faults.rate_limited(retry_at=1_234_567_890.4, limit=15, applied="ip"))
    reply = caller.get("/listings")
    expected = {"Limit": "15", "Remaining": "0", "Retry-After": "1234567890", "Applied": "ip"}
    assert {name: reply.headers[f"X-RateLimit-{name}"] for name in expected} == expected
    sandbox.faults.add(faults.rate_limited())
    assert not [name for name in caller.get("/listings").headers if name.startswith("x-ratelimit")]


def test_rules_choose_by_method_path_route_account_and_count(open_sandbox: OpenSandbox) -> None:
    """All given conditions must hold; the first so many go unharmed, and only so many are hit."""
    sandbox, caller = open_sandbox()
    rule = sandbox.faults.add(faults.status(500), path=r"^/reservations\?.*offset=\d+", skip=1, times=2)
    codes = [caller.get("/reservations", params={"limit": 1, "offset": number}).status_code for number in range(5)]
    assert codes == [200, 500, 500, 200, 200]
    assert caller.get("/reservations").status_code == 200
    sandbox.faults.remove(rule)
    for conditions in ({"method": "POST"}, {"account_id": 1}, {"route": "GET /listings/{id}"}, {"path": "^/x"}):
        sandbox.faults.add(faults.status(500), **conditions)
    assert caller.get("/listings").status_code == 200
    sandbox.faults.clear()


def test_chance_is_seeded(open_sandbox: OpenSandbox) -> None:
    """The same seed strikes the same requests; about as many as asked for."""
    runs = []
    for _ in range(2):
        sandbox, caller = open_sandbox(seed=9)
        sandbox.faults.add(faults.denied(), times=None, probability=0.3)
        runs.append([caller.get("/listings", params={"limit": 1}).status_code for _ in range(60)])
    assert runs[0] == runs[1]
    assert 5 < runs[0].count(403) < 35


def test_tests_can_change_the_world_between_pages(open_sandbox: OpenSandbox) -> None:
    """A change before a request shows in its answer; a hook after it is given that answer."""
    sandbox, caller = open_sandbox()
    asked: list[str] = []
    answered: list[int] = []

    def change(request: Request) -> None:
        asked.append(request.route)
        if len(asked) == 2:
            sandbox.world.delete_reservation(caller_rows[0])

    def note(_request: Request, reply: Reply) -> None:
        answered.append(reply.status)

    caller_rows = caller.ids("/reservations", limit=10)
    sandbox.on_request(change)
    sandbox.after_request(note)
    assert caller.ids("/reservations", limit=10, offset=0) == caller_rows
    assert caller.ids("/reservations", limit=9) == caller_rows[1:]
    assert (asked, answered) == (["GET /reservations"] * 2, [200, 200])


def test_pages_can_be_rewritten(open_sandbox: OpenSandbox) -> None:
    """A fault may repeat rows or change the body."""
    sandbox, caller = open_sandbox()
    sandbox.faults.add(faults.change_rows(lambda rows: rows + rows[:3]))
    assert len(caller.ids("/reservations", limit=10)) == 13
    sandbox.faults.add(faults.rewrite(lambda body: body.replace(b"success", b"done")))
    assert caller.get("/listings").json()["status"] == "done"
