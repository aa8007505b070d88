"""Callers have accounts mirrored, and settle dead letters; each within its own accounts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.api_rows import add_dead_letters

from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from tests.support.servers.api import Callers

V1 = "/api/v1"
NOTES = "SELECT account_id, changes FROM audit_log WHERE action = 'updated' ORDER BY audit_id"


def test_a_second_sync_waits_for_the_first(callers: Callers) -> None:
    """One of many requests at once queues it, the others name it; a run that was not whole is asked for again."""
    database = callers.api.mirror._database  # noqa: SLF001  (the test's own)
    key = callers.api.issue_key("ops", Access.of_accounts({1}), {Scope.ACCOUNTS, Scope.READ})
    with callers.api.client(key) as client, ThreadPoolExecutor() as pool:
        body = {"mode": "incremental", "resources": ["listings", "tasks"]}
        answers = list(pool.map(lambda _: client.post(f"{V1}/accounts/1/sync", json=body), range(4)))
        assert sorted(one.status_code for one in answers) == [202, 409, 409, 409]
        assert len({one.json()["job"] for one in answers}) == 1
        queued = next(one.json() for one in answers if one.status_code == 202)
        assert queued == {"job": queued["job"], "account_id": "1", **body}
        sql.execute(database, "UPDATE procrastinate_jobs SET status = 'doing'")
        run = next(one for one in client.get(f"{V1}/sync-runs").json()["items"] if one["state"] == "failed")
        retry = f"{V1}/sync-runs/{run['run_id']}/retry"
        assert client.post(retry).json()["job"] == queued["job"]
        sql.execute(database, "DELETE FROM procrastinate_jobs")
        assert (client.post(retry).status_code, client.post(retry).status_code) == (202, 409)
        (args,) = sql.rows(database, "SELECT args FROM procrastinate_jobs")[0]
        assert args == {"account_id": 1, "attempt": 1, "full": True}
        sql.execute(database, f"UPDATE sync_runs SET state = 'success' WHERE run_id = '{run['run_id']}'")
        assert "success" in client.post(retry).json()["detail"]
        sql.execute(database, "UPDATE accounts SET is_active = false")
        assert client.post(f"{V1}/accounts/1/sync", json={"mode": "full"}).status_code == 409
    assert [(account, changes["sync"], changes["caller"]) for account, changes in sql.rows(database, NOTES)] == [
        (1, "incremental", "ops"),
        (1, "full", "ops"),
    ]


def test_a_dead_letter_is_settled_once(callers: Callers) -> None:
    """Listed while it waits, with its error and without its payload; then tried again, or given up."""
    database = callers.api.mirror._database  # noqa: SLF001  (the test's own)
    add_dead_letters(database, 1, 2)
    sql.execute(database, 'UPDATE dead_letters SET payload = \'{"account_id"\\: 1, "attempt"\\: 3, "full"\\: true}\'')
    keys = [callers.api.issue_key(f"ops-{one}", Access.of_accounts({one}), {Scope.ACCOUNTS}) for one in (1, 2)]
    with callers.api.client(keys[0]) as one, callers.api.client(keys[1]) as two:
        (mine,) = callers.of_one.get(f"{V1}/dead-letters").json()["items"]
        (theirs,) = callers.of_two.get(f"{V1}/dead-letters").json()["items"]
        assert (mine["error"], mine["state"], "payload" in mine) == ("dead of-1", "waiting", False)
        retried = one.post(f"{V1}/dead-letters/{mine['dead_letter_id']}/retry")
        assert (retried.status_code, retried.json()["state"]) == (200, "retried")
        discarded = two.post(f"{V1}/dead-letters/{theirs['dead_letter_id']}/discard")
        assert (discarded.status_code, discarded.json()["state"]) == (200, "discarded")
        assert one.post(f"{V1}/dead-letters/{mine['dead_letter_id']}/discard").status_code == 409
        assert callers.of_one.get(f"{V1}/dead-letters").json()["items"] == []
        assert len(callers.of_one.get(f"{V1}/dead-letters?state=retried").json()["items"]) == 1
    assert len(sql.rows(database, "SELECT 1 FROM procrastinate_jobs")) == 1
    assert [(account, changes["resolution"], changes["caller"]) for account, changes in sql.rows(database, NOTES)] == [
        (1, "retried", "ops-1"),
        (2, "discarded", "ops-2"),
    ]


def test_work_is_judged_by_caller_scope_row_and_body(callers: Callers) -> None:
    """What is another's is not there, whatever else is wrong; nothing was done by what was refused."""
    database = callers.api.mirror._database  # noqa: SLF001  (the test's own)
    add_dead_letters(database, 1, 2)
    (letter,) = callers.of_two.get(f"{V1}/dead-letters").json()["items"]
    run = callers.of_two.get(f"{V1}/sync-runs").json()["items"][0]["run_id"]
    key = callers.api.issue_key("ops", Access.of_accounts({1}), {Scope.ACCOUNTS})
    with callers.api.client(key) as client:
        for route in (
            f"dead-letters/{letter['dead_letter_id']}/retry",
            f"dead-letters/{letter['dead_letter_id']}/discard",
            f"sync-runs/{run}/retry",
            "accounts/2/sync",
        ):
            for who, status in ((callers.stranger, 401), (callers.of_one, 403), (client, 404)):
                assert who.post(f"{V1}/{route}", json={"mode": 5}).status_code == status, route
        bad = [
            {},
            {"mode": "all"},
            {"mode": "full", "account_id": "2"},
            {"mode": "full", "resources": ["nonsense"]},
            [],
        ]
        for body in bad:
            assert client.post(f"{V1}/accounts/1/sync", json=body).status_code == 422, body
    assert sql.rows(database, "SELECT 1 FROM procrastinate_jobs") == []
    assert sql.rows(database, "SELECT 1 FROM dead_letters WHERE resolved_at IS NOT NULL") == []
