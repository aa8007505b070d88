"""Why a run reads a list, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.support.local_zone import local_zone

from hostaway_sync.model.records import Mark, Resource
from hostaway_sync.sync.reporting import reasons

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
SWEPT = Mark(NOW, NOW - timedelta(hours=21))


@pytest.mark.parametrize(
    ("since", "mark", "asked", "words"),
    [
        (NOW - timedelta(minutes=15), SWEPT, False, "reservations: what moved since 2026-11-22 01:45"),
        (
            NOW.astimezone(timezone(timedelta(hours=-5))),
            SWEPT,
            False,
            "reservations: what moved since 2026-11-22 02:00",
        ),
        (None, SWEPT, True, "reservations: everything, as asked for"),
        (None, None, False, "reservations: everything, for the first time"),
        (None, Mark(NOW, None), False, "reservations: everything, for the first time"),
        (None, SWEPT, False, "reservations: everything, as from time to time; last 21 h ago"),
        (
            None,
            Mark(NOW, NOW - timedelta(hours=9_000)),
            False,
            "reservations: everything, as from time to time; last 9000 h ago",
        ),
        (
            None,
            Mark(NOW, NOW, suspected_at=NOW.astimezone(timezone(timedelta(hours=-5)))),
            False,
            "reservations: everything, because rows are suspected to be gone since 2026-11-22 02:00",
        ),
    ],
)
def test_reason_for_reading_a_list(since: datetime | None, mark: Mark | None, asked: bool, words: str) -> None:  # noqa: FBT001  (an example, not a switch)
    """Changed rows, an option, the first time, or a due sweep."""
    with local_zone("America/New_York"):
        assert reasons.explain_list(Resource.RESERVATIONS, since=since, mark=mark, now=NOW, asked=asked) == words


def test_second_reading_of_a_list_names_its_doubt() -> None:
    """Both reasons are in it."""
    assert (
        reasons.explain_again("listings: why", "the pages do not overlap")
        == "listings: why; again: the pages do not overlap"
    )


def test_request_for_an_unlisted_object_has_a_reason() -> None:
    """It may be gone."""
    assert reasons.explain_unlisted(Resource.MESSAGES) == "messages: is it gone? a whole walk did not list it"
