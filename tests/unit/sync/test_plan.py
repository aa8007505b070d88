from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hostaway_sync import errors
from hostaway_sync.model import timestamps
from hostaway_sync.model.records import (
    OBJECTS,
    ChangeCounts,
    Mark,
    Mode,
    Page,
    QualityCounts,
    Record,
    Resource,
    ResourceReport,
    RunState,
    Shape,
)
from hostaway_sync.sync import plan

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WHOLE = ResourceReport(RunState.SUCCESS, ChangeCounts())
PARTIAL = ResourceReport(RunState.PARTIAL, ChangeCounts(), error="one record was left out")
FAILED = ResourceReport(RunState.FAILED, ChangeCounts(), error="away")


def page(*stamps: datetime | None, total: int | None = None, doubt: str | None = None) -> Page:
    """Return a page of records with these stamps."""
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
        (page(total=9), None, None),
    ],
)
def test_walk_is_doubted_when_rows_may_be_missing(last: Page | None, distinct: int | None, said: str | None) -> None:
    """No page, the page's own doubt, or fewer records than the source counts; more are no reason."""
    assert plan.find_doubt(last, distinct) == said


@pytest.mark.parametrize(
    ("last", "distinct", "said"),
    [
        (None, 0, "no page was received"),
        (page(doubt="an early empty page", total=9), 9, "an early empty page"),
        (page(total=9), 8, "8 records were read, before and since, where the source counts 9"),
        (page(doubt="an early empty page"), 9, "an early empty page"),
        (page(total=9), 10, "10 records were read, before and since, where the source counts 9"),
        (page(), 9, "the source does not say how many records there are"),
        (page(total=9), 9, None),
    ],
)
def test_resumed_walk_needs_exactly_the_counted_records(last: Page | None, distinct: int, said: str | None) -> None:
    """More mean deletions during the interruption; without a count they would stay unknown."""
    assert plan.find_doubt_after_cut(last, distinct) == said


def test_each_list_decides_for_itself_whether_it_is_read_whole() -> None:
    """A list with a recent sweep is read for new rows, whatever the others need; with `--full` all are read."""
    marks = {Resource.LISTINGS: Mark(NOON, NOON - HOUR), Resource.RESERVATIONS: Mark(NOON, NOON - 20 * HOUR)}

    def whole(*resources: Resource, full: bool = False) -> set[Resource]:
        return set(plan.select_whole_lists(resources, marks, NOON, full=full, sweep_after=20 * HOUR))

    assert whole(*Resource) == {Resource.RESERVATIONS, Resource.CONVERSATIONS}
    assert whole(Resource.LISTINGS, Resource.MESSAGES) == set()
    assert whole(*Resource, full=True) == set(OBJECTS) - {Resource.MESSAGES}


@pytest.mark.parametrize(
    ("first", "mark"),
    [
        (page(), None),
        (page(None, None), None),
        (page(NOON - HOUR, None, NOON - 2 * HOUR), NOON - HOUR),
        (page(NOON - 2 * HOUR, NOON - HOUR), NOON - HOUR),
        (page(NOON + timedelta(minutes=10), NOON - HOUR), NOON),
        (page(NOON + HOUR, NOON - HOUR), NOON - HOUR),
    ],
)
def test_watermark_is_the_top_stamp_up_to_the_signpost(first: Page, mark: datetime | None) -> None:
    """A source whose clock is ahead, and rows without a stamp, do not move it too far."""
    assert plan.compute_watermark(first, NOON) == mark


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
def test_run_ends_where_the_next_resource_would_fail_too(error: errors.SourceError, *, ends: bool) -> None:
    """An unreachable or refusing source ends the run; one refused list does not."""
    assert plan.ends_the_run(error) is ends


def test_inbox_counts_as_forbidden_after_consecutive_refusals() -> None:
    """One thread that could be read proves that it is allowed."""
    assert plan.inbox_is_closed(plan.FORBIDDEN_THREADS, 0)
    assert not plan.inbox_is_closed(plan.FORBIDDEN_THREADS - 1, 0)
    assert not plan.inbox_is_closed(plan.FORBIDDEN_THREADS, 1)


@pytest.mark.parametrize(
    ("parts", "listed_whole", "said"),
    [
        (plan.Parts(read=3), False, plan.NOT_LISTED),
        (plan.Parts(), False, plan.NOT_LISTED),
        (plan.Parts(read=9, failed=2, first_failure="502"), False, "2 conversations could not be read: 502"),
        (plan.Parts(forbidden=3, doubtful=1), False, "the account may not read its inbox (403 on every conversation)"),
        (plan.Parts(read=9, failed=2, first_failure="502"), True, "2 conversations could not be read: 502"),
        (plan.Parts(forbidden=3, doubtful=1), True, "the account may not read its inbox (403 on every conversation)"),
        (plan.Parts(read=1, forbidden=3, doubtful=1), True, "3 conversations may not be read (403)"),
        (plan.Parts(read=5, doubtful=2), True, "2 conversations were not read whole"),
        (plan.Parts(read=5), True, None),
        (plan.Parts(), True, None),
    ],
)
def test_lists_that_were_not_whole_give_one_sentence(
    parts: plan.Parts, said: str | None, *, listed_whole: bool
) -> None:
    """It has the gravest reason."""
    sentence = plan.describe_parts_error(parts, listed_whole=listed_whole)
    assert sentence == said if said is None or sentence is None else sentence.startswith(said)


@pytest.mark.parametrize(
    ("swept", "mode"),
    [
        ({Resource.LISTINGS: HOUR, Resource.RESERVATIONS: HOUR}, Mode.INCREMENTAL),
        ({Resource.LISTINGS: HOUR, Resource.RESERVATIONS: 21 * HOUR}, Mode.FULL),
        ({Resource.LISTINGS: HOUR, Resource.RESERVATIONS: None}, Mode.FULL),
        ({Resource.LISTINGS: HOUR}, Mode.FULL),
        ({}, Mode.FULL),
    ],
)
def test_run_is_incremental_when_its_lists_were_swept(swept: dict[Resource, timedelta | None], mode: Mode) -> None:
    """Without a recent sweep everything is read. Messages have no list to sweep."""
    marks = {resource: Mark(NOON, None if age is None else NOON - age) for resource, age in swept.items()}
    asked = (Resource.LISTINGS, Resource.RESERVATIONS, Resource.MESSAGES)
    assert plan.decide_mode(asked, marks, NOON, sweep_after=20 * HOUR) is mode


def test_list_is_read_from_a_little_below_its_watermark() -> None:
    """Only in incremental runs, and only with a watermark."""
    assert plan.choose_since(Mark(NOON, NOON), is_whole=False) == NOON - timestamps.WATERMARK_LAG
    assert plan.choose_since(Mark(None, NOON), is_whole=False) is None
    assert plan.choose_since(None, is_whole=False) is None
    assert plan.choose_since(Mark(NOON, NOON), is_whole=True) is None


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
def test_run_that_was_not_whole_is_no_success(reports: list[ResourceReport], state: RunState) -> None:
    """Success needs all resources; failed means that no resource was read, not even in part."""
    assert plan.derive_run_state(reports) is state


def test_error_of_a_run_names_every_failed_resource() -> None:
    """One part a resource, in the order of the run; None when all is well."""
    assert plan.describe_run_error({Resource.LISTINGS: WHOLE}) is None
    reports: dict[str, ResourceReport] = {
        Resource.LISTINGS: FAILED,
        Resource.RESERVATIONS: WHOLE,
        Resource.CONVERSATIONS: PARTIAL,
    }
    assert plan.describe_run_error(reports) == "listings: away; conversations: one record was left out"


def test_values_that_could_not_be_stored_are_reported() -> None:
    """Quarantined, cleaned and misfitting records; a clean run reports nothing."""
    odd = ResourceReport(RunState.SUCCESS, ChangeCounts(seen=2, quarantined=2), QualityCounts(cleaned=3, misfits=4))
    assert plan.list_warnings({Resource.LISTINGS: WHOLE, Resource.MESSAGES: odd}) == [
        "messages: 2 records got no row; see quarantined_records",
        "messages: 3 records were cleaned; bytes in quarantined_records",
        "messages: 4 values do not fit their column, which is NULL",
    ]


@pytest.mark.parametrize("ahead", [timedelta(minutes=16), timedelta(hours=20), timedelta(days=2_000_000)])
def test_stamp_too_far_ahead_sets_no_watermark(ahead: timedelta) -> None:
    """The next one below does; one within the lag is the source's clock, and is cut to the signpost."""
    asked_at, below = NOON, NOON - timedelta(hours=1)
    assert plan.compute_watermark(page(timestamps.add_clamped(asked_at, ahead), below), NOON) == below
    assert plan.compute_watermark(page(timestamps.add_clamped(asked_at, ahead)), NOON) is None
    assert plan.compute_watermark(page(asked_at + timedelta(minutes=15), below), NOON) == NOON


@pytest.mark.parametrize("mark", [timestamps.EARLIEST, timestamps.EARLIEST + timedelta(minutes=1), timestamps.LATEST])
def test_list_can_be_read_from_an_extreme_watermark(mark: datetime) -> None:
    """No moment lies before a stamp of year 1."""
    found = plan.choose_since(Mark(mark, None), is_whole=False)
    assert found is not None
    assert timestamps.EARLIEST <= found <= mark


@pytest.mark.parametrize(
    ("swept", "suspected", "hurried", "is_due"),
    [
        (None, None, None, True),
        (20, None, None, True),
        (19, None, None, False),
        (1, 0, None, True),
        (1, 0, 1, False),
        (5, 0, 4, True),
        (20, 0, 1, True),
        (5, None, 4, False),
    ],
)
def test_suspicion_brings_one_sweep_forward(
    swept: float | None, suspected: float | None, hurried: float | None, *, is_due: bool
) -> None:
    """At once, but not again within a fifth of the usual time, however many there are."""
    moments = [None if hours is None else NOON - hours * HOUR for hours in (swept, suspected, hurried)]
    mark = Mark(None, *moments)
    assert plan.is_sweep_due(mark, NOON, sweep_after=20 * HOUR) is is_due
    assert (
        Resource.LISTINGS
        in plan.select_whole_lists(Resource, {Resource.LISTINGS: mark}, NOON, full=False, sweep_after=20 * HOUR)
    ) is is_due


def test_rows_whose_stamp_went_back_are_reported() -> None:
    """The run was whole, but these rows differ from the source's."""
    [said] = plan.list_warnings({}, {Resource.RESERVATIONS: 3})
    assert said.startswith("reservations: 3 rows stay as they were")
