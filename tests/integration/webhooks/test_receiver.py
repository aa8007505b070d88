from __future__ import annotations

import logging
from base64 import b64encode
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.support.servers.http_server import head, read_answer
from tests.support.servers.receiver import (
    ACCOUNT,
    RunningReceiver,
    event,
    login_of,
    path_of,
    renew,
    running_receiver,
    store_account,
)

from hostaway_sync.errors import SecretsUnavailable
from hostaway_sync.secrets import KEY_FILE, KeyRing, find_key_ring
from hostaway_sync.store.webhooks import credentials as webhook_credentials
from hostaway_sync.webhooks.server.app import LARGEST_BODY
from hostaway_sync.webhooks.server.credentials_cache import CredentialsCache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import SecretStr

    from hostaway_sync.secrets import Place
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.webhooks.credentials import Credentials


@pytest.fixture
def credentials(database: Database) -> Credentials:
    """Return the credentials of a stored account."""
    store_account(database)
    return renew(database)


@pytest.fixture
def receiver(database: Database, credentials: Credentials) -> Iterator[RunningReceiver]:
    """Run a receiver."""
    del credentials
    with running_receiver(database) as opened:
        yield opened


def inbox(database: Database) -> list[Any]:
    """Return the rows of the inbox, oldest first."""
    query = sa.text("SELECT * FROM hostaway.webhook_log ORDER BY created_at")
    return database.transaction(lambda connection: list(connection.execute(query)))


def test_acknowledged_delivery_is_in_the_inbox(receiver: RunningReceiver, credentials: Credentials) -> None:
    """200 and a row with the exact bytes, event and object, and the id that the answer has."""
    body = event() + b"\n "
    answer = receiver.deliver(credentials, body)
    assert (answer.status, answer.document) == (200, {"ok": True, "outcome": "stored", "login": True})
    (row,) = inbox(receiver.database)
    assert bytes(row.body) == body
    assert (row.account_id, row.event, row.target_resource, row.object_id, row.status, row.platform) == (
        ACCOUNT,
        "reservation.updated",
        "reservations",
        41200077,
        "pending",
        "hostaway",
    )
    assert row.payload["data"] == {"id": 41200077}
    assert str(row.id) == answer.headers["x-request-id"]


def test_probes_need_the_path_secret_only(receiver: RunningReceiver, credentials: Credentials) -> None:
    """GET and POST of the test body without login get 200, and nothing is stored."""
    path = path_of(credentials)
    answers = [
        receiver.get(path),
        receiver.post(path, b'{"data":"test"}'),
        receiver.post(path, b' {"data" : "test"}\n'),
    ]
    assert [(answer.status, answer.document["outcome"], answer.document["login"]) for answer in answers] == [
        (200, "probe", False)
    ] * 3
    assert receiver.post(path, b'{"data":"test"}', login=login_of(credentials)).document["login"] is True
    assert inbox(receiver.database) == []


@pytest.mark.parametrize(
    "login",
    [None, "", "Basic", "Basic ", "Basic !!!", "Basic Og==", "Bearer abc", "Basic " + "A" * 8000, "basic \u00e9"],
    ids=repr,
)
def test_credentials_that_are_missing_wrong_or_malformed_get_401(
    receiver: RunningReceiver, credentials: Credentials, login: str | None
) -> None:
    """Nothing is stored, and the answer does not say what was wrong."""
    answer = receiver.post(path_of(credentials), event(), login=login)
    assert (answer.status, answer.document) == (401, {"ok": False, "outcome": "refused", "login": False})
    assert inbox(receiver.database) == []


@pytest.mark.parametrize("account", ["70001", "70002", "0", "-1", "abc", "9" * 30, "%FF", "%D9%A7"])
def test_wrong_path_gets_401(receiver: RunningReceiver, credentials: Credentials, account: str) -> None:
    """Wrong secret, unknown account, or none: the same answer, also with a valid login."""
    path = f"/webhooks/hostaway/{account}/wrong"
    for login in (None, login_of(credentials)):
        assert receiver.post(path, event(), login=login).status == 401
        assert receiver.post(path, b'{"data":"test"}', login=login).status == 401
    assert inbox(receiver.database) == []


def test_credentials_of_one_account_do_not_open_another(receiver: RunningReceiver, credentials: Credentials) -> None:
    """Path, login and account must match."""
    store_account(receiver.database, 70002)
    others = renew(receiver.database, 70002)
    assert receiver.deliver(others, event(account_id=70002), 70002).status == 200
    assert receiver.deliver(others, event()).status == 401
    assert receiver.post(path_of(credentials), event(), login=login_of(others)).status == 401
    assert receiver.post(path_of(others, 70002), event(), login=login_of(credentials)).status == 401


def test_account_that_was_just_added_is_known(receiver: RunningReceiver, credentials: Credentials) -> None:
    """Before it refuses, the receiver reads the credentials again."""
    assert receiver.deliver(credentials, event()).status == 200
    store_account(receiver.database, 70002)
    assert receiver.deliver(renew(receiver.database, 70002), event(account_id=70002), 70002).status == 200


def test_delivery_with_a_forged_account_id_is_ignored(receiver: RunningReceiver, credentials: Credentials) -> None:
    """The path decides the account; a body with another one is stored, and makes no job."""
    answer = receiver.deliver(credentials, event(account_id=70002))
    assert (answer.status, answer.document["outcome"]) == (200, "ignored")
    (row,) = inbox(receiver.database)
    assert (row.account_id, row.status, row.error) == (ACCOUNT, "ignored", "another account")


def test_deliveries_to_a_disabled_account_are_stored_and_ignored(
    receiver: RunningReceiver, credentials: Credentials
) -> None:
    """They make no jobs."""
    with receiver.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE hostaway.accounts SET is_active = false"))
    assert receiver.deliver(credentials, event()).document["outcome"] == "ignored"
    (row,) = inbox(receiver.database)
    assert (row.status, row.error) == ("ignored", "account disabled")


ODD_BODIES = {
    "empty": b"",
    "no JSON": b"hello",
    "torn": b'{"event":"reservation.updated"',
    "a list": b"[1,2,3]",
    "a bomb": b"[" * 400_000 + b"]" * 400_000,
    "deep objects": b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
    "NaN": b'{"event":"reservation.updated","accountId":70001,"data":{"id":5,"x":NaN,"y":-Infinity}}',
    "U+0000": b'{"event":"reservation.updated","accountId":70001,"data":{"id":5,"x":"a\\u0000b","\\u0000":1}}',
    "invalid UTF-8": b'{"event":"reservation.updated","accountId":70001,"data":{"id":5,"x":"\xff\xfe"}}',
    "half a pair": b'{"event":"reservation.updated","accountId":70001,"data":{"id":5,"x":"\\ud83d"}}',
    "a huge number": b'{"event":"reservation.updated","accountId":70001,"data":{"id":5,"x":1e999999999,"y":'
    + b"9" * 9000
    + b"}}",
    "an unknown event": b'{"event":"task.created","accountId":70001,"data":{"id":5}}',
}


@pytest.mark.parametrize("name", ODD_BODIES)
def test_content_is_never_a_reason_to_refuse(receiver: RunningReceiver, credentials: Credentials, name: str) -> None:
    """Whatever an authenticated body holds, its exact bytes are stored and the answer is 200."""
    body = ODD_BODIES[name]
    assert receiver.deliver(credentials, body).status == 200
    # The payload is not compared: Python's own JSON reader refuses integers of so many digits.
    ((stored, status),) = receiver.database.transaction(
        lambda connection: list(connection.execute(sa.text("SELECT body, status FROM hostaway.webhook_log")))
    )
    assert bytes(stored) == body
    assert status == ("pending" if b'"id":5' in body and b"task" not in body else "ignored")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/json; charset=utf-16"]
)
def test_content_type_does_not_matter(receiver: RunningReceiver, credentials: Credentials, kind: str) -> None:
    """The receiver decides by the bytes."""
    headers = {"Content_Type": kind} if kind else {}
    answer = receiver.post(path_of(credentials), event(), login=login_of(credentials), **headers)
    assert answer.document["outcome"] == "stored"


def test_body_over_one_megabyte_is_refused(receiver: RunningReceiver, credentials: Credentials) -> None:
    """413, whether its length was announced or not, and nothing of it is stored."""
    largest = event().ljust(LARGEST_BODY)
    assert receiver.deliver(credentials, largest).status == 200
    answer = receiver.deliver(credentials, largest + b" ")
    assert (answer.status, answer.document["outcome"]) == (413, "too_large")
    chunked = head("POST", path_of(credentials), login=login_of(credentials), Transfer_Encoding="chunked")
    chunk = b"20000\r\n" + b" " * 0x20000 + b"\r\n"
    assert receiver.exchange(chunked, *[chunk] * 9, b"0\r\n\r\n").status == 413
    assert len(inbox(receiver.database)) == 1


def test_chunked_body_is_accepted(receiver: RunningReceiver, credentials: Credentials) -> None:
    """Its chunks are joined."""
    body = event()
    pieces = [b"%x\r\n%b\r\n" % (1, body[place : place + 1]) for place in range(len(body))]
    chunked = head("POST", path_of(credentials), login=login_of(credentials), Transfer_Encoding="chunked")
    assert receiver.exchange(chunked, *pieces, b"0\r\n\r\n").status == 200
    assert bytes(inbox(receiver.database)[0].body) == body


def test_incomplete_body_is_not_stored(receiver: RunningReceiver, credentials: Credentials) -> None:
    """A client that disconnects in the middle gets no answer, and the next one is served."""
    login = login_of(credentials)
    for start in (
        head("POST", path_of(credentials), login=login, Transfer_Encoding="chunked") + b'5\r\n{"a"',
        head("POST", path_of(credentials), login=login, Content_Length="500") + b"{",
    ):
        with receiver.connect() as connection:
            connection.sendall(start)
    assert receiver.deliver(credentials, event()).status == 200
    assert len(inbox(receiver.database)) == 1


def test_late_body_gets_503(
    receiver: RunningReceiver, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender may try again; the connection is closed."""
    assert receiver.get(path_of(credentials)).status == 200
    monkeypatch.setattr("hostaway_sync.webhooks.server.app.ANSWER_WITHIN_S", 0.5)
    start = head("POST", path_of(credentials), login=login_of(credentials), Content_Length="500")
    answer = receiver.exchange(start + b"{")
    assert (answer.status, answer.document["outcome"]) == (503, "too_slow")
    assert answer.headers["connection"] == "close"
    assert inbox(receiver.database) == []


def test_slow_request_head_is_cut_off(receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the first one nor a later one on the same connection may take for ever."""
    monkeypatch.setattr("hostaway_sync.http_server.connection_limits.HEAD_WITHIN_S", 0.2)
    for start in (b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ", head("GET", "/health") + b"GET /he"):
        with receiver.connect() as connection:
            connection.sendall(start)
            if b"\r\n\r\n" in start:
                assert read_answer(connection).status == 200
            assert connection.recv(1) == b""


def test_too_long_request_head_is_refused(receiver: RunningReceiver) -> None:
    """Sixteen kilobytes are enough for any head."""
    assert receiver.exchange(b"GET /health HTTP/1.1\r\nX-Long: " + b"a" * 40_000).status == 400


def test_expect_100_continue_is_answered(receiver: RunningReceiver, credentials: Credentials) -> None:
    """With it when the credentials are right, and with 401 at once when they are not."""
    body = event()
    path, login = path_of(credentials), login_of(credentials)
    with receiver.connect() as connection:
        connection.sendall(head("POST", path, login=login, Expect="100-continue", Content_Length=str(len(body))))
        assert read_answer(connection).status == 100
        connection.sendall(body)
        assert read_answer(connection).status == 200
    refused = head("POST", path, login="Basic no", Expect="100-continue", Content_Length=str(len(body)))
    assert receiver.exchange(refused).status == 401


def test_old_credentials_work_until_the_new_ones_are_confirmed(
    receiver: RunningReceiver, credentials: Credentials
) -> None:
    """Meanwhile the source may use either."""
    confirm = partial(
        webhook_credentials.confirm_credentials, account_id=ACCOUNT, hook_id=1, old_ones_for=timedelta(hours=1)
    )
    receiver.database.transaction(confirm)
    new = renew(receiver.database)
    assert new != credentials
    assert receiver.deliver(new, event()).status == receiver.deliver(credentials, event()).status == 200
    receiver.database.transaction(confirm)
    assert receiver.deliver(new, event()).status == receiver.deliver(credentials, event()).status == 200
    with receiver.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE hostaway.accounts SET webhook_previous_until = now()"))
    with running_receiver(receiver.database) as another:
        assert another.deliver(new, event()).status == 200
        assert another.deliver(credentials, event()).status == 401


def test_two_receivers_share_one_inbox(receiver: RunningReceiver, credentials: Credentials) -> None:
    """Behind one address it does not matter which of them gets a delivery."""
    with running_receiver(receiver.database) as another:
        assert another.deliver(credentials, event()).status == receiver.deliver(credentials, event()).status == 200
    assert len(inbox(receiver.database)) == 2


def test_no_header_that_could_hold_a_secret_is_stored(receiver: RunningReceiver, credentials: Credentials) -> None:
    """Neither authentication headers, nor the path where a proxy copied it."""
    path = path_of(credentials)
    headers = {
        "Cookie": "session=1",
        "X_Api_Key": "k",
        "X_Auth_Token": "t",
        "X_Original_URI": path,
        "User_Agent": "sender",
        "X_Long": "a" * 2000,
    }
    receiver.post(path, event(), login=login_of(credentials), **headers)
    kept = inbox(receiver.database)[0].headers
    assert kept.keys() == {"host", "content-length", "user-agent", "x-long"}
    assert len(kept["x-long"]) == 500


def test_no_secret_is_logged(
    receiver: RunningReceiver, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither valid nor tried credentials are in any line."""
    caplog.set_level(logging.DEBUG)
    path = path_of(credentials)
    receiver.deliver(credentials, event())
    receiver.get(path)
    receiver.get(path + "/")
    receiver.post(path, event(), login="Basic c2VjcmV0OnNlY3JldA==")
    receiver.post("/webhooks/hostaway/70001/guessed-secret", event())
    receiver.exchange(b"GET " + path.encode() + b" HTTP/1.1\r\nBroken\r\n\r\n")
    receiver.exchange(head("GET", path, Connection="Upgrade", Upgrade="websocket"))
    lines = caplog.text
    assert "reservation.updated" in lines
    for secret in (
        credentials.path_secret.get_secret_value(),
        credentials.password.get_secret_value(),
        "guessed",
        "c2Vj",
    ):
        assert secret not in lines


def test_health_needs_no_credentials(receiver: RunningReceiver) -> None:
    """It says that the process lives, and every answer has an id of its own."""
    answers = [
        receiver.get("/health"),
        receiver.get("/health"),
        receiver.get("/nothing"),
        receiver.get("/webhooks/hostaway/70001/x/"),
    ]
    assert [answer.status for answer in answers] == [200, 200, 404, 404]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4
    assert receiver.exchange(head("DELETE", "/webhooks/hostaway/70001/x")).status == 405


def test_request_ids_of_proxies_are_kept(receiver: RunningReceiver) -> None:
    """From 8 to 100 letters, digits, `.`, `-`, `_` and `=`; any other one is replaced by a new one."""
    kept = ["Root=1-67891233-abcdef012345678912345678", "x" * 8, "x" * 100]
    for given in [*kept, "x" * 7, "x" * 101, "not well formed"]:
        answer = receiver.get("/health", X_Request_ID=given)
        assert (answer.headers["x-request-id"] == given) is (given in kept)


def test_readiness_names_database_schema_and_age(receiver: RunningReceiver, credentials: Credentials) -> None:
    """All are in order, and the oldest waiting delivery has an age."""
    receiver.deliver(credentials, event())
    answer = receiver.get("/ready")
    assert answer.status == 200
    assert answer.document.keys() == {"ready", "database", "schema", "oldest_waiting_s"}
    assert (answer.document["ready"], answer.document["database"], answer.document["schema"]) == (True, True, True)
    assert answer.document["oldest_waiting_s"] >= 0


def test_old_schema_is_not_ready(receiver: RunningReceiver) -> None:
    """A backup of an earlier release was restored."""
    with receiver.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE hostaway.alembic_version SET version_num = '0001'"))
    answer = receiver.get("/ready")
    assert (answer.status, answer.document["database"], answer.document["schema"]) == (503, True, False)


def test_metrics_count_by_outcome(receiver: RunningReceiver, credentials: Credentials) -> None:
    """In Prometheus' text format, without any label that a client could choose."""
    receiver.deliver(credentials, event())
    receiver.deliver(credentials, event("task.created"))
    receiver.get("/webhooks/hostaway/70001/wrong")
    text = receiver.get("/metrics").body.decode()
    for outcome, count in {"stored": 1, "ignored": 1, "refused": 1, "probe": 0}.items():
        assert f'hostaway_sync_deliveries_total{{outcome="{outcome}"}} {count}.0' in text
    assert "hostaway_sync_delivery_seconds_count 2.0" in text


def test_concurrent_deliveries_are_all_stored(receiver: RunningReceiver, credentials: Credentials) -> None:
    """They wait for each other, and none is lost."""
    connections = [receiver.connect() for _ in range(60)]
    for number, connection in enumerate(connections):
        body = event(id=number + 1)
        path, login = path_of(credentials), login_of(credentials)
        connection.sendall(head("POST", path, login=login, Content_Length=str(len(body))) + body)
    assert {read_answer(connection).status for connection in connections} == {200}
    for connection in connections:
        connection.close()
    assert {row.object_id for row in inbox(receiver.database)} == set(range(1, 61))


def test_restored_key_authenticates_again(
    database: Database, credentials: Credentials, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No restart is needed, half a minute is the longest wait, and the log has one line."""
    ring = find_key_ring(None, tmp_path, may_create=True)
    now = [0.0]
    book = CredentialsCache(database, lambda: ring, seconds=lambda: now[0])
    for minute in range(3):
        now[0] = minute * 60
        assert book.read() == {ACCOUNT: None}
    assert len([line for line in caplog.records if line.levelno >= logging.ERROR]) == 1
    (tmp_path / KEY_FILE).write_text(b64encode(b"m" * 32).decode(), encoding="ascii")
    now[0] += 30
    assert book.read()[ACCOUNT] is not None
    assert credentials.login


class _Failing:
    """A secrets store that fails, and counts its calls."""

    def __init__(self) -> None:
        self.asked = 0

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Fail."""
        del kept, place
        self.asked += 1
        raise SecretsUnavailable("it does not answer")


@pytest.mark.parametrize("is_there", [True, False], ids=["it does not open", "it cannot be used at all"])
def test_guessed_logins_do_not_overload_a_secrets_store(
    database: Database, credentials: Credentials, *, is_there: bool
) -> None:
    """After failures its readings wait longer and longer; replaced credentials are read at once."""
    store, now, opened = _Failing(), [0.0], [0]

    def safe() -> _Failing:
        opened[0] += 1
        if not is_there:
            raise SecretsUnavailable("it does not answer")
        return store

    book = CredentialsCache(database, safe, seconds=lambda: now[0])
    for _ in range(4 * 60 * 2):  # two minutes of guesses, a reading each quarter of a second
        with nullcontext() if is_there else pytest.raises(SecretsUnavailable):
            assert book.read() == {ACCOUNT: None}
        now[0] += 0.25
    assert 5 <= (store.asked if is_there else opened[0]) <= 20
    assert credentials.login
    if is_there:
        before = store.asked
        database.transaction(
            partial(
                webhook_credentials.confirm_credentials, account_id=ACCOUNT, hook_id=1, old_ones_for=timedelta(hours=1)
            )
        )
        renew(database)
        assert book.read() == {ACCOUNT: None}
        assert store.asked > before


def test_key_ring_that_cannot_be_opened_causes_503(database: Database, credentials: Credentials) -> None:
    """The sender tries again, when the key may be restored; 401 would lose the delivery."""
    with running_receiver(database, ring=KeyRing([b"x" * 32])) as receiver:
        assert receiver.deliver(credentials, event()).status == 503
        assert receiver.get(path_of(credentials)).status == 503
