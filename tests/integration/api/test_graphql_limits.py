from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.support.graphql import ask, repeat

from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from tests.support.servers.api import Callers

DEEP = """{ accounts { items { listings(limit: 1) { items { reservations(limit: 1) { items {
  messages(limit: 1) { next % } } } } } } } }"""
NAMES = "{ reservations(limit: 100) { items { % } } }"
TWICE = """{ ...f ...f } fragment f on Query {
  reservations(limit: 100) { items { listing { name } account { name } messages(limit: 3) { next } } } }"""
DOUBLED = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(19))
REFUSED = {
    DEEP.replace("%", "items { body }"): "more than 8 fields deep",
    "{ reservations(limit: 10) { items { messages(limit: 100) { items { body } } } } }": "More than 1000 rows",
    repeat(NAMES, "a#: guest_name", 10): "More than 1000 rows",
    repeat("{ % }", "a#: reservations(limit: 100) { next }", 11): "More than 1000 rows",
    repeat("{ % }", 'a#: history(reservation_id: "7") { says }', 11): "More than 1000 rows",
    TWICE: "More than 1000 rows",
    f"{{ ...f0 }} {DOUBLED} fragment f19 on Query {{ __typename }}": "with those of its fragments",
    "{ reservations(limit: 101) { next } }": "a page has 1 to 100 rows",
    "{ reservations(limit: 0) { next } }": "a page has 1 to 100 rows",
    "query ($n: Int!) { reservations(limit: $n) { next } }": "a page has 1 to 100 rows",
    "{a" * 10_000: "nested too deeply",
    repeat("{ a(b: %) }", "[", 900): "nested too deeply",
    repeat("{ % }", "__typename", 2001): "more than 2000 tokens",
    repeat("{ __typename } %", "fragment f# on Query { __typename }", 21): "21 fragments",
    "{ ...f } fragment f on Query { ...f }": "Cannot spread fragment",
    "{ reservations { items { guest_nam } } }": "Cannot query field 'guest_nam' on type 'Reservation'.",
    "mutation { a }": "Only queries are answered",
    "subscription { a }": "Only queries are answered",
    "query A { __typename } query B { __typename }": "operationName",
    "{": "Syntax Error",
    "": "Syntax Error",
    "{ __schema { types { name } } }": "scope admin",
    '{ ...f } fragment f on Query { a: __type(name: "Query") { name } }': "scope admin",
    '{ listings(account_id: "x") { next } }': "account_id: that is no id of an account",
}


def test_what_is_too_much_or_not_allowed_is_refused_unanswered(callers: Callers) -> None:
    """In one sentence each, at once; what is exactly as much as allowed is answered."""
    for query, says in REFUSED.items():
        began_at = time.monotonic()
        found = callers.of_one.post("/graphql", json={"query": query, "variables": {"n": 101}}).json()
        assert time.monotonic() - began_at < 10, query[:100]
        assert says in found["errors"][0]["message"], (query[:100], found)
        assert found["errors"][0]["extensions"] == {"type": "urn:hostaway-sync:problem:invalid"}
        assert found.get("data") is None
    for query in (
        DEEP.replace("%", ""),
        repeat("{ % }", "a#: reservations(limit: 100) { next }", 10),
        repeat(NAMES, "a#: guest_name", 9),
    ):
        assert "errors" not in ask(callers.of_one, query), query[:100]


def test_only_json_bodies_of_one_query_are_read(callers: Callers) -> None:
    """Everything else is a problem, after the checks of key and scope."""
    sender = callers.api.issue_key("sender", Access.of_accounts({1}), {Scope.MESSAGES, Scope.ADMIN})
    query = {"query": "{ __typename }"}
    assert callers.stranger.post("/graphql", content=b"{").status_code == 401
    with callers.api.client(sender) as client:
        assert client.post("/graphql", content=b"{").status_code == 403
    one = callers.of_one
    as_json = {"Content-Type": "application/json"}
    for answer, status in (
        (one.get("/graphql", params=query), 405),
        (one.post("/graphql", params=query), 415),
        (one.post("/graphql", data=query), 415),
        (one.post("/graphql", files={"operations": b"{}"}), 415),
        (one.post("/graphql", content=b"{ __typename }", headers={"Content-Type": "application/graphql"}), 415),
        (one.post("/graphql", json=[query, query]), 422),
        (one.post("/graphql", json=query | {"id": 1}), 422),
        (one.post("/graphql", json=query | {"variables": []}), 422),
        (one.post("/graphql", content=b"\xff", headers=as_json), 422),
        (one.post("/graphql", content=b'{"variables": %s' % (b'{"a":' * 10_000), headers=as_json), 422),
        (one.post("/graphql", content=b'{"query": "%s"}' % (b" " * 2**20), headers=as_json), 413),
        (one.post("/graphql", json=query | {"extensions": {}, "operationName": None}), 200),
    ):
        assert answer.status_code == status, answer.request.content[:100]
        kind = "application/json" if status == 200 else "application/problem+json"
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, "no-store")
