"""Guests are written to over HTTP: once, whatever is repeated, and only by callers of their accounts."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.deliveries import eventually
from tests.support.messages import SEND, TEXT, MessageCase, message_case, quiet_hours_now
from tests.support.processes import kill_process, start_program
from tests.support.servers.api import running_api

from hostaway_sync.api.guards import LARGEST_BODY
from hostaway_sync.app.api_keys import ApiKeyRequest
from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers.api import Callers, RunningApi
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ROUTE = "/api/v1/send-message"
BOTH = {Scope.READ, Scope.MESSAGES}


class Caller:
    """A caller that writes to one guest."""

    def __init__(self, case: MessageCase, client: httpx.Client) -> None:
        self.case = case
        self.client = client

    def post(self, key: str | None = "k", message: str = TEXT, **members: Any) -> httpx.Response:
        """Ask for a message; return the answer."""
        body = {"reservation_id": str(self.case.reservation_id), "message": message, **members}
        return self.client.post(ROUTE, json=body, headers={} if key is None else {"Idempotency-Key": key})


@contextmanager
def calling(case: MessageCase, name: str = "desk", **settings: Any) -> Iterator[tuple[RunningApi, Caller]]:
    """Serve the API to a caller of the guest's account."""
    with running_api(case.env.mirror(**settings)) as api:
        key = api.issue_key(name, Access.of_accounts({case.env.account_id}), BOTH)
        with api.client(key) as client:
            yield api, Caller(case, client)


def told(answer: httpx.Response) -> tuple[int, str | None]:
    """Return the status, and whether the answer says that it was given before."""
    return answer.status_code, answer.headers.get("idempotent-replayed")


def test_a_message_is_sent_once_and_its_outcome_told_again(sync_env: Build) -> None:
    """The first answer, the same key again, another text, another key, the list, the log."""
    case = message_case(sync_env)
    with calling(case) as (_, caller):
        first = caller.post()
        assert told(first) == (201, None), first.text
        sent = first.json()
        assert (sent["state"], sent["reservation_id"]) == ("sent", str(case.reservation_id))
        assert caller.client.get(first.headers["location"]).json() == {
            name: value for name, value in sent.items() if name != "concerns"
        }
        again = caller.post(message=f"  {TEXT} ")
        assert told(again) == (201, "true")
        assert again.json()["intent_id"] == sent["intent_id"]
        for other in (
            {"message": "another"},
            {"channel_type": "sms" if sent["channel_type"] != "sms" else "email"},
            {"conversation_id": str(case.conversation_id + 1)},
        ):
            refused = caller.post(**other)
            assert told(refused) == (422, None), other
            assert sent["intent_id"] in refused.json()["detail"]
        for key in ("other", None):
            repeated = caller.post(key)
            assert told(repeated) == (409, None)
            assert repeated.json()["sent_message"]["intent_id"] == sent["intent_id"]
        assert case.accepted == [TEXT]
        assert told(caller.post("other", again=True)) == (201, None)
        # The command line shares the keys.
        assert case.send("from a shell", key="shell").is_ours
        assert told(caller.post("shell", "from a shell")) == (201, "true")
        assert case.send(key="k").is_ours is False
        listed = caller.client.get("/api/v1/messages?state=sent&limit=2").json()
        numbers = [int(item["intent_id"]) for item in listed["items"]]
        assert (numbers == sorted(numbers, reverse=True), len(numbers), listed["next"] is None) == (True, 2, False)
        assert TEXT not in str(listed)
    noted = sql.rows(case.env.database, "SELECT changes FROM audit_log WHERE changes ? 'message' ORDER BY audit_id")
    assert [(change["caller"], change["message"]) for (change,) in noted] == [
        ("desk", int(sent["intent_id"])),
        ("desk", int(sent["intent_id"]) + 1),
    ]


def test_two_requests_at_once_write_to_the_guest_once(sync_env: Build) -> None:
    """With one key the second learns that it is under way; with another text that the key is taken."""
    case = message_case(sync_env)
    with calling(case) as (_, caller), ThreadPoolExecutor() as pool, Barrier(case.env.sandbox, SEND) as barrier:
        first = pool.submit(caller.post)
        barrier.wait()
        same, other_text, other_key = caller.post(), caller.post(message="another"), caller.post("other")
        assert (told(same), same.json()["state"]) == ((202, "true"), "sending")
        assert (told(other_text), told(other_key)) == ((422, None), (409, None))
        barrier.open.set()
        assert told(first.result(PATIENCE)) == (201, None)
    assert case.accepted == [TEXT]


def test_what_is_not_sent_at_once_is_told_as_it_stands(sync_env: Build) -> None:
    """Queued, unknown, refused: a repeated request tells each, or tries again what certainly was not sent."""
    case = message_case(sync_env)
    with calling(case, quiet_hours=quiet_hours_now(case)) as (_, caller):
        queued, again = caller.post("night"), caller.post("night")
        assert (told(queued), told(again)) == ((202, None), (202, "true"))
        assert (again.json()["is_queued"], again.json()["state"]) == (True, "pending")
        case.mirror.messages.cancel(int(queued.json()["intent_id"]))
        withdrawn = caller.post("night")
        assert (told(withdrawn), withdrawn.json()["sent_message"]["state"]) == ((502, "true"), "failed")
    with calling(case, "day") as (_, caller):
        case.add_send_fault(faults.status(422))
        refused = caller.post("refused", "second")
        assert (told(refused), refused.json()["type"][-16:]) == ((502, None), "message-not-sent")
        assert told(caller.post("refused", "second")) == (201, None)
        case.add_send_fault(faults.connection_reset())
        unknown = caller.post("unknown", "third")
        assert (told(unknown), unknown.json()["state"]) == ((202, None), "outcome_unknown")
        case.mirror.accounts.disable(case.env.account_id)
        for key, text, status in (("unknown", "third", 202), ("refused", "second", 201)):
            assert told(caller.post(key, text)) == (status, "true"), key
        assert told(caller.post("new", "fourth")) == (409, None)
    assert case.accepted == ["second"]


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_killed_api_sends_nothing_twice(sync_env: Build, *, is_answered: bool) -> None:
    """Killed while the guest's message is on its way, and after the answer was written: the same key, one message."""
    case = message_case(sync_env)
    request = ApiKeyRequest("desk", Access.everything(), frozenset(BOTH))
    token = case.mirror.api_keys.create(request, datetime.now(UTC)).token.get_secret_value()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": token}, timeout=PATIENCE) as client:
        caller = Caller(case, client)
        process = serve(case, port)
        if is_answered:
            assert told(caller.post()) == (201, None)
            kill_process(process)
        else:
            with ThreadPoolExecutor() as pool, Barrier(case.env.sandbox, SEND) as barrier:
                cut = pool.submit(caller.post)
                barrier.wait()
                kill_process(process)
                barrier.open.set()
                assert isinstance(cut.exception(PATIENCE), httpx.TransportError)
            eventually(lambda: case.accepted == [TEXT], "the guest gets it")
        process = serve(case, port)
        answers = [caller.post() for _ in range(2)]
        kill_process(process)
    assert [told(one) for one in answers] == [(201, "true")] * 2, answers[0].text
    assert (case.accepted, case.ledger()) == ([TEXT], ["sent"])


def serve(case: MessageCase, port: int) -> Any:
    """Start the API in a process of its own, and wait until it answers."""
    process = start_program(case.env.environment(), "serve-api", "--port", str(port))

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers, "the API answers")
    return process


def test_a_message_is_judged_by_caller_scope_row_and_body(callers: Callers) -> None:
    """In this order; a guest of another account is not there, whatever else is wrong."""
    api = callers.api
    sender = api.issue_key("sender", Access.of_accounts({1}), {Scope.MESSAGES})
    theirs = {"reservation_id": "hostaway:2:7", "message": 5, "is_admin": True}
    nobodys = {**theirs, "reservation_id": "hostaway:9:7"}
    mine = {"reservation_id": "7", "message": "hello"}
    deep = b'{"reservation_id": "7", "message": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    plain = {"Content-Type": "application/json"}
    with api.client(sender) as client:
        for who, status in ((callers.stranger, 401), (callers.of_one, 403), (client, 404)):
            assert who.post(ROUTE, json=theirs).status_code == status
        texts = [client.post(ROUTE, json=one) for one in (theirs, nobodys, {**mine, "account_id": "2"})]
        assert len({one.text.replace(one.json()["request_id"], "") for one in texts}) == 1
        bodies: list[Any] = [
            *({**mine, "is_admin": True}, {**mine, "account_id": 1}, {**mine, "account_id": "x"}, {"message": "x"}),
            *({**mine, "reservation_id": 7}, {**mine, "message": ""}, {**mine, "message": "\ud800"}, [], None, "7"),
            *({**mine, "again": "yes"}, {**mine, "conversation_id": "hostaway:2:6"}, {**mine, "channel_type": "fax"}),
        ]
        for body in bodies:
            refused = client.post(ROUTE, content=json.dumps(body), headers=plain)
            assert refused.status_code == 422, (body, refused.text)
            assert refused.headers["content-type"] == "application/problem+json"
        for raw in (deep, b"", b"\xff", b"{", b'{"reservation_id": "7", "message": "' + b"a" * 20_000 + b'"}'):
            assert client.post(ROUTE, content=raw, headers=plain).status_code == 422, raw[:40]
        assert client.post(ROUTE, content=b" " * (LARGEST_BODY + 1), headers=plain).status_code == 413
        assert client.post(ROUTE, json=mine, headers={"Idempotency-Key": ""}).status_code == 422
        two = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        assert client.post(ROUTE, json=mine, headers=two).status_code == 422
        form = client.post(ROUTE, data={"reservation_id": "7", "message": "hello"})
        assert form.status_code == 422
    assert callers.of_one.get("/api/v1/messages?account_id=2").json()["items"] == []
    (listed,) = callers.of_two.get("/api/v1/messages").json()["items"]
    assert callers.of_one.get(f"/api/v1/messages/{listed['intent_id']}").status_code == 404
    assert sql.rows(api.mirror._database, "SELECT count(*) FROM sent_messages")[0][0] == 2  # noqa: SLF001  (the test's own)
