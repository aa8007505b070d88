from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.sync_env import SMALL_PAGE

from hostaway_sync.model.records import Resource, RunReport, RunState
from hostaway_sync.sandbox import Effect, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

SMALL: dict[str, Any] = {"reservations": 4, "listings": 1}


def one_more(resource: Resource, raw: bytes, env: SyncEnv) -> RunReport:
    """Make the source list one more record, with exactly these bytes, and sync."""
    world = env.sandbox.world
    thread = next(iter(env.truth("conversations"))) if resource is Resource.MESSAGES else 0
    world.append_raw(resource, raw, conversation_id=thread)
    return env.mirror().sync.run(env.account_id)


def message(**fields: Any) -> dict[str, Any]:
    """Return a message as a guest could have sent it."""
    return {"id": 999_001, "body": "hello", "isIncoming": 1, "status": "sent", "date": "2026-11-20 10:00:00"} | fields


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        (rb'{"id": 999001, "body": "a\u0000b", "status": "sent"}', "a\ufffdb"),
        (rb'{"id": 999001, "body": "half a pair \ud83d", "status": "sent"}', "half a pair \ufffd"),
        (rb'{"id": 999001, "body": "other half \ude00", "status": "sent"}', "other half \ufffd"),
        (b'{"id": 999001, "body": "not UTF-8 \xff", "status": "sent"}', "not UTF-8 \ufffd"),
    ],
)
def test_text_that_jsonb_refuses_is_stored_cleaned(sync_env: Build, raw: bytes, stored: str) -> None:
    """U+0000, lone surrogates and broken UTF-8 in a guest's message: quarantine has the exact bytes."""
    env = sync_env(**SMALL)
    report = one_more(Resource.MESSAGES, raw, env)
    assert report.state is RunState.SUCCESS
    assert env.rows("messages")[999_001]["body"] == stored
    assert sql.rows(env.database, "SELECT exact, record_id FROM quarantined_records") == [(raw, 999_001)]
    assert report.resources[Resource.MESSAGES].counts.quarantined == 0
    assert report.resources[Resource.MESSAGES].quality.cleaned == 1


@pytest.mark.parametrize(
    "raw",
    [b'{"guestName": "no id"}', b'{"id": null}', b'{"id": "abc"}', b'{"id": 0}', b'{"id": 1.5}', b"[1, 2]", b'"text"'],
)
def test_record_without_a_usable_id_is_quarantined(sync_env: Build, raw: bytes) -> None:
    """It gets no row, its bytes are stored, and the counts still add up."""
    env = sync_env(**SMALL)
    counts = one_more(Resource.RESERVATIONS, raw, env).resources[Resource.RESERVATIONS].counts
    assert counts.quarantined == 1
    assert counts.seen == counts.inserted + 1
    assert sql.rows(env.database, "SELECT exact, record_id FROM quarantined_records") == [(raw, None)]


def test_quarantined_record_is_stored_once(sync_env: Build) -> None:
    """Every run counts it; the table does not grow."""
    env = sync_env()
    one_more(Resource.RESERVATIONS, b'{"guestName": "no id"}', env)
    assert env.mirror().sync.run(env.account_id).resources[Resource.RESERVATIONS].counts.quarantined == 1
    assert sql.rows(env.database, "SELECT count(*), max(last_seen_at) > min(created_at) FROM quarantined_records") == [
        (1, True)
    ]


def test_id_in_quotes_is_an_id(sync_env: Build) -> None:
    """A decimal string is as good as a number."""
    env = sync_env()
    one_more(Resource.RESERVATIONS, b'{"id": "999001", "status": "new"}', env)
    assert sql.rows(env.database, "SELECT status FROM reservations WHERE id = 999001") == [("new",)]


@pytest.mark.parametrize(("value", "misfits"), [('{"a": 1}', 5), ('"2026-13-45"', 4), ("1e400", 5), ("true", 5)])
def test_value_of_a_wrong_type_is_null_and_counted(sync_env: Build, value: str, misfits: int) -> None:
    """The row is stored whole; only its typed columns are null, except for text where text is expected."""
    env = sync_env(reservations=3, conversations=False)
    keys = ["listingMapId", "channelId", "status", "arrivalDate", "departureDate"]
    fields = ", ".join(f'"{key}": {value}' for key in keys)
    raw = f'{{"id": 999001, {fields}}}'.encode()
    report = one_more(Resource.RESERVATIONS, raw, env)
    assert report.state is RunState.SUCCESS
    part = report.resources[Resource.RESERVATIONS]
    assert (part.quality.misfits, part.counts.quarantined) == (misfits, 0)
    assert sql.rows(
        env.database, "SELECT listing_id, channel_id, arrival_date FROM reservations WHERE id = 999001"
    ) == [(None, None, None)]
    assert 999_001 in env.rows("reservations")


def test_unknown_status_is_stored_unchanged(sync_env: Build) -> None:
    """Statuses are an open set."""
    env = sync_env()
    one_more(Resource.RESERVATIONS, b'{"id": 999001, "status": "somethingNew"}', env)
    assert sql.rows(env.database, "SELECT status FROM reservations WHERE id = 999001") == [("somethingNew",)]


def test_same_id_on_two_pages_counts_once(sync_env: Build) -> None:
    """A row that moves during the walk is one record in the counts."""
    env = sync_env(reservations=15, switches=Switches(max_limit=SMALL_PAGE))
    first = next(iter(env.truth("reservations")))
    touched: list[int] = []

    def touch(request: Any) -> None:
        if request.route == "GET /reservations" and "afterId" in request.query and not touched:
            touched.append(first)
            env.sandbox.world.pay(first)

    env.sandbox.on_request(touch)
    counts = env.mirror().sync.run(env.account_id).resources[Resource.RESERVATIONS].counts
    assert touched
    assert (counts.seen, counts.inserted) == (15, 15)
    assert env.differences() == {}


@pytest.mark.parametrize(
    "effect",
    [
        faults.bad_gateway(),
        faults.status(500),
        faults.status(200, b""),
        faults.status(200, b"<html>", content_type="text/html"),
        faults.fail_with_200(),
        faults.null_result(),
        faults.torn_json(),
        faults.torn_connection(),
        faults.connection_reset(),
        faults.rate_limited(retry_at=1.0),
        faults.denied(403),
        faults.denied(401),
    ],
    ids=[
        "502", "500", "empty", "html", "200-fail", "null-result", "torn-json", "torn-connection",
        "reset", "429", "403", "401",
    ],
)  # fmt: skip
@pytest.mark.parametrize("route", ["GET /reservations", "GET /conversations/{id}/messages"])
def test_single_fault_costs_a_retry_and_no_row(sync_env: Build, route: str, effect: Effect) -> None:
    """The failed request is repeated, and the mirror is whole."""
    env = sync_env(**SMALL)
    env.sandbox.faults.add(effect, route=route)
    report = env.mirror().sync.run(env.account_id)
    assert report.state is RunState.SUCCESS, report.error
    assert env.differences() == {}


def test_early_empty_page_is_doubted(sync_env: Build) -> None:
    """It looks like the end; the walk steps back and finds the other rows."""
    env = sync_env(reservations=15, switches=Switches(max_limit=SMALL_PAGE))
    env.sandbox.faults.add(faults.early_empty_page(), route="GET /reservations", skip=1)
    assert env.mirror().sync.run(env.account_id).state is RunState.SUCCESS
    assert env.differences() == {}


def test_pages_that_stay_empty_make_the_run_partial(sync_env: Build) -> None:
    """No watermark moves, and the sentence says how many rows are missing."""
    env = sync_env(reservations=15, switches=Switches(max_limit=SMALL_PAGE))
    env.sandbox.faults.add(faults.early_empty_page(), path="afterId", times=None)
    report = env.mirror().sync.run(env.account_id)
    assert report.state is RunState.PARTIAL
    assert report.resources[Resource.RESERVATIONS].state is RunState.PARTIAL
    assert sql.rows(env.database, "SELECT count(*) FROM watermarks WHERE resource = 'reservations'") == [(0,)]
    assert sql.rows(env.database, "SELECT last_sync_at FROM accounts") == [(None,)]


def test_smaller_pages_than_requested_are_read_whole(sync_env: Build) -> None:
    """They are not the end of the list."""
    env = sync_env(reservations=18, listings=9, switches=Switches(max_limit=SMALL_PAGE))
    assert env.mirror().sync.run(env.account_id).state is RunState.SUCCESS
    assert env.differences() == {}


def test_message_with_only_a_new_signature_is_unchanged(sync_env: Build) -> None:
    """A newly signed URL does not change the message."""
    env = sync_env()
    first = message(attachments=[{"url": "https://files.example/a.jpg?signature=1"}])
    one_more(Resource.MESSAGES, json.dumps(first).encode(), env)
    before = sql.rows(env.database, "SELECT updated_at FROM conversation_messages WHERE id = 999001")
    signed_again = json.dumps(message(attachments=[{"url": "https://files.example/a.jpg?signature=2"}])).encode()
    env.sandbox.faults.add(
        faults.rewrite(lambda body: body.replace(json.dumps(first).encode(), signed_again)),
        route="GET /conversations/{id}/messages",
        times=None,
    )
    report = env.mirror().sync.run(env.account_id)
    assert report.resources[Resource.MESSAGES].counts.updated == 0
    assert sql.rows(env.database, "SELECT updated_at FROM conversation_messages WHERE id = 999001") == before
