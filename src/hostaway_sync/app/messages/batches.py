"""Many messages at once: each is queued for a worker, or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.messages.composer import Composer
from hostaway_sync.errors import AccountError, MessageRefused, SourceError, UsageError
from hostaway_sync.messages.decision import Step
from hostaway_sync.messages.quiet_hours import parse_hours

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hostaway_sync.app.container import Container
    from hostaway_sync.app.messages.composer import PreparedMessage
    from hostaway_sync.messages.batch_file import BatchLine
    from hostaway_sync.model.messages import Intent

_QUEUES: Final = {Step.SEND, Step.TAKE_UP}


class BatchLineState(StrEnum):
    """What became of a line of a batch."""

    QUEUED = "queued"
    """A worker sends it."""
    KNOWN = "known"
    """Its key is in the ledger already, with this text: nothing new is sent."""
    REFUSED = "refused"
    """Nothing was stored."""


@dataclass(frozen=True, slots=True)
class BatchLineResult:
    """The result of one line.

    Attributes:
        line: which line.
        state: what became of it.
        intent: its row in the ledger, or the row because of which it was refused; None: there is none.
        why: why it was refused; None: it was not.
        until: when its quiet hours end; None: it does not wait for them.
    """

    line: BatchLine
    state: BatchLineState
    intent: Intent | None = None
    why: str | None = None
    until: datetime | None = None


class MessageBatches:
    """Batches of messages of one mirror.

    Args:
        container: opens clients, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container

    def queue(
        self,
        lines: Sequence[BatchLine],
        *,
        again: bool = False,
        quiet_hours: str | None = None,
        at_once: bool = False,
        yes: bool = False,
        dry_run: bool = False,
    ) -> Iterator[BatchLineResult]:
        """Queue each line for a worker, in a transaction of its own, and yield its result.

        Args:
            lines: the messages; each key makes one message, however often this is called.
            again: allow the same text twice within ten minutes.
            quiet_hours: hours in which they wait, as `22-8`; None: those of the settings.
            at_once: ignore quiet hours.
            yes: queue them even where stays are over or off.
            dry_run: store nothing.

        Raises:
            UsageError: the quiet hours cannot be read.
            StoreError: the database is away; what was queued stays, and is `known` the next time.
        """
        if quiet_hours is not None:
            parse_hours(quiet_hours)
        with Composer(self._container) as composer:
            for line in lines:
                request = replace(line.request, again=again, quiet_hours=quiet_hours, at_once=at_once)
                try:
                    yield _queue_line(line, composer.prepare(request), yes=yes, dry_run=dry_run)
                except (AccountError, MessageRefused, SourceError, UsageError) as error:
                    yield BatchLineResult(line, BatchLineState.REFUSED, why=str(error))


def _queue_line(line: BatchLine, draft: PreparedMessage, *, yes: bool, dry_run: bool) -> BatchLineResult:
    request = line.request
    outlook = draft.queue(dry_run=True) if draft.concerns and not yes else None
    if outlook is not None and outlook.step in _QUEUES:
        return BatchLineResult(line, BatchLineState.REFUSED, why=f"{'; '.join(draft.concerns)}: use --yes")
    queued = draft.queue(dry_run=dry_run)
    intent = queued.intent
    if queued.step in _QUEUES:
        return BatchLineResult(line, BatchLineState.QUEUED, intent, until=draft.until)
    if queued.step is Step.OTHER_TEXT:
        return BatchLineResult(
            line,
            BatchLineState.REFUSED,
            intent,
            f"key {request.key!r} belongs to another message: choose another key",
        )
    if intent is not None and intent.message.key != request.key:
        why = f"the guest gets the same text by message {intent.intent_id}, {intent.state.value}"
        return BatchLineResult(line, BatchLineState.REFUSED, intent, f"{why}: --again sends it once more")
    return BatchLineResult(line, BatchLineState.KNOWN, intent)
