from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from tests.support import sql
from tests.support.servers.http_server import head

from hostaway_sync.api.changes import event_stream
from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    import pytest
    from tests.support.servers.api import Callers

V1 = "/api/v1"
STREAM = f"{V1}/changes/stream"
ADD = (
    "INSERT INTO changes (account_id, resource, record_id, change, position, after) SELECT {account}, 'reservations',"
    " '{record}', 'updated', pg_current_xact_id()\\:\\:text\\:\\:bigint + coalesce((SELECT position_offset FROM"
    ' change_clock), 0), \'{{"guestName"\\: "guest of-{account}"}}\''
)


def change(callers: Callers, account: int, record: int) -> None:
    """Store a change as a sync does, in a transaction of its own, and notify."""
    database = callers.api.mirror._database  # noqa: SLF001  (the test's own)
    sql.execute(database, ADD.format(account=account, record=record))
    sql.execute(database, "NOTIFY hostaway_sync_changes")


class Stream:
    """The events of one stream; comments are none."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.lines = response.iter_lines()

    def block(self) -> dict[str, str]:
        """Return the fields of what comes next; empty for a comment, and at the end."""
        fields: dict[str, str] = {}
        for line in self.lines:
            if not line:
                return fields
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        return {"": "the end"}

    def event(self) -> tuple[str, dict[str, Any]]:
        """Return id and document of the next event."""
        fields = self.block()
        while "data" not in fields:
            assert "" not in fields
            fields = self.block()
        return fields["id"], json.loads(fields["data"])


@contextmanager
def streaming(client: httpx.Client, **options: Any) -> Iterator[Stream]:
    """Open a stream, and wait until it says how long to wait before another try."""
    with client.stream("GET", STREAM, **options) as response:
        assert response.status_code == 200, response.read()
        stream = Stream(response)
        assert stream.block() == {"retry": "3000"}
        yield stream


def test_a_page_is_waited_for_until_the_callers_own_change(callers: Callers) -> None:
    """Another's change wakes nobody else; without `wait` an empty page comes at once, with where to go on."""
    first = callers.of_one.get(f"{V1}/changes").json()
    assert {item["account_id"] for item in first["items"]} == {"1"}
    assert (first["more"], first["lost"]) == (False, False)
    cursor = first["next"]
    assert callers.of_one.get(f"{V1}/changes", params={"cursor": cursor}).json()["items"] == []
    found: list[dict[str, Any]] = []

    def ask() -> None:
        found.append(callers.of_one.get(f"{V1}/changes", params={"cursor": cursor, "wait": 25}).json())

    thread = threading.Thread(target=ask)
    thread.start()
    while not callers.api.alerts.waiting:  # until it waits
        thread.join(0.01)
    change(callers, 2, 21)
    change(callers, 1, 11)
    thread.join(20)
    assert [item["record_id"] for item in found[0]["items"]] == ["11"]
    assert "of-2" not in json.dumps(found)
    short = {"cursor": found[0]["next"], "wait": 1, "resource": "listings"}
    assert callers.of_one.get(f"{V1}/changes", params=short).json()["items"] == []


def test_streams_send_each_caller_its_own_changes_in_order(callers: Callers) -> None:
    """From now on without a cursor; each event's id is where the next stream goes on."""
    with streaming(callers.of_one) as one, streaming(callers.of_two) as two:
        change(callers, 1, 11)
        change(callers, 2, 21)
        change(callers, 1, 12)
        first, document = one.event()
        assert document["record_id"] == "11"
        assert document["after"] == {"guestName": "guest of-1"}
        assert one.event()[1]["record_id"] == "12"
        assert two.event()[1]["record_id"] == "21"
    headers = {"Last-Event-ID": first}
    with streaming(callers.of_one, headers=headers, params={"cursor": "0.0.0"}) as again:
        assert again.event()[1]["record_id"] == "12"
    with streaming(callers.of_two, headers=headers) as foreign:
        assert foreign.event()[1]["record_id"] == "21"
    with streaming(callers.of_two, params={"cursor": "0.0.0", "resource": "reservations"}) as oldest:
        assert [oldest.event()[1]["account_id"] for _ in range(2)] == ["2", "2"]


def test_a_revoked_key_ends_its_streams_and_no_others(callers: Callers) -> None:
    """Within seconds, though nothing changes."""
    key = callers.api.issue_key("short", Access.of_accounts({1}))
    with callers.api.client(key) as client, streaming(client) as stream, streaming(callers.of_one) as other:
        callers.api.revoke("short")
        assert stream.block() == {"": "the end"}
        change(callers, 1, 11)
        assert other.event()[1]["record_id"] == "11"


def test_nothing_of_a_purged_account_is_sent(callers: Callers) -> None:
    """What was stored and not yet sent is gone; the stream goes on with the caller's other accounts."""
    database = callers.api.mirror._database  # noqa: SLF001
    with streaming(callers.of_both) as stream:
        change(callers, 1, 11)
        assert stream.event()[1]["record_id"] == "11"
        with database.engine.begin() as older:
            older.execute(sa.text("SELECT pg_current_xact_id()"))  # it holds back what comes later
            change(callers, 1, 13)
            callers.api.mirror.accounts.remove(1, purge=True)
        change(callers, 2, 21)
        assert stream.event()[1]["record_id"] == "21"


def test_wrong_cursors_are_refused_before_a_stream_begins(callers: Callers) -> None:
    """As a problem, like those of any other route; so are unknown kinds, waits and parameters."""
    ahead = "900000000000.900000000000.0"
    for path, query, headers in (
        (STREAM, {}, {"Last-Event-ID": "no"}),
        (STREAM, {}, {"Last-Event-ID": ahead}),
        (STREAM, {"cursor": "3.1.0"}, {}),
        (STREAM, {"resource": "conversations"}, {}),
        (STREAM, {"wait": 1}, {}),
        (f"{V1}/changes", {"cursor": ahead}, {}),
        (f"{V1}/changes", {"wait": 31}, {}),
        (f"{V1}/changes", {"limit": 501}, {}),
    ):
        answer = callers.of_one.get(path, params=query, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), (path, query)
    assert callers.stranger.get(STREAM).status_code == 401
    key = callers.api.issue_key("sender", Access.of_accounts({1}), {Scope.MESSAGES})
    with callers.api.client(key) as sender:
        assert sender.get(STREAM).status_code == 403
    assert not callers.api.alerts.waiting


def test_too_many_streams_of_one_caller_are_refused(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it leaves room to others; one that has left counts no more."""
    monkeypatch.setattr("hostaway_sync.api.changes.alerts.MOST_OF_CALLER", 1)
    with streaming(callers.of_one):
        refused = callers.of_one.get(STREAM)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        with streaming(callers.of_two):
            pass
    while callers.api.alerts.waiting:
        threading.Event().wait(0.01)
    with streaming(callers.of_one):
        pass


def test_streams_live_by_heartbeats_and_end_with_the_server(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: a server that stops waits for no stream."""
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)
    with streaming(callers.of_one) as stream:
        assert stream.block() == {}
        callers.api.alerts.stop()
        while (fields := stream.block()) == {}:
            pass
        assert fields == {"": "the end"}
    assert callers.of_one.get(STREAM).status_code == 503


def test_a_client_that_takes_nothing_is_cut(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it was not sent: it holds a page and a buffer for some seconds, and no more."""
    monkeypatch.setattr(event_stream, "SEND_WITHIN_S", 0.3)
    database = callers.api.mirror._database  # noqa: SLF001
    large = ADD.format(account=1, record=1).replace("guest of-1\"}'", "' || repeat('x', 200000) || '\"}')\\:\\:jsonb")
    sql.execute(database, f"{large} FROM generate_series(1, 60)".replace("'{\"guest", "('{\"guest"))
    with callers.api.connect() as connection:
        key = callers.of_one.headers["x-api-key"]
        connection.sendall(head("GET", f"{STREAM}?cursor=0.0.0", X_API_Key=key))
        while not callers.api.alerts.waiting:
            threading.Event().wait(0.01)
        while callers.api.alerts.waiting:
            threading.Event().wait(0.01)
        received = 0
        while piece := connection.recv(65536):
            received += len(piece)
    assert 0 < received < 50 * 200_000
