"""What a run hands its results to: pages, marks of due threads, missing rows.

A run that writes uses all three; a dry run only counts pages; a verification reads threads through the first two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from hostaway_sync.model.records import ChangeCounts, Page, QualityCounts, Resource, ResourceReport
    from hostaway_sync.store.records.missing import UnlistedRow
    from hostaway_sync.sync.calendar.recorder import CalendarRecorder
    from hostaway_sync.sync.kinds.recorder import KindRecorder


class PageSink(Protocol):
    """Takes pages, from several threads at once."""

    def record(self, page: Page) -> None:
        """Take one page that belongs to no walk of a list; it is durable when this returns."""
        ...


class PartRecorder(PageSink, Protocol):
    """Knows which small lists (threads, conversations of a reservation) must be read, and takes their pages."""

    def count(self, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
        """Count the distinct records of the run so far, and the oddities among them."""
        ...

    def find_due(self, resource: Resource, *, listed: bool) -> dict[str, list[int]]:
        """Return the parents of the lists that are due, by the reason why.

        Parents are conversations for messages, and reservations for conversations.

        Args:
            resource: what the lists hold.
            listed: whether this run has read the list of all conversations.
        """
        ...


class PageRecorder(PartRecorder, Protocol):
    """Takes the pages of whole lists as well, and counts each record once."""

    def begin_walk(self, resource: Resource, *, is_whole: bool) -> str | None:
        """Begin to walk a list, whole or for what is new; return the position at which a whole walk of it was cut."""
        ...

    def restart_walk(self, resource: Resource) -> None:
        """Begin the walk of a whole list anew: records met before no longer count."""
        ...

    def record_walked(self, page: Page) -> None:
        """Take one page of a walk that was begun; page and position of the walk are durable when this returns."""
        ...

    def count_met(self, resource: Resource) -> int:
        """Count the distinct records that the walk of a list has met, in this run and in those that were cut."""
        ...

    def close_resource(self, resource: Resource, report: ResourceReport, *, is_cut: bool) -> None:
        """Store how a resource ended; the walk of one that `is_cut` may be resumed by the next run."""
        ...


class ThreadMarks(Protocol):
    """Keeps the marks of lists that are due, and suspicions that their parents are gone."""

    def mark_read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Remove the mark of a list that was read whole, beginning at `began_at`; `met` are the ids in it."""
        ...

    def note_not_found(self, resource: Resource, record_id: int) -> None:
        """Store that the source answered 404 for an object: a suspicion, which a sweep judges."""
        ...


class MissingRows(Protocol):
    """Knows the rows that a whole walk left out, and marks those that are gone."""

    def find_unlisted(self, resource: Resource) -> list[UnlistedRow]:
        """Return the live rows that a whole walk left out."""
        ...

    def count_live(self, resource: Resource) -> int:
        """Count the rows that are not missing."""
        ...

    def count_marked_lately(self, resource: Resource) -> int:
        """Count the rows that were marked missing lately, by a run or otherwise."""
        ...

    def accept_loss(self, resource: Resource) -> None:
        """Store that a person accepts that so many rows are gone at once."""
        ...

    def is_unlisted_for_long(self, row: UnlistedRow) -> bool:
        """Whether whole walks far enough apart left a row out."""
        ...

    def mark_missing(self, resource: Resource, row_id: int) -> None:
        """Mark a row as missing since now."""
        ...

    def mark_decided(self, rows: Sequence[UnlistedRow]) -> None:
        """Store that all of these unlisted rows are known to be there or to be gone."""
        ...


@dataclass(frozen=True, slots=True)
class Recorders:
    """Where the results of one run go.

    Attributes:
        pages: takes pages.
        calendar: takes days of calendars.
        kinds: takes objects of the other kinds.
        thread_marks: keeps the marks of due threads; None in a dry run, which moves none.
        missing_rows: marks rows that are gone; None in a dry run, which asks for none.
    """

    pages: PageRecorder
    calendar: CalendarRecorder
    kinds: KindRecorder
    thread_marks: ThreadMarks | None = None
    missing_rows: MissingRows | None = None
