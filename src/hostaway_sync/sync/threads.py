"""Mirror small lists that belong to an object: the messages of a conversation, the conversations of a reservation.

There are many of them and most are short, so several are read at once, each in a thread of its own.
"""

from __future__ import annotations

from collections import Counter, deque
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from hostaway_sync.errors import Forbidden, NotFound, RequestRejected, SourceAway, SourceUnavailable
from hostaway_sync.model.records import Resource, ResourceReport, RunState
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.sync import plan
from hostaway_sync.sync.lists import open_reading_threads
from hostaway_sync.sync.reporting import reasons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from hostaway_sync.errors import SourceError
    from hostaway_sync.model.records import Page, Source
    from hostaway_sync.sync.recording.protocols import PageSink, PartRecorder, ThreadMarks
    from hostaway_sync.sync.run_context import RunContext


PARENTS = {Resource.MESSAGES: Resource.CONVERSATIONS, Resource.CONVERSATIONS: Resource.RESERVATIONS}
"""The resource that each small list belongs to, by what the list holds."""


class PartOutcome(Enum):
    """How the reading of one small list ended."""

    READ = auto()
    DOUBTFUL = auto()
    FORBIDDEN = auto()
    GONE = auto()
    FAILED = auto()


_Ended: TypeAlias = "tuple[PartOutcome, SourceError | None]"


def mirror_parts(
    context: RunContext[PartRecorder], marks: ThreadMarks | None, *, in_flight: int, listed: ResourceReport | None
) -> ResourceReport:
    """Read every small list of a resource that is due.

    Args:
        context: messages, by conversation; or conversations, by reservation.
        marks: keeps which lists are due; None: a dry run, which moves no mark.
        in_flight: how many lists are read at once.
        listed: how the list of all conversations ended in this run; None when it was not read.

    Raises:
        SourceError: a page could not be read.
        LeaseLost: another run took over.
    """
    due = context.recorder.find_due(context.resource, listed=listed is not None)
    total = sum(map(len, due.values()))
    counted: Counter[PartOutcome] = Counter()
    first_failure: SourceError | None = None
    in_a_row = 0
    for done, (outcome, failure) in enumerate(_read_all(due, context, marks, in_flight), start=1):
        counted[outcome] += 1
        first_failure = first_failure or failure
        in_a_row = in_a_row + 1 if failure else 0
        context.report_progress(done, total)
        if failure and (in_a_row == plan.FAILED_THREADS or isinstance(failure, SourceAway)):
            raise failure
        if plan.inbox_is_closed(counted[PartOutcome.FORBIDDEN], done - counted[PartOutcome.FORBIDDEN]):
            break
    parts = plan.Parts(
        read=counted[PartOutcome.READ],
        forbidden=counted[PartOutcome.FORBIDDEN],
        failed=counted[PartOutcome.FAILED],
        doubtful=counted[PartOutcome.DOUBTFUL],
        first_failure=str(first_failure) if first_failure else None,
    )
    error = plan.describe_parts_error(parts, listed_whole=listed is None or listed.state is RunState.SUCCESS)
    counts, oddities = context.recorder.count(context.resource)
    if error is None:
        return ResourceReport(RunState.SUCCESS, counts, oddities)
    state = RunState.PARTIAL if parts.read else RunState.FAILED
    follows = Resource.CONVERSATIONS if error == plan.NOT_LISTED else None
    can_recover = bool(parts.failed or parts.doubtful)
    return ResourceReport(state, counts, oddities, error, can_recover=can_recover, caused_by=follows)


def _read_all(
    due: Mapping[str, Sequence[int]], context: RunContext[PartRecorder], marks: ThreadMarks | None, in_flight: int
) -> Iterator[_Ended]:
    """Yield how each list ended, reading `in_flight` at once and never queueing the whole account."""
    with open_reading_threads(in_flight) as pool:
        waiting: deque[Future[_Ended]] = deque()
        for why, parent in ((why, parent) for why, parents in due.items() for parent in parents):
            reading = partial(mirror_part, parent, context.resource, context.source, context.recorder, marks, why=why)
            waiting.append(pool.submit(in_current_context(reading)))
            if len(waiting) > 2 * in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def mirror_part(
    parent: int, resource: Resource, source: Source, recorder: PageSink, marks: ThreadMarks | None, *, why: str = ""
) -> _Ended:
    """Read the small list of `resource` that belongs to `parent` whole, again where there is doubt.

    Returns:
        How that ended, and the error of a list that failed by itself.

    Raises:
        SourceError: it is not this list that is broken.
    """
    for _ in range(plan.MAX_WALKS):
        first: Page | None = None
        last: Page | None = None
        met: set[int] = set()
        try:
            for page in source.walk(resource, parent=parent, why=why):
                recorder.record(page)
                met.update(record.id for record in page.records if record.id is not None)
                first, last = first or page, page
        except Forbidden:
            return PartOutcome.FORBIDDEN, None
        except NotFound:
            # The parent was deleted since it was marked, or the source is mistaken.
            if marks is not None:
                marks.note_not_found(PARENTS[resource], parent)
            return PartOutcome.GONE, None
        except (SourceUnavailable, RequestRejected) as error:
            # One broken conversation must not stop the others; it stays due.
            return PartOutcome.FAILED, error
        if first is not None and last is not None and last.doubt is None:
            if marks is not None:
                marks.mark_read(resource, parent, first.observed_at, met)
            return PartOutcome.READ, None
        why = reasons.explain_again(why, last.doubt) if last is not None and last.doubt is not None else why
    return PartOutcome.DOUBTFUL, None
