from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hostaway_sync.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    OpenSandbox = Callable[..., tuple[Sandbox, "Caller"]]
    OpenedSandbox = Callable[..., AbstractContextManager[tuple[Sandbox, "Caller"]]]


class Caller(httpx.Client):
    """Asks a sandbox as one account; its token was good at once."""

    def __init__(self, sandbox: Sandbox, account_id: int = 70001, address: str = "127.0.0.1") -> None:
        transport = httpx.HTTPTransport(local_address=address, verify=False)
        super().__init__(base_url=sandbox.url, transport=transport, timeout=30)
        secret = sandbox.accounts[account_id].spec.secret
        form = {
            "grant_type": "client_credentials",
            "client_id": account_id,
            "client_secret": secret,
            "scope": "general",
        }
        reply = self.post("/accessTokens", data=form)
        self.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"

    def rows(self, path: str, **query: object) -> list[dict[str, Any]]:
        """Give the rows of one page."""
        rows: list[dict[str, Any]] = self.page(path, **query)["result"]
        return rows

    def ids(self, path: str, **query: object) -> list[int]:
        """Give the ids on one page."""
        return [row["id"] for row in self.rows(path, **query)]

    def page(self, path: str, **query: object) -> dict[str, Any]:
        """Give one page with its envelope."""
        reply = self.get(path, params={name: str(value) for name, value in query.items()})
        assert reply.status_code == 200, reply.text
        envelope: dict[str, Any] = reply.json()
        return envelope

    def walk(self, path: str, **query: object) -> list[dict[str, Any]]:
        """Give every row, by offset."""
        rows: list[dict[str, Any]] = []
        while page := self.rows(path, offset=len(rows), **query):
            rows += page
        return rows


@pytest.fixture
def open_sandbox() -> Iterator[OpenSandbox]:
    """Give a function that starts a sandbox and a caller; both end with the test."""
    started: list[tuple[Sandbox, Caller]] = []

    def start(**options: Any) -> tuple[Sandbox, Caller]:
        sandbox = Sandbox(**{"token_delay": 0, "reservations": 120, "listings": 4} | options).start()
        caller = Caller(sandbox, next(iter(sandbox.accounts)))
        started.append((sandbox, caller))
        return sandbox, caller

    yield start
    for sandbox, caller in started:
        caller.close()
        sandbox.stop()


@contextmanager
def opened(**options: Any) -> Iterator[tuple[Sandbox, Caller]]:
    """Start a sandbox and a caller for one example of a property test."""
    with (
        Sandbox(**{"token_delay": 0, "reservations": 60, "listings": 3} | options) as sandbox,
        closing(Caller(sandbox)) as caller,
    ):
        yield sandbox, caller


@pytest.fixture(scope="session")
def opened_sandbox() -> OpenedSandbox:
    """Give the context manager that property tests use for each example."""
    return opened
