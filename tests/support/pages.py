"""People who look at the page: sign in over real HTTP, and send its forms as a browser does."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
from tests.support import sql
from tests.support.servers.http_server import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers.api import RunningApi

    from hostaway_sync.store.postgres.database import Database

_SEAL = re.compile(r'name="seal" value="([^"]+)"')


class Visitor:
    """A browser without JavaScript.

    Args:
        client: keeps its cookies.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str) -> httpx.Response:
        """Load a page; where it leads elsewhere, the page there."""
        return self.client.get(path)

    def send(self, path: str, of: str | None = None, **fields: str) -> httpx.Response:
        """Send a form, with the seal of the page that it stands in; None: without one."""
        found = _SEAL.search(self.get(of).text) if of is not None else None
        seal = {"seal": found[1]} if found else {}
        return self.client.post(path, data=seal | fields)

    def sign_in(self, key: str, **more: str) -> httpx.Response:
        """Sign in with a key."""
        return self.send("/sign-in", "/sign-in", key=key, **more)


@contextmanager
def visiting(api: RunningApi, key: str | None = None) -> Iterator[Visitor]:
    """Open a browser, signed in with a key; None: not signed in."""
    with httpx.Client(base_url=api.base, timeout=PATIENCE, follow_redirects=True) as client:
        visitor = Visitor(client)
        if key is not None:
            assert visitor.sign_in(key).status_code == 200
        yield visitor


def add_dead_letter(database: Database, account_id: int, error: str = "gone: 404", *, of: str = "reservations") -> int:
    """Store a dead letter about an object 7 of an account, and return its number."""
    found = sql.row(
        database,
        """
        INSERT INTO dead_letters (attempt_id, kind, account_id, target_resource, target_id, job, deliveries, error,
                                  history)
        VALUES (gen_random_uuid(), 'delivery', :account, :of, 7, :job, 1, :error,
                jsonb_build_array(jsonb_build_object('started_at', now(), 'error', CAST(:error AS text))))
        RETURNING dead_letter_id
        """,
        account=account_id,
        of=of,
        job=f"refresh:{account_id}:{of}:7",
        error=error,
    )
    number: int = found.dead_letter_id
    return number
