"""A client of the sandbox, independent of the program."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from hostaway_sync.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


class SandboxClient(httpx.Client):
    """Sends requests to a sandbox as one account; its token is valid at once."""

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
        """Return the rows of one page."""
        rows: list[dict[str, Any]] = self.page(path, **query)["result"]
        return rows

    def ids(self, path: str, **query: object) -> list[int]:
        """Return the ids on one page."""
        return [row["id"] for row in self.rows(path, **query)]

    def page(self, path: str, **query: object) -> dict[str, Any]:
        """Return one page with its envelope."""
        reply = self.get(path, params={name: str(value) for name, value in query.items()})
        assert reply.status_code == 200, reply.text
        envelope: dict[str, Any] = reply.json()
        return envelope

    def walk(self, path: str, **query: object) -> list[dict[str, Any]]:
        """Return every row, by offset."""
        rows: list[dict[str, Any]] = []
        while page := self.rows(path, offset=len(rows), **query):
            rows += page
        return rows


OpenSandbox = Callable[..., tuple[Sandbox, SandboxClient]]
OpenedSandbox = Callable[..., AbstractContextManager[tuple[Sandbox, SandboxClient]]]


@contextmanager
def open_once(**options: Any) -> Iterator[tuple[Sandbox, SandboxClient]]:
    """Start a sandbox and a client for one example of a property test."""
    with (
        Sandbox(**{"token_delay": 0, "reservations": 60, "listings": 3} | options) as sandbox,
        closing(SandboxClient(sandbox)) as caller,
    ):
        yield sandbox, caller
