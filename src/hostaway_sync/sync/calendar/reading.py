"""Read the days of one listing: in one request, and again in parts where some did not come."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from hostaway_sync.model.calendar.days import CalendarAnswer, CheckedDays, Days, check_answer
from hostaway_sync.sync.calendar import plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hostaway_sync.model.records import Source
    from hostaway_sync.sync.calendar.plan import CalendarTask

# Enough to halve two years down to the smallest request on one side, and to fetch some single days.
MAX_REQUESTS: Final = 24


class AnswerSink(Protocol):
    """Takes the days of one answer."""

    def record_days(self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays) -> bool:
        """Take the days of one answer; return False if an answer that was asked for later is known already."""
        ...

    def record_only_answer(
        self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays, missing: Sequence[Days]
    ) -> int | None:
        """Take an answer that ends its task: `record_days` and `close_task` in one; None: a later answer is known."""
        ...

    def close_task(self, task: CalendarTask, missing: Sequence[Days], asked_at: datetime) -> int:
        """Store that a listing was read; return how many of its days did not come that the source should have."""
        ...


def read_days(task: CalendarTask, source: Source, sink: AnswerSink) -> int:
    """Read the days of a listing, hand over each answer, and close the task.

    Returns:
        How many days did not come that the source should have.

    Raises:
        SourceError: a request failed; what was handed over before stays.
    """
    waiting = deque([task.days])
    missing: list[Days] = []
    first: CalendarAnswer | None = None
    for _ in range(MAX_REQUESTS):
        if not waiting:
            break
        asked = waiting.popleft()
        why = task.why if first is None else f"{task.why}; again: days did not come"
        answer = source.read_calendar(task.reading.listing_id, asked.first, asked.last, why=why)
        checked = check_answer(answer)
        parts = list(_list_parts(task, asked, checked.missing))
        if first is None and all(part.is_final for part in parts):
            lacking = sink.record_only_answer(task, answer, checked, _join(sorted(part.days for part in parts)))
            if lacking is not None:
                return lacking
            is_taken = False
        else:
            is_taken = sink.record_days(task, answer, checked)
        first = first or answer
        if not is_taken:
            waiting.append(asked)
            continue
        missing += [part.days for part in parts if part.is_final]
        waiting += [part.days for part in parts if not part.is_final]
    if first is None:
        raise ValueError("no days were to be read")
    return sink.close_task(task, _join(sorted([*missing, *waiting])), first.observed_at)


class _Part:
    """A stretch of days that did not come; `is_final`: it is not asked for again."""

    def __init__(self, days: Days, *, is_final: bool) -> None:
        self.days = days
        self.is_final = is_final


def _list_parts(task: CalendarTask, asked: Days, gaps: tuple[Days, ...]) -> Iterator[_Part]:
    """Yield what to ask for next: a gap that is shorter than the request was, else its halves."""
    for gap in filter(None, (plan.leave_out_yesterday(task, gap) for gap in gaps)):
        halves = gap.split()
        if plan.is_known_end(task, gap):
            yield _Part(gap, is_final=True)
        elif gap != asked:
            yield _Part(gap, is_final=False)
        elif halves is None:
            yield _Part(gap, is_final=True)
        else:
            yield from (_Part(half, is_final=False) for half in halves)


def _join(gaps: list[Days]) -> list[Days]:
    """Return ascending gaps without those that touch each other."""
    joined: list[Days] = []
    for gap in gaps:
        if joined and (gap.first - joined[-1].last).days <= 1:
            joined[-1] = Days(joined[-1].first, gap.last)
        else:
            joined.append(gap)
    return joined
