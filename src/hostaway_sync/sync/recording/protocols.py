"""To whom a run hands its pages, as a Protocol: one writes them, one only counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from hostaway_sync.model.records import ChangeCounts, Page, QualityCounts, Resource, ResourceReport
    from hostaway_sync.store.records.missing import UnlistedRow


class Recorder(Protocol):
    """Takes pages, from several threads at once, counts each record once, and knows which threads are due."""

    def begin(self, resource: Resource, *, is_whole: bool) -> str | None:
        """Begin to walk a list, whole or for what is new; give the position where a whole walk of it was cut."""
        ...

    def begin_again(self, resource: Resource) -> None:
        """Begin the walk of a whole list anew: what was met before counts no more."""
        ...

    def walked(self, page: Page) -> None:
        """Take one page of a walk that was begun; when this returns, it is safe, and so is where the walk stands."""
        ...

    def record(self, page: Page) -> None:
        """Take one page that belongs to no such walk; when this returns, it is safe."""
        ...

    def counts(self, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
        """Give the distinct records so far, and the oddities met."""
        ...

    def met(self, resource: Resource) -> int:
        """Count the distinct records that the walk of a list has met, in this run and in those that were cut."""
        ...

    def due(self, resource: Resource, *, listed: bool) -> dict[str, list[int]]:
        """Give what is to be read part by part, and why: conversations for messages, reservations for conversations.

        `listed` says that this run has read the list of all conversations.
        """
        ...

    def read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Take away the mark of a part that was read whole, beginning at `began_at`; `met` are the ids in it."""
        ...

    def unlisted(self, resource: Resource) -> list[UnlistedRow]:
        """Give the live rows that a whole walk left out."""
        ...

    def live(self, resource: Resource) -> int:
        """Count the rows that are not missing."""
        ...

    def marked_lately(self, resource: Resource) -> int:
        """Count the rows that were marked missing lately, whatever found them."""
        ...

    def accept(self, resource: Resource) -> None:
        """Take down that a person accepts that so many rows are gone at once."""
        ...

    def not_found(self, resource: Resource, record_id: int) -> None:
        """Take down that the source said of an object that there is none: a suspicion, which a sweep judges."""
        ...

    def is_unlisted_for_long(self, row: UnlistedRow) -> bool:
        """Say whether whole walks far enough apart left a row out."""
        ...

    def mark_missing(self, resource: Resource, row_id: int) -> None:
        """Take down that a row is gone."""
        ...

    def proven(self, rows: Sequence[UnlistedRow]) -> None:
        """Take down that all of these unlisted rows are known to be there or gone."""
        ...

    def close(self, resource: Resource, report: ResourceReport, *, is_cut: bool) -> None:
        """Write down how a resource ended; when it was cut, its walk may be taken up."""
        ...
