from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from graphql import get_introspection_query
from tests.support import sql
from tests.support.graphql import ask, repeat
from tests.support.programs.program import COVERAGE
from tests.support.project.pages import ROOT

from hostaway_sync.api.graphql.engine import Engine
from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers.api import Callers
    from tests.support.sync_env import SyncEnv

COMMITTED = ROOT / "docs" / "reference" / "schema.graphql"

NESTED = """
query ($limit: Int! = 20) {
  accounts { items { name listings(limit: 2) { items {
    name account { name }
    calendar(start: "2026-05-02", end: "2026-05-03", limit: 2) { items { date note } }
    reservations(limit: 1) { items { guest_name } }
  } } } }
  reservations(limit: $limit) { items {
    reservation_key guest_name guest_total listing { name } account { name } messages(limit: 5) { items { body } next }
  } next }
}
"""


def test_callers_read_nested_rows_of_their_accounts_alone(callers: Callers) -> None:
    """Ids are the same in both accounts; amounts keep their digits, and nobody keeps the answer."""
    for client, mine, other in ((callers.of_one, 1, 2), (callers.of_two, 2, 1)):
        answer = client.post("/graphql", json={"query": NESTED})
        assert f"of-{other}" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert '"guest_total":100.10,' in answer.text
        data = answer.json()["data"]
        (account,) = data["accounts"]["items"]
        (listing,) = account["listings"]["items"]
        assert (account["name"], listing["name"]) == (f"account of-{mine}", f"house of-{mine}")
        assert [day["date"] for day in listing["calendar"]["items"]] == ["2026-05-02", "2026-05-03"]
        assert listing["reservations"] == {"items": [{"guest_name": f"guest of-{mine}"}]}
        first, *rest = data["reservations"]["items"]
        assert first["reservation_key"] == f"hostaway:{mine}:7"
        assert [one["body"] for one in first["messages"]["items"]] == [f"message of-{mine}"] * 2
        assert (first["account"], first["listing"]) == ({"name": account["name"]}, {"name": listing["name"]})
        assert [one["messages"]["items"] for one in rest] == [[], []]


def test_rows_of_others_are_null_as_if_they_were_not_there(callers: Callers) -> None:
    """Whatever names them: keys, accounts, cursors of their lists."""
    theirs = ask(callers.of_two, '{ reservation(id: "7") { messages(limit: 1) { next } } }')
    cursor = theirs["data"]["reservation"]["messages"]["next"]
    assert cursor
    for other, number in (("2", "7"), ("9", "7")):
        found = ask(
            callers.of_one,
            """query ($a: String!, $account: String!, $listing: String!, $reservation: String!) {
              account(id: $a) { name } listing(id: $listing) { name } reservation(id: $reservation) { guest_name }
              history(reservation_id: $reservation) { says }
              again: reservation(id: "7", account_id: $account) { guest_name }
              listings(account_id: $account) { items { name } }
              reservations(listing_id: $listing) { items { guest_name } }
            }""",
            a=other,
            account=other,
            listing=f"hostaway:{other}:5",
            reservation=f"hostaway:{other}:{number}",
        )
        names = ("account", "listing", "reservation", "history", "again")
        assert [found["data"][name] for name in names] == [None] * 5
        assert found["data"]["listings"] == found["data"]["reservations"] == {"items": []}
    for wrong in (cursor, cursor[:-1], "AAAA", "é"):
        query = '{ reservation(id: "7") { messages(cursor: "%") { items { body } } } }'.replace("%", wrong)
        refused = ask(callers.of_one, query)
        assert refused["data"] is None or refused["data"]["reservation"] is None
        assert "cursor" in refused["errors"][0]["message"]


def test_lists_go_on_with_the_cursors_of_the_other_routes(callers: Callers) -> None:
    """Also those inside another row."""
    rest = callers.of_one.get("/api/v1/reservations", params={"limit": 1}).json()["next"]
    own = ask(callers.of_one, "{ reservations(limit: 1) { next } }")["data"]["reservations"]["next"]
    assert own == rest
    page = ask(
        callers.of_one, "query ($c: String) { reservations(cursor: $c) { items { reservation_id } next } }", c=own
    )
    assert page["data"]["reservations"] == {
        "items": [{"reservation_id": "8"}, {"reservation_id": "10001"}],
        "next": None,
    }
    inner = (
        'query ($c: String) { reservation(id: "7") { messages(limit: 1, cursor: $c) { items { message_id } next } } }'
    )
    first = ask(callers.of_one, inner)["data"]["reservation"]["messages"]
    second = ask(callers.of_one, inner, c=first["next"])["data"]["reservation"]["messages"]
    assert (first["items"], second) == ([{"message_id": "9"}], {"items": [{"message_id": "10"}], "next": None})


def test_filters_and_the_life_of_a_stay_are_those_of_the_other_routes(callers: Callers) -> None:
    """A moment without an offset is nobody's, and an id that two accounts have asks for one."""
    where = '{status: "confirmed", check_in_from: "2026-05-09", check_in_to: "2026-05-09", channel: "%s"}'
    query = "{ reservations(where: %s) { items { reservation_id } } }"
    channel = callers.of_one.get("/api/v1/reservations/8").json()["channel"]
    for word, expected in ((channel, [{"reservation_id": "8"}]), ("other", [])):
        found = ask(callers.of_one, query % (where % word))
        assert found == {"data": {"reservations": {"items": expected}}}, found
    told = ask(callers.of_one, '{ history(reservation_id: "7") { at kind says after } }')["data"]["history"]
    route = callers.of_one.get("/api/v1/reservations/7/history").json()["events"]
    assert told == [{name: one[name] for name in ("at", "kind", "says", "after")} for one in route]
    (error,) = ask(callers.of_both, '{ reservation(id: "7") { guest_name } }')["errors"]
    assert (error["extensions"], error["path"]) == ({"type": "urn:hostaway-sync:problem:ambiguous-id"}, ["reservation"])
    assert ask(callers.of_both, '{ reservation(id: "7", account_id: "2") { guest_name raw_payload } }') == {
        "data": {
            "reservation": {
                "guest_name": "guest of-2",
                "raw_payload": {"guestName": "guest of-2", "totalPrice": 100.10},
            }
        }
    }
    naive = ask(callers.of_one, '{ listings(updated_since: "2026-05-01T12:00:00") { next } }')
    assert "a moment is written as" in naive["errors"][0]["message"]


def test_a_level_of_rows_is_one_question_however_many_there_are(callers: Callers) -> None:
    """Also where a field is asked for under several names."""
    part = """a#: reservations(limit: $n) { items {
      listing { name account { name } } account { name } messages(limit: 3) { items { body } } } }"""
    nested = repeat("query ($n: Int!) { % }", part, 2)
    single = repeat("{ % }", 'a#: reservation(id: "#", account_id: "1") { guest_name }', 9)
    engine = callers.api.mirror._database.engine  # noqa: SLF001  (the test's own)
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        if "api_" not in arguments[2]:  # keys and limits of callers
            seen.append(arguments[2])

    sa.event.listen(engine, "before_cursor_execute", note)
    counts: list[int] = []
    for client, query, limit in (
        (callers.of_one, nested, 1),
        (callers.of_one, nested, 3),
        (callers.of_both, nested, 4),
        (callers.of_both, nested, 6),
        (callers.of_both, single, 9),
    ):
        for _ in range(2):  # the first time columns may be read
            seen.clear()
            assert "errors" not in ask(client, query, n=limit)
        counts.append(len(seen))
    sa.event.remove(engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] == counts[2] - 2, (
        counts
    )  # a list asks for each account's rows, until its page is full
    assert counts[2] == counts[3]
    assert counts[4] == 3


def test_the_schema_is_shown_to_administrators_alone(callers: Callers) -> None:
    """With the meaning of columns; `__typename` is nobody's secret, and introspection has bounds of its own."""
    key = callers.api.issue_key("admin", Access.of_accounts({1}), {Scope.READ, Scope.ADMIN})
    with callers.api.client(key) as admin:
        whole = ask(admin, get_introspection_query())["data"]["__schema"]
        types = {one["name"]: one for one in whole["types"]}
        columns = {one["name"]: one["description"] for one in types["Reservation"]["fields"]}
        assert columns["check_in_date"]
        assert {"account", "listing", "messages"} <= columns.keys()
        deep = "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }"
        assert ask(admin, deep)["errors"]
    assert ask(callers.of_one, "{ __typename accounts { __typename } }")["data"]["__typename"] == "Query"


def test_the_committed_schema_is_that_of_the_program(callers: Callers) -> None:
    """WRITE_DOCUMENTS=1 writes it."""
    text = Engine(callers.api.mirror.rows).print_schema() + "\n"
    if os.environ.get("WRITE_DOCUMENTS"):
        COMMITTED.write_text(text, encoding="utf-8")
    assert COMMITTED.read_text(encoding="utf-8") == text


def test_a_fault_of_the_server_says_nothing_of_itself_in_errors(callers: Callers) -> None:
    """Names of tables stay in the log."""
    assert ask(callers.of_one, "{ listings { next } }")["data"]
    database = callers.api.mirror._database  # noqa: SLF001  (the test's own)
    sql.execute(database, "ALTER SCHEMA core RENAME TO elsewhere")
    found = ask(callers.of_one, "{ listings { items { name } } }")
    sql.execute(database, "ALTER SCHEMA elsewhere RENAME TO core")
    (error,) = found["errors"]
    assert (found["data"], error["message"]) == (None, "The server made a mistake")
    assert error["extensions"] == {"type": "urn:hostaway-sync:problem:internal"}


def test_the_queries_of_the_page_are_answered(callers: Callers) -> None:
    """As they stand there."""
    page = (ROOT / "docs" / "how-to" / "graphql.md").read_text(encoding="utf-8")
    queries = re.findall(r"```graphql\n(.*?)```", page, re.DOTALL)
    assert len(queries) == 3
    for query in queries:
        assert "of-1" in str(ask(callers.of_one, query)["data"]), query
    refused = callers.of_both.post("/graphql", json={"query": '{ reservation(id: "7") { guest_name } }'}).json()
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(shown) == refused


def test_without_the_extra_the_api_answers_and_graphql_is_not_there(sync_env: Callable[..., SyncEnv]) -> None:
    """In an interpreter that cannot import it: the other routes answer as before. Nor is it imported to start."""
    env = sync_env(store=False)
    code = """
import asyncio, sys
from hostaway_sync.api import server
from hostaway_sync.cli.process.open_app import open_mirror
print({"strawberry", "graphql"} & sys.modules.keys())
sys.modules["strawberry"] = sys.modules["graphql"] = None
import httpx

async def ask():
    app = server.build_api(mirror, server.open_alerts(mirror))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        print(*[(await client.get(one)).status_code for one in ("/health", "/api/v1/accounts", "/graphql")])
        print((await client.post("/graphql", json={"query": "{ __typename }"})).text)

with open_mirror() as mirror:
    asyncio.run(ask())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env.environment() | COVERAGE,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported, statuses, answer = done.stdout.splitlines()
    assert (imported, statuses) == ("set()", "200 401 404")
    assert "pip install 'hostaway-sync[graphql]'" in answer
    assert "urn:hostaway-sync:problem:not-found" in answer
