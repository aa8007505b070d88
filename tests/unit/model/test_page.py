"""When the records of a page were requested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hostaway_sync.model.records import Page, Resource, Shape

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_record_requested_alone_has_its_own_moment() -> None:
    """All others, and those without an id, have that of their page."""
    later = NOON + timedelta(seconds=9)
    page = Page(Shape(Resource.MESSAGES), (), NOON, observed_at_by_id={5: later})
    assert [page.record_observed_at(one) for one in (None, 4, 5)] == [NOON, NOON, later]
