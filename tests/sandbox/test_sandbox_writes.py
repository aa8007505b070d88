from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest

from hostaway_sync.sandbox import Sandbox, Switches
from hostaway_sync.sandbox.__main__ import main
from hostaway_sync.sandbox.server import faults
from hostaway_sync.sandbox.server.webhooks import send_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers.sandbox_client import OpenSandbox, SandboxClient


class Receiver(HTTPServer):
    """Records each request and answers with `status`."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str | None, bytes]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """The URL at which the receiver listens."""
        return f"http://127.0.0.1:{self.server_port}/hooks?k=1"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def _note(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.came.append((self.command, self.headers.get("Authorization"), body))
        self.send_response(self.server.status)
        self.end_headers()

    do_GET = do_POST = _note  # noqa: N815  (the server's name for it)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the server's name for it)
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver of webhooks."""
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


HOOKS = "/webhooks/unifiedWebhooks"


def test_what_was_taken_is_counted_and_kept_in_its_manner(open_sandbox: OpenSandbox) -> None:
    """Each text that the API took, as often as it did, whatever it answered; kept as HTML; it may fail later."""
    sandbox, caller = open_sandbox(switches=Switches(sent_body="html"))
    thread = caller.rows("/conversations")[0]["id"]
    sandbox.faults.add(faults.accepted_then(faults.bad_gateway()), method="POST")
    path = f"/conversations/{thread}/messages"
    statuses = [caller.post(path, json={"body": text}).status_code for text in ("a  <b\n\nc", "d", "")]
    assert statuses == [502, 200, 400]
    assert sandbox.world.accepted == [(thread, "a  <b\n\nc"), (thread, "d")]
    newest, before = caller.rows(path)[:2]
    assert before["body"] == "<p>a &nbsp;&lt;b</p>\r\n<p>&nbsp;</p>\r\n<p>c</p>\r\n"
    sandbox.world.bounce(thread, newest["id"])
    assert newest["id"] not in [row["id"] for row in caller.rows(path)]


def test_a_webhook_is_probed_made_changed_and_removed(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    """GET and POST of exactly the test body, both without login; then the usual four verbs."""
    _, caller = open_sandbox()
    wish = {"url": receiver.url, "login": "hw", "password": "s3cret", "isEnabled": 1, "nonsense": 1}
    hook = caller.post(HOOKS, json=wish).json()["result"]
    assert receiver.came == [("GET", None, b""), ("POST", None, b'{"data":"test"}')]
    assert hook == {k: v for k, v in wish.items() if k != "nonsense"} | {"id": 4711, "alertingEmailAddress": None}
    assert caller.rows(HOOKS) == [hook]
    changed = caller.put(f"{HOOKS}/4711", json={"isEnabled": 0}).json()["result"]
    assert changed == hook | {"isEnabled": 0} == caller.get(f"{HOOKS}/4711").json()["result"]
    assert len(receiver.came) == 2
    assert caller.put(f"{HOOKS}/4711", json={"url": receiver.url + "2"}).status_code == 200
    assert len(receiver.came) == 4
    assert caller.delete(f"{HOOKS}/4711").json()["result"] == []
    assert caller.rows(HOOKS) == []


def test_a_webhook_that_does_not_answer_is_refused(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    """An error, no listener, another machine, no URL; ports are refused where the switch says so."""
    _, caller = open_sandbox()
    receiver.status = 500
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        silent = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        for url in (receiver.url, silent, "https://hooks.example/x", "ftp://127.0.0.1/"):
            reply = caller.post(HOOKS, json={"url": url})
            assert (reply.status_code, reply.json()["status"]) == (400, "fail"), url
    assert caller.post(HOOKS, json={}).status_code == 400
    assert caller.post(HOOKS, content=b"[1]").status_code == 400
    assert caller.post(HOOKS, content=b"no json").status_code == 400
    receiver.status = 204
    assert caller.post(HOOKS, json={"url": receiver.url}).status_code == 200
    assert caller.put(f"{HOOKS}/4711", json={"url": silent}).status_code == 400
    _, strict = open_sandbox(switches=Switches(webhook_ports="refused", invalid_write=200))
    assert strict.post(HOOKS, json={"url": receiver.url}).status_code == 400
    assert (strict.post(HOOKS, json={}).status_code, strict.post(HOOKS, json={}).json()["status"]) == (200, "fail")


@pytest.mark.parametrize("nesting", ["data", "payload"])
def test_deliveries_tell_of_bookings_and_guests_never_of_hosts(
    open_sandbox: OpenSandbox,
    receiver: Receiver,
    nesting: Any,
) -> None:
    """Each happening once, in order, with login; objects that are gone are not announced."""
    sandbox, caller = open_sandbox(switches=Switches(delivery_nesting=nesting))
    caller.post(HOOKS, json={"url": receiver.url, "login": "hw"})
    caller.post(HOOKS, json={"url": receiver.url, "isEnabled": 0})
    receiver.came.clear()
    world = sandbox.world
    booking = world.create_reservation()
    thread = world.conversations_of(booking)[0]
    message = world.guest_message(thread, "Hi")
    world.host_reply(thread, "Hello")
    gone = world.create_reservation()
    world.delete_reservation(gone)
    assert sandbox.deliver() == [200] * 4
    assert sandbox.deliver() == []
    documents = [json.loads(body) for _, _, body in receiver.came]
    objects = [(document["payload"] if nesting == "payload" else document)["data"] for document in documents]
    assert [document["event"] for document in documents] == [
        "reservation.created", "reservation.updated", "message.received", "reservation.updated",
    ]  # fmt: skip
    assert [document["object"] for document in documents[1:3]] == ["reservation", "conversationMessage"]
    assert [row["id"] for row in objects] == [booking, booking, message, booking]
    assert {
        (login, document["accountId"]) for (_, login, _), document in zip(receiver.came, documents, strict=True)
    } == {("Basic aHc6", 70001)}


def test_an_unanswered_delivery_is_no_error() -> None:
    """A receiver that speaks no HTTP is none either."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 hello\r\n\r\n")
                connection.recv(1_000)

        thread = Thread(target=babble)
        thread.start()
        assert send_request(f"http://127.0.0.1:{server.getsockname()[1]}", method="GET", body=None) is None
        thread.join()


@pytest.mark.parametrize("status", ["sent", "awaiting"])
def test_a_sent_message_is_in_its_thread(open_sandbox: OpenSandbox, status: Any) -> None:
    """The answer holds the message as created; `body` alone is enough and goes by e-mail."""
    sandbox, caller = open_sandbox(switches=Switches(sent_status=status))
    thread = caller.ids("/conversations", limit=1)[0]
    path = f"/conversations/{thread}/messages"
    reply = caller.post(path, json={"body": "See you ♥"}).json()
    assert (reply["status"], reply["result"]["status"]) == ("success", status)
    assert (reply["result"]["body"], reply["result"]["communicationType"]) == ("See you ♥", "email")
    assert (
        caller.post(path, json={"body": "x", "communicationType": "sms"}).json()["result"]["communicationType"] == "sms"
    )
    newest = caller.rows(path, includeScheduledMessages=1)[1]
    assert newest == reply["result"] == dict(sandbox.world.truth("messages"))[newest["id"]]


@pytest.mark.parametrize(
    "document", [{"message": "x"}, {"body": ""}, {"body": 5}, {"body": "x", "communicationType": "fax"}]
)
def test_send_without_text_or_with_unknown_channel_is_refused(open_sandbox: OpenSandbox, document: Any) -> None:
    """As 400, or as 200 with `status: fail`; nothing is sent."""
    for code in (400, 200, 422):
        sandbox, caller = open_sandbox(switches=Switches(invalid_write=code))
        before = sandbox.world.counts()
        reply = caller.post(f"/conversations/{caller.ids('/conversations')[0]}/messages", json=document)
        assert (reply.status_code, reply.json()["status"]) == (code, "fail")
        assert sandbox.world.counts() == before


def test_threads_are_marked_and_objects_deleted_over_http(open_sandbox: OpenSandbox) -> None:
    """Read marks move no stamp; deleted rows vanish from the lists."""
    _, caller = open_sandbox()
    thread = caller.ids("/conversations")[0]
    assert (
        caller.put(f"/conversations/{thread}", json={"hasUnreadMessages": 0}).json()["result"]["hasUnreadMessages"] == 0
    )
    assert caller.put(f"/conversations/{thread}", json={}).json()["result"]["hasUnreadMessages"] == 0
    for resource in ("listings", "reservations"):
        number = caller.ids(f"/{resource}")[0]
        assert caller.delete(f"/{resource}/{number}").json() == {"status": "success", "result": []}
        assert number not in caller.ids(f"/{resource}")
        assert caller.get(f"/{resource}/{number}").status_code == 404


def _raw(sandbox: Sandbox, request: bytes) -> bytes:
    port = httpx.URL(sandbox.url).port or 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer


def test_it_speaks_keep_alive_and_survives_clients_that_leave(open_sandbox: OpenSandbox) -> None:
    """Many requests on one connection; a client that hangs up in the middle disturbs no other client."""
    sandbox, caller = open_sandbox()
    hello = b"GET /v1/listings HTTP/1.1\r\nHost: x\r\n\r\n"
    assert _raw(sandbox, hello * 3).count(b"HTTP/1.1 403 Forbidden") == 3
    assert b"400" in _raw(sandbox, b"nonsense at all\r\n\r\n")
    port = httpx.URL(sandbox.url).port or 0
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", port))
        token = caller.headers["Authorization"].encode()
        connection.sendall(b"GET /v1/listings HTTP/1.1\r\nHost: x\r\nAuthorization: " + token + b"\r\n\r\n")
        connection.close()
    assert caller.get("/listings").status_code == 200


def test_a_stopped_sandbox_refuses_and_may_be_stopped_again() -> None:
    """Nothing listens any more; one that never started can be stopped, too."""
    with Sandbox(reservations=1, listings=1) as sandbox:
        url = sandbox.url
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    Sandbox(reservations=1, listings=1).stop()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_program_says_where_it_is_and_ends_cleanly(end: signal.Signals) -> None:
    """One line of JSON at once; both signals end it with code 0 and nothing on stderr."""
    command = [
        sys.executable,
        "-m",
        "hostaway_sync.sandbox",
        "--reservations",
        "5",
        "--listings",
        "2",
        "--accounts",
        "2",
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [*command, "--token-delay", "0", "--no-conversations", "--today"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as program:
        assert program.stdout is not None
        hello = json.loads(program.stdout.readline())
        form = {
            "grant_type": "client_credentials",
            "client_id": hello["account_id"],
            "client_secret": hello["client_secret"],
        }
        assert httpx.post(hello["url"] + "/accessTokens", data=form).status_code == 200
        assert [account["account_id"] for account in hello["accounts"]] == [70001, 70002]
        program.send_signal(end)
        rest, errors = program.communicate(timeout=30)
    assert (program.returncode, rest, errors) == (0, "", "")


def test_the_program_refuses_what_it_does_not_know() -> None:
    """A wrong value of an option ends it with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(["--rate-limits", "none"])
    assert ended.value.code == 2


def test_callers_are_strangers_without_a_token(open_sandbox: OpenSandbox) -> None:
    """The fixture's own caller is refused once its header is gone."""
    caller: SandboxClient = open_sandbox()[1]
    del caller.headers["Authorization"]
    assert caller.get("/listings").status_code == 403


def test_legacy_webhooks_can_be_looked_at(open_sandbox: OpenSandbox) -> None:
    """They have two paths of their own, until Hostaway removes these."""
    sandbox, caller = open_sandbox()
    hook = {"id": 5, "isEnabled": 1, "url": "https://old.example/x"}
    sandbox.accounts[sandbox.account_id].hooks.legacy["conversationMessages"].append(hook)
    assert caller.rows("/webhooks/conversationMessages") == [hook]
    assert caller.rows("/webhooks/reservations") == []
    _, later = open_sandbox(switches=Switches(legacy_webhooks="gone"))
    assert later.get("/webhooks/reservations").status_code == 404


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_the_log_of_deliveries_tells_what_became_of_each(
    open_sandbox: OpenSandbox, order: Literal["newest", "oldest"]
) -> None:
    """One entry a delivery, page by page, of one webhook or of all; never a password."""
    sandbox, caller = open_sandbox(switches=Switches(delivery_log_order=order))
    hooks = sandbox.accounts[sandbox.account_id].hooks
    for number in (1, 2):
        hooks.create({"url": f"http://127.0.0.1:9/{number}", "password": "word"})
    created = [sandbox.world.create_reservation(conversation=False) for _ in range(2)]
    assert sandbox.deliver() == [None] * 4
    rows = caller.rows("/unifiedWebhookLogs")
    assert {row["objectId"] for row in rows} == set(created)
    assert {(row["object"], row["event"]) for row in rows} == {("reservation", "reservation.created")}
    assert {(row["responseStatus"], row["password"]) for row in rows} == {(0, "****")}
    ids = [row["id"] for row in rows]
    assert ids == sorted(ids, reverse=order == "newest")
    assert [row["id"] for row in caller.rows("/unifiedWebhookLogs", limit=2, offset=1)] == ids[1:3]
    assert len(caller.rows("/unifiedWebhookLogs", unifiedWebhookId=4712)) == 2


def test_the_log_of_deliveries_is_where_the_switch_says(open_sandbox: OpenSandbox) -> None:
    """At the path of the samples, at that of the prose, or nowhere."""
    found_at: dict[Literal["samples", "prose", "gone"], tuple[int, int]]
    found_at = {"samples": (200, 404), "prose": (404, 200), "gone": (404, 404)}
    for place, found in found_at.items():
        _, caller = open_sandbox(switches=Switches(delivery_log=place))
        assert (caller.get("/unifiedWebhookLogs").status_code, caller.get("/unifiedWebhookId").status_code) == found
