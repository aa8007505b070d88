"""Mirror lists that belong to something: the messages of a conversation, the conversations of a reservation.

There are many of them and most are short, so that several are read at once, each by a thread of its own.
"""

from __future__ import annotations

from collections import Counter, deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol, TypeAlias

from hostaway_sync.errors import Forbidden, NotFound, RequestRejected, SourceAway, SourceUnavailable
from hostaway_sync.model.records import Resource, ResourceReport, RunState
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.sync import plan
from hostaway_sync.sync.lists import reading_threads
from hostaway_sync.sync.reporting import reasons

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from hostaway_sync.errors import SourceError
    from hostaway_sync.model.records import ChangeCounts, Page, Progress, QualityCounts, Source


PARENTS = {Resource.MESSAGES: Resource.CONVERSATIONS, Resource.CONVERSATIONS: Resource.RESERVATIONS}
"""What the lists belong to, by what is in them."""


class PartsOutcome(Enum):
    """How reading one list that belongs to something ended."""

    READ = auto()
    DOUBTFUL = auto()
    FORBIDDEN = auto()
    GONE = auto()
    FAILED = auto()


_Read: TypeAlias = "tuple[PartsOutcome, SourceError | None]"


class PartTaker(Protocol):
    """Takes what belongs to something, page by page."""

    def record(self, page: Page) -> None:
        """Take one page; when this returns, it is safe."""
        ...

    def read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Take away the mark of a part that was read whole, beginning at `began_at`; `met` are the ids in it."""
        ...

    def not_found(self, resource: Resource, record_id: int) -> None:
        """Take down that the source said of an object that there is none: a suspicion, which a sweep judges."""
        ...


class PartsTaker(PartTaker, Protocol):
    """Knows what is to be read part by part, takes it, and counts it."""

    def due(self, resource: Resource, *, listed: bool) -> dict[str, list[int]]:
        """Give the parents of what is to be read, by the reason why; see `Recorder.due`."""
        ...

    def counts(self, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
        """Give the distinct records so far, and the oddities met."""
        ...


def mirror_parts(
    account_id: int,
    resource: Resource,
    source: Source,
    recorder: PartsTaker,
    progress: Progress,
    in_flight: int,
    *,
    listed: ResourceReport | None,
) -> ResourceReport:
    """Read every list of `resource` that is due.

    Args:
        account_id: whose lists.
        resource: messages, by conversation; or conversations, by reservation.
        source: where from.
        recorder: where to, and what is due.
        progress: told how many lists were read.
        in_flight: how many are read at once.
        listed: how the list of all conversations ended in this run; None when it was not read.

    Raises:
        SourceError: a page could not be had.
        LeaseLost: another run took over.
    """
    due = recorder.due(resource, listed=listed is not None)
    total = sum(map(len, due.values()))
    counted: Counter[PartsOutcome] = Counter()
    first_failure: SourceError | None = None
    in_a_row = 0
    for done, (outcome, failure) in enumerate(_read_all(due, resource, source, recorder, in_flight), start=1):
        counted[outcome] += 1
        first_failure = first_failure or failure
        in_a_row = in_a_row + 1 if failure else 0
        progress.advance(account_id, resource, done, total)
        if failure and (in_a_row == plan.FAILED_THREADS or isinstance(failure, SourceAway)):
            raise failure
        if plan.inbox_is_closed(counted[PartsOutcome.FORBIDDEN], done - counted[PartsOutcome.FORBIDDEN]):
            break
    parts = plan.Parts(
        read=counted[PartsOutcome.READ],
        forbidden=counted[PartsOutcome.FORBIDDEN],
        failed=counted[PartsOutcome.FAILED],
        doubtful=counted[PartsOutcome.DOUBTFUL],
        first_failure=str(first_failure) if first_failure else None,
    )
    error = plan.describe_parts_error(parts, listed_whole=listed is None or listed.state is RunState.SUCCESS)
    counts, oddities = recorder.counts(resource)
    if error is None:
        return ResourceReport(RunState.SUCCESS, counts, oddities)
    state = RunState.PARTIAL if parts.read else RunState.FAILED
    follows = Resource.CONVERSATIONS if error == plan.NOT_LISTED else None
    can_recover = bool(parts.failed or parts.doubtful)
    return ResourceReport(state, counts, oddities, error, can_recover=can_recover, caused_by=follows)


def _read_all(
    due: Mapping[str, Sequence[int]], resource: Resource, source: Source, recorder: PartTaker, in_flight: int
) -> Iterator[_Read]:
    """Give the outcome of each list, reading `in_flight` at once and never queueing the whole account."""
    with reading_threads(in_flight) as pool:
        waiting: deque[Future[_Read]] = deque()
        for why, parent in ((why, parent) for why, parents in due.items() for parent in parents):
            waiting.append(pool.submit(in_current_context(mirror_part), parent, resource, source, recorder, why=why))
            if len(waiting) > 2 * in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def mirror_part(parent: int, resource: Resource, source: Source, recorder: PartTaker, *, why: str = "") -> _Read:
    """Read one list that belongs to `parent` whole, again where there is doubt, and say how that ended.

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
            return PartsOutcome.FORBIDDEN, None
        except NotFound:
            # Its parent was deleted since it was marked, or the source is mistaken.
            recorder.not_found(PARENTS[resource], parent)
            return PartsOutcome.GONE, None
        except (SourceUnavailable, RequestRejected) as error:
            # One broken conversation must not keep the others from theirs; it stays due.
            return PartsOutcome.FAILED, error
        if first is not None and last is not None and last.doubt is None:
            recorder.read(resource, parent, first.observed_at, met)
            return PartsOutcome.READ, None
        why = reasons.explain_again(why, last.doubt) if last is not None and last.doubt is not None else why
    return PartsOutcome.DOUBTFUL, None
