"""Mirror the messages: every conversation is a list of its own, several are read at once."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound
from hostaway_sync.records import Resource, ResourceReport, RunState
from hostaway_sync.sync import plan
from hostaway_sync.sync.walk import workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from hostaway_sync.records import Page, Progress, Source
    from hostaway_sync.sync.recorder import Recorder


class _Outcome(Enum):
    READ = auto()
    DOUBTFUL = auto()
    FORBIDDEN = auto()
    GONE = auto()


def mirror_threads(
    account_id: int,
    source: Source,
    recorder: Recorder,
    progress: Progress,
    in_flight: int,
    *,
    listed: ResourceReport | None,
) -> ResourceReport:
    """Read the thread of every conversation.

    Args:
        account_id: whose threads.
        source: where from.
        recorder: where to.
        progress: told how many threads were read.
        in_flight: how many are read at once.
        listed: how the list of conversations ended in this run; None when it was not asked for.

    Raises:
        SourceError: a page could not be had.
        LeaseLost: another run took over.
    """
    outcomes = dict.fromkeys(_Outcome, 0)
    # A conversation that is stored but was not listed is gone, and what its thread answers then is not known.
    threads = recorder.conversation_ids(listed=listed is not None)
    for done, outcome in enumerate(_read_all(threads, source, recorder, in_flight), start=1):
        outcomes[outcome] += 1
        progress.advance(account_id, Resource.MESSAGES, done, len(threads))
        if plan.inbox_is_closed(outcomes[_Outcome.FORBIDDEN], done - outcomes[_Outcome.FORBIDDEN]):
            break
    counts, oddities = recorder.counts(Resource.MESSAGES)
    incomplete = listed is not None and listed.state is not RunState.SUCCESS
    error = plan.threads_error(
        forbidden=outcomes[_Outcome.FORBIDDEN],
        read=outcomes[_Outcome.READ],
        doubts=outcomes[_Outcome.DOUBTFUL],
        unreadable="the list of conversations was not read whole" if incomplete else None,
    )
    if error is None:
        return ResourceReport(RunState.SUCCESS, counts, oddities)
    return ResourceReport(RunState.PARTIAL if outcomes[_Outcome.READ] else RunState.FAILED, counts, oddities, error)


def _read_all(threads: Sequence[int], source: Source, recorder: Recorder, in_flight: int) -> Iterator[_Outcome]:
    """Give the outcome of each thread, reading `in_flight` at once and never queueing the whole account."""
    with workers(in_flight) as pool:
        waiting: deque[Future[_Outcome]] = deque()
        for conversation_id in threads:
            waiting.append(pool.submit(_mirror_thread, source, recorder, conversation_id))
            if len(waiting) > 2 * in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _mirror_thread(source: Source, recorder: Recorder, conversation_id: int) -> _Outcome:
    for _ in range(plan.MAX_WALKS):
        last: Page | None = None
        try:
            for page in source.walk(Resource.MESSAGES, parent=conversation_id):
                recorder.record(page)
                last = page
        except Forbidden:
            return _Outcome.FORBIDDEN
        except NotFound:
            # Deleted since it was listed: nothing of it is left to read.
            return _Outcome.GONE
        if last is not None and last.doubt is None:
            return _Outcome.READ
    return _Outcome.DOUBTFUL
