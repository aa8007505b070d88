from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import sql

from hostaway_sync.api.authorization import FAILURES
from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from tests.support.servers.api import Callers

V1 = "/api/v1"
PROBLEM = "application/problem+json"


def test_checks_come_in_order_of_caller_scope_row_and_parameters(callers: Callers) -> None:
    """What fails first decides: later checks would tell what exists."""
    key = callers.api.issue_key("sender", Access.of_accounts({1}), {Scope.MESSAGES})
    with callers.api.client(key) as sender:
        for client, status in ((callers.stranger, 401), (sender, 403)):
            for route in ("reservations/7", "reservations/99", "reservations?limit=x", "listings/5?bad=1"):
                assert client.get(f"{V1}/{route}").status_code == status, route
    assert callers.of_one.get(f"{V1}/reservations/99").status_code == 404
    assert callers.of_one.get(f"{V1}/reservations/7?bad=1").status_code == 422


def test_a_row_of_another_looks_as_if_it_were_not_there(callers: Callers) -> None:
    """Status, headers and words are the same but for the request's id."""
    for route in (
        "accounts/{}",
        "listings/hostaway:{}:5",
        "reservations/hostaway:{}:7",
        "reservations/hostaway:{}:7/messages",
        "reservations/hostaway:{}:7/history",
        "calendar/hostaway:{}:5",
        "sync-runs/00000000-0000-4000-8000-00000000000{}",
    ):
        theirs, nobodys = (callers.of_one.get(f"{V1}/{route.format(one)}") for one in (2, 9))
        assert theirs.status_code == nobodys.status_code == 404, route
        for answer in (theirs, nobodys):
            assert answer.headers["content-type"] == PROBLEM
        texts = [one.text.replace(one.json()["request_id"], "") for one in (theirs, nobodys)]
        assert texts[0] == texts[1], route


def test_every_error_is_a_problem_with_the_id_of_its_request(callers: Callers) -> None:
    """A caller may choose the id; an odd one is replaced."""
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("POST", f"{V1}/accounts/1", 405),
        ("GET", f"{V1}/accounts?x=1", 422),
        ("GET", f"{V1}/accounts/2", 404),
    ):
        answer = callers.of_one.request(method, path, headers={"X-Request-ID": "mine-1"})
        document = answer.json()
        assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), path
        assert (document["status"], document["request_id"], answer.headers["x-request-id"]) == (
            status,
            "mine-1",
            "mine-1",
        )
        assert document["type"].startswith("urn:hostaway-sync:problem:")
    odd = callers.of_one.get(f"{V1}/accounts", headers={"X-Request-ID": "no spaces"})
    assert odd.headers["x-request-id"] != "no spaces"


def test_answers_are_kept_by_nobody_and_shown_in_no_frame(callers: Callers) -> None:
    """What is private stays out of caches; nothing is guessed of its type."""
    for answer in (callers.of_one.get(f"{V1}/accounts"), callers.stranger.get(f"{V1}/accounts")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in answer.headers


def test_wrong_keys_are_refused_alike_and_then_limited(callers: Callers) -> None:
    """No key, a key of any form, two keys: one answer; a caller who was checked goes on from the same address."""
    assert callers.of_one.get(f"{V1}/accounts").status_code == 200
    seen = set()
    wrong = [b"hsk_", b"x", b"hsk_abcdefghijkl_" + b"m" * 43, "é".encode(), b"h" * 9000]
    for key in wrong:
        answer = callers.stranger.get(f"{V1}/accounts", headers={b"X-API-Key": key})
        seen.add((answer.status_code, answer.json()["detail"], answer.headers["www-authenticate"]))
    seen.add((401, callers.stranger.get(f"{V1}/accounts").json()["detail"], 'Bearer realm="hostaway-sync"'))
    assert len(seen) == 1
    for _ in range(FAILURES - len(wrong)):
        assert callers.stranger.get(f"{V1}/accounts", headers={"Authorization": "Bearer no"}).status_code == 401
    limited = callers.stranger.get(f"{V1}/accounts", headers={"X-API-Key": "no"})
    assert (limited.status_code, 0 < int(limited.headers["retry-after"]) <= 60) == (429, True)
    assert callers.of_one.get(f"{V1}/accounts").status_code == 200


def test_two_keys_in_one_request_name_nobody(callers: Callers) -> None:
    """Which of them counts would be a guess."""
    both = [("X-API-Key", callers.of_one.headers["x-api-key"]), ("X-API-Key", callers.of_two.headers["x-api-key"])]
    assert callers.stranger.get(f"{V1}/accounts", headers=both).status_code == 401


def test_a_fault_of_the_server_says_nothing_of_itself(callers: Callers) -> None:
    """Names of tables and users stay in the log."""
    sql.execute(callers.api.mirror._database, "ALTER SCHEMA core RENAME TO elsewhere")  # noqa: SLF001  (the test's own)
    answer = callers.of_one.get(f"{V1}/listings")
    sql.execute(callers.api.mirror._database, "ALTER SCHEMA elsewhere RENAME TO core")  # noqa: SLF001
    assert (answer.status_code, answer.json().keys()) == (500, {"type", "title", "status", "request_id"})
