"""Queries of GraphQL to the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


def ask(client: httpx.Client, query: str, **variables: Any) -> dict[str, Any]:
    """Return the answer of a query."""
    answer = client.post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def repeat(whole: str, part: str, times: int) -> str:
    """Return a query with a part repeated, `#` in it being its number."""
    return whole.replace("%", " ".join(part.replace("#", str(number)) for number in range(times)))
