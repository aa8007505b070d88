from __future__ import annotations

import pytest

from hostaway_sync.api.local import is_local

HERE = {"host": "127.0.0.1:8081"}


@pytest.mark.parametrize(
    ("address", "headers", "local"),
    [
        ("127.0.0.1", HERE, True),
        ("::1", {"host": "[::1]:8081"}, True),
        ("127.0.0.1", {"host": "localhost"}, True),
        ("127.0.0.1", {"host": "::1"}, False),
        ("192.0.2.1", HERE, False),
        (None, HERE, False),
        ("sandbox", HERE, False),
        ("127.0.0.1", {"host": "sync.example.org:8081"}, False),
        ("127.0.0.1", {}, False),
        *(("127.0.0.1", {**HERE, name: "127.0.0.1"}, False) for name in ("x-forwarded-for", "forwarded", "via")),
    ],
)
def test_requests_of_this_machine_are_told_from_all_others(
    address: str | None, headers: dict[str, str], *, local: bool
) -> None:
    """A proxy on it is another, and so is a page of the web whose name leads here."""
    assert is_local(address, headers) is local
