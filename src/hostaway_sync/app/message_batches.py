"""The door to many messages at once: each is written down for a worker, or is said why not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.compose import Composer
from hostaway_sync.errors import AccountError, MessageRefused, SourceError, UsageError
from hostaway_sync.messages.decision import Step
from hostaway_sync.messages.quiet_hours import parse_hours

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hostaway_sync.app.compose import PreparedMessage
    from hostaway_sync.app.container import Container
    from hostaway_sync.messages.batch_file import BatchLine
    from hostaway_sync.model.messages import Intent

_QUEUES: Final = {Step.SEND, Step.TAKE_UP}


class PlacedMessage(StrEnum):
    """What became of a line."""

    QUEUED = "queued"
    """A worker sends it."""
    KNOWN = "known"
    """Its key was there already, with this text: nothing new is sent."""
    REFUSED = "refused"
    """Nothing was written down."""


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of one line.

    Attributes:
        line: which.
        placed: that.
        intent: its row in the ledger; of a line that was refused, the row in its way; None where there is none.
        why: it was refused.
        until: it is to wait until then.
    """

    line: BatchLine
    placed: PlacedMessage
    intent: Intent | None = None
    why: str | None = None
    until: datetime | None = None


class MessageBatches:
    """Many messages, of one mirror.

    Args:
        container: opens sources; names the database.
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
    ) -> Iterator[BatchOutcome]:
        """Write each line down for a worker, in a transaction of its own, and give what became of it.

        Args:
            lines: what is to be said; each key makes one message, however often this is called.
            again: the same words may be said twice within ten minutes.
            quiet_hours: in which they wait, as `22-8`; None: those of the settings.
            at_once: in no quiet hours.
            yes: though stays are over or off.
            dry_run: write nothing.

        Raises:
            UsageError: the hours are none.
            StoreError: the database is away; what was written down stays, and is known the next time.
        """
        if quiet_hours is not None:
            parse_hours(quiet_hours)
        with Composer(self._container) as composer:
            for line in lines:
                request = replace(line.request, again=again, quiet_hours=quiet_hours, at_once=at_once)
                try:
                    yield _placed(line, composer.prepare(request), yes=yes, dry_run=dry_run)
                except (AccountError, MessageRefused, SourceError, UsageError) as error:
                    yield BatchOutcome(line, PlacedMessage.REFUSED, why=str(error))


def _placed(line: BatchLine, draft: PreparedMessage, *, yes: bool, dry_run: bool) -> BatchOutcome:
    request = line.request
    outlook = draft.queue(dry_run=True) if draft.concerns and not yes else None
    if outlook is not None and outlook.step in _QUEUES:
        return BatchOutcome(line, PlacedMessage.REFUSED, why=f"{'; '.join(draft.concerns)}: say --yes")
    queued = draft.queue(dry_run=dry_run)
    intent = queued.intent
    if queued.step in _QUEUES:
        return BatchOutcome(line, PlacedMessage.QUEUED, intent, until=draft.until)
    if queued.step is Step.OTHER_TEXT:
        return BatchOutcome(
            line,
            PlacedMessage.REFUSED,
            intent,
            f"key {request.key!r} stands for another message: choose another key",
        )
    if intent is not None and intent.message.key != request.key:
        told = (
            f"reservation {request.reservation_id} is told the same by message {intent.intent_id}, {intent.state.value}"
        )
        return BatchOutcome(line, PlacedMessage.REFUSED, intent, f"{told}: --again sends it once more")
    return BatchOutcome(line, PlacedMessage.KNOWN, intent)
