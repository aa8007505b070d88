from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hostaway_sync import errors
from hostaway_sync.records import Counts, Oddities, Page, Record, Resource, ResourceReport, RunState, Shape
from hostaway_sync.sync import plan

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WHOLE = ResourceReport(RunState.SUCCESS, Counts())
PARTIAL = ResourceReport(RunState.PARTIAL, Counts(), error="one record was left out")
FAILED = ResourceReport(RunState.FAILED, Counts(), error="away")


def page(*stamps: datetime | None, total: int | None = None, doubt: str | None = None) -> Page:
    """Give a page of records with these stamps."""
    records = tuple(Record(number, "{}", b"", stamp) for number, stamp in enumerate(stamps, start=1))
    return Page(Shape(Resource.RESERVATIONS), records, NOON, total=total, doubt=doubt)


@pytest.mark.parametrize(
    ("last", "distinct", "said"),
    [
        (None, 0, "no page was received"),
        (page(doubt="an early empty page", total=9), 9, "an early empty page"),
        (page(total=9), 8, "8 records were read where the source counts 9"),
        (page(total=9), 9, None),
        (page(total=9), 10, None),
        (page(total=0), 0, None),
        (page(), 0, None),
    ],
)
def test_a_walk_is_doubted_when_something_may_be_missing(last: Page | None, distinct: int, said: str | None) -> None:
    """No page, the page's own doubt, or fewer records than the source counts; more are no reason."""
    assert plan.doubt(last, distinct) == said


@pytest.mark.parametrize(
    ("first", "mark"),
    [
        (None, None),
        (page(), None),
        (page(None, None), None),
        (page(NOON - HOUR, None, NOON - 2 * HOUR), NOON - HOUR),
        (page(NOON - 2 * HOUR, NOON - HOUR), NOON - HOUR),
        (page(NOON + HOUR, NOON - HOUR), NOON),
    ],
)
def test_the_watermark_is_the_top_stamp_and_never_beyond_the_signpost(first: Page | None, mark: datetime) -> None:
    """A source whose clock is ahead, and rows without a stamp, do not move it too far."""
    assert plan.watermark(first, NOON) == mark


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (errors.SourceUnavailable(""), True),
        (errors.RateLimited(""), True),
        (errors.TokenRejected(""), True),
        (errors.CredentialsRejected(""), True),
        (errors.Forbidden(""), False),
        (errors.NotFound(""), False),
        (errors.RequestRejected(""), False),
    ],
)
def test_a_run_ends_where_the_next_resource_would_fail_alike(error: errors.SourceError, *, ends: bool) -> None:
    """A source that is away or refuses us ends the run; one list that is refused does not."""
    assert plan.ends_the_run(error) is ends


def test_the_inbox_is_closed_after_enough_refusals_in_a_row() -> None:
    """One thread that could be read proves that it is open."""
    assert plan.inbox_is_closed(plan.FORBIDDEN_THREADS, 0)
    assert not plan.inbox_is_closed(plan.FORBIDDEN_THREADS - 1, 0)
    assert not plan.inbox_is_closed(plan.FORBIDDEN_THREADS, 1)


def test_threads_that_were_not_whole_give_one_sentence() -> None:
    """The gravest reason is the one that is said."""
    unreadable = "the list of conversations was not read"
    assert plan.threads_error(forbidden=3, read=0, doubts=1, unreadable=unreadable) == unreadable
    closed = plan.threads_error(forbidden=3, read=0, doubts=1, unreadable=None)
    assert closed is not None
    assert closed.startswith("the account may not read its inbox (403 on every conversation)")
    some = plan.threads_error(forbidden=3, read=1, doubts=1, unreadable=None)
    assert some == "3 conversations may not be read (403)"
    doubted = plan.threads_error(forbidden=0, read=5, doubts=2, unreadable=None)
    assert doubted == "2 conversations were not read whole"
    assert plan.threads_error(forbidden=0, read=0, doubts=0, unreadable=None) is None


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ([WHOLE, WHOLE], RunState.SUCCESS),
        ([], RunState.SUCCESS),
        ([WHOLE, FAILED], RunState.PARTIAL),
        ([WHOLE, PARTIAL], RunState.PARTIAL),
        ([PARTIAL, FAILED], RunState.PARTIAL),
        ([FAILED, FAILED], RunState.FAILED),
    ],
)
def test_a_run_that_was_not_whole_is_no_success(reports: list[ResourceReport], state: RunState) -> None:
    """Success needs all of them; failed means that nothing was gained."""
    assert plan.final_state(reports) is state


def test_the_error_of_a_run_names_every_resource_that_was_not_whole() -> None:
    """One part a resource, in the order of the run; None when all is well."""
    assert plan.run_error({Resource.LISTINGS: WHOLE}) is None
    reports = {Resource.LISTINGS: FAILED, Resource.RESERVATIONS: WHOLE, Resource.CONVERSATIONS: PARTIAL}
    assert plan.run_error(reports) == "listings: away; conversations: one record was left out"


def test_what_could_not_be_stored_as_it_is_never_goes_by_in_silence() -> None:
    """Quarantined, cleaned and misfitting records are each said; a clean run says nothing."""
    odd = ResourceReport(RunState.SUCCESS, Counts(seen=2, quarantined=2), Oddities(cleaned=3, misfits=4))
    assert plan.warnings({Resource.LISTINGS: WHOLE, Resource.MESSAGES: odd}) == [
        "messages: 2 records got no row; see quarantined_records",
        "messages: 3 records were cleaned; bytes in quarantined_records",
        "messages: 4 values do not fit their column, which is NULL",
    ]
