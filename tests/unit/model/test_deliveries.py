"""The request id of a delivery."""

from __future__ import annotations

import pytest

from hostaway_sync.model.deliveries import REQUEST_ID, read_request_id


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({}, None),
        ({REQUEST_ID: ""}, None),
        ({REQUEST_ID: "a b"}, None),
        ({REQUEST_ID: "req-41"}, None),
        ({REQUEST_ID: "request-41"}, "request-41"),
    ],
)
def test_only_a_wellformed_request_id_is_kept(headers: dict[str, str], request_id: str | None) -> None:
    """Senders choose it, and log lines have it."""
    assert read_request_id(headers) == request_id
