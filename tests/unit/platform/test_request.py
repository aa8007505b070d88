"""Why a request is made."""

from __future__ import annotations

from hostaway_sync.platforms.hostaway.http.request import Cause


def test_steps_of_a_request_are_listed_in_order() -> None:
    """Reason and attempt stay unchanged."""
    cause = Cause("listings: everything", attempt=2)
    assert cause.with_step("page 2") == Cause("listings: everything", "page 2", 2)
    assert cause.with_step("page 2").with_step("again").step == "page 2, again"
