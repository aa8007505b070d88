"""Read one object again, and the objects that belong to it; without a lease, so that it may happen beside a run.

    listing          the row
    reservation      the row, its listing if not known, its conversations if none is known, its due threads
    conversation     the row, its reservation (and that one's listing) if not known, its thread

Where two readings meet, each row decides which one is right: by the source's stamps, by `observed_at`, and by due marks
that carry the moment of the request which showed the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound, SourceUnavailable
from hostaway_sync.model.records import Page, Resource
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.records import due_threads, single_reads, suspicions, upsert
from hostaway_sync.sync.recording.thread_marks import remove_due_mark
from hostaway_sync.sync.reporting.run_log import note_changes, write_span
from hostaway_sync.sync.threads import PartOutcome, mirror_part

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.model.records import Change, Owner, Record, Source
    from hostaway_sync.store.postgres.database import Database


class RefreshFinding(StrEnum):
    """The source's answer about an object."""

    THERE = "there"
    GONE = "gone"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What one reading found.

    Attributes:
        finding: the source's answer; a row of an object that is gone is suspected, a forbidden one is left alone.
        change: what became of the row; None when there was nothing to store.
        threads: how many threads were read whole.
    """

    finding: RefreshFinding
    change: Change | None = None
    threads: int = 0


def refresh_object(
    database: Database,
    owner: Owner,
    source: Source,
    resource: Resource,
    record_id: int,
    *,
    cause: Cause | None = None,
) -> RefreshResult:
    """Read a listing, a reservation with its due threads, or a conversation with its thread, and store it.

    What was stored before an error stays, and so do the marks of the threads that were not read.

    Args:
        database: with the tables.
        owner: whose object.
        source: where it is read from.
        resource: listings, reservations or conversations.
        record_id: the source's id.
        cause: what the history names as the cause of changes; None: nothing.

    Raises:
        ValueError: `resource` is messages, which are read as the thread of their conversation.
        AccountError: the account was disabled meanwhile.
        SourceError: something could not be read, after the retries it deserves.
        StoreError: the database is away.
    """
    if resource is Resource.MESSAGES:
        raise ValueError("messages are read with their conversation")
    return _Refresh(database, owner, source, cause).read_object(resource, record_id)


def refresh_objects(
    database: Database,
    owner: Owner,
    source: Source,
    resource: Resource,
    record_ids: Sequence[int],
    *,
    cause: Cause | None = None,
) -> Iterator[tuple[int, int]]:
    """Read objects of one resource again, in their order.

    Reservations are stored together, before the objects that belong to them are read: that takes a third of the time.

    Args:
        database: with the tables.
        owner: whose objects.
        source: where they are read from.
        resource: listings, reservations or conversations.
        record_ids: the source's ids.
        cause: what the history names as the cause of changes; None: nothing.

    Yields:
        The id of each object that is done, and how many of its threads were read whole.

    Raises:
        As `refresh_object`; what was read before the error is stored.
    """
    if resource is Resource.RESERVATIONS:
        yield from _Refresh(database, owner, source, cause).read_reservations(record_ids)
        return
    for record_id in record_ids:
        yield record_id, refresh_object(database, owner, source, resource, record_id, cause=cause).threads


class _SingleThreadMarks:
    """Marks of due threads, written without a lease; implements `ThreadMarks`."""

    def __init__(self, database: Database, account_id: int) -> None:
        self._database = database
        self._account_id = account_id

    def mark_read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Remove the mark of a list that was read whole.

        A thread that has lost a message stays due: a run, which sees how many are gone at once, requests each.
        """

        def write(connection: Connection) -> None:
            remove_due_mark(connection, self._account_id, resource, parent, began_at=began_at, met=met)

        self._database.transaction(write, is_one_statement=resource is Resource.CONVERSATIONS)

    def note_not_found(self, resource: Resource, record_id: int) -> None:
        """Store a suspicion: one request proves nothing, so that no row is marked."""
        suspicions.raise_suspicion(self._database, self._account_id, resource, record_id)


class _Refresh:
    """One reading of one or more objects; takes the pages of the threads it reads."""

    def __init__(self, database: Database, owner: Owner, source: Source, cause: Cause | None) -> None:
        self._database = database
        self._cause = cause
        self._account_id = owner.account_id
        self._source = source
        self._marks = _SingleThreadMarks(database, owner.account_id)
        self._requested_listings: set[int] = set()
        self._records_stored = 0

    def read_object(self, resource: Resource, record_id: int) -> RefreshResult:
        """Read an object, and the objects that belong to it."""
        try:
            page = self._source.get(resource, record_id)
        except Forbidden:
            return RefreshResult(RefreshFinding.FORBIDDEN)
        except NotFound:
            self._marks.note_not_found(resource, record_id)
            return RefreshResult(RefreshFinding.GONE)
        change = self._store(page)
        return RefreshResult(RefreshFinding.THERE, change, self._read_related(resource, page.records[0], record_id))

    def read_reservations(self, reservation_ids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Read reservations, store them together, and go on with the objects that belong to each."""
        pages, failure = self._request_reservations(reservation_ids)
        there = {number: page for number, page in pages.items() if page is not None}
        if there:
            self._store(_merge_pages(list(there.values())))
        listing_ids = {number: _read_id(page.records[0].columns["listing_id"]) for number, page in there.items()}
        hanging = due_threads.find_dependents(self._database, self._account_id, listing_ids)
        for number in pages:
            if number in hanging:
                yield number, self._read_due_threads(number, listing_ids[number], hanging[number])
            else:
                yield number, self.read_object(Resource.RESERVATIONS, number).threads
        if failure is not None:
            raise failure

    def record(self, page: Page) -> None:
        """Store a page of a thread, if it holds anything."""
        if page.records:
            self._store(page)
            self._records_stored += len(page.records)

    def _request_reservations(self, reservation_ids: Sequence[int]) -> tuple[dict[int, Page | None], Exception | None]:
        """Return reservations up to the first that cannot be read, and its error; None for a gone or forbidden one."""
        pages: dict[int, Page | None] = {}
        for number in reservation_ids:
            try:
                pages[number] = self._source.get(Resource.RESERVATIONS, number)
            except (NotFound, Forbidden):
                pages[number] = None
            except Exception as error:  # noqa: BLE001  (raised once what was read is stored)
                return pages, error
        return pages, None

    def _store(self, page: Page) -> Change | None:
        account_id, resource = self._account_id, page.shape.resource
        ids = [record.id for record in page.records if record.id is not None]

        def write(connection: Connection) -> Change | None:
            owner = account_owner.lock_owner(connection, account_id, resource, shape=page.shape, cause=self._cause)
            if len(ids) > 1:
                single_reads.lock_rows(connection, account_id, resource, ids)
            changes = upsert.write_page(connection, owner, page, is_listed=False)
            note_changes(changes)
            return changes[0][1] if changes else None

        with write_span(resource):
            return self._database.transaction(write)

    def _read_related(self, resource: Resource, record: Record, record_id: int) -> int:
        """Read the objects that belong to one that was stored; return how many threads were read whole."""
        if resource is Resource.RESERVATIONS:
            listing_id = _read_id(record.columns["listing_id"])
            hanging = due_threads.find_dependents(self._database, self._account_id, {record_id: listing_id})
            return self._read_due_threads(record_id, listing_id, hanging[record_id])
        if resource is Resource.CONVERSATIONS:
            reservation_id = _read_id(record.columns["reservation_id"])
            if reservation_id is not None and not self._is_stored(Resource.RESERVATIONS, reservation_id):
                self._read_reservation(reservation_id)
            return self._read_part(Resource.MESSAGES, record_id)
        return 0

    def _read_reservation(self, reservation_id: int) -> None:
        page = self._read_parent(Resource.RESERVATIONS, reservation_id)
        listing_id = _read_id(page.records[0].columns["listing_id"]) if page is not None else None
        if listing_id is not None and not self._is_stored(Resource.LISTINGS, listing_id):
            self._read_parent(Resource.LISTINGS, listing_id)

    def _read_parent(self, resource: Resource, record_id: int) -> Page | None:
        """Read and store the object that another one belongs to; None if it is gone or forbidden."""
        try:
            page = self._source.get(resource, record_id)
        except (NotFound, Forbidden):
            return None
        self._store(page)
        return page

    def _is_stored(self, resource: Resource, record_id: int) -> bool:
        return single_reads.is_stored(self._database, self._account_id, resource, record_id)

    def _read_due_threads(self, reservation_id: int, listing_id: int | None, hanging: due_threads.Dependents) -> int:
        """Read the listing and the due threads of a reservation; return how many threads were read whole."""
        if listing_id is not None and not hanging.listing_is_known and listing_id not in self._requested_listings:
            self._requested_listings.add(listing_id)
            self._read_parent(Resource.LISTINGS, listing_id)
        threads = hanging.threads
        if hanging.is_lookup:
            before = self._records_stored
            self._read_part(Resource.CONVERSATIONS, reservation_id)
            has_any = self._records_stored > before
            threads = (
                due_threads.list_due_threads_of(self._database, self._account_id, reservation_id) if has_any else []
            )
        return sum(self._read_part(Resource.MESSAGES, thread) for thread in threads)

    def _read_part(self, resource: Resource, parent: int) -> int:
        """Read the conversations of a reservation, or a thread; return how many lists were read whole."""
        outcome, failure = mirror_part(parent, resource, self._source, self, self._marks)
        if failure is not None:
            raise failure
        if outcome is PartOutcome.DOUBTFUL:
            raise SourceUnavailable(f"the {resource} of {parent} were not read whole: they changed again and again")
        return int(outcome is PartOutcome.READ)


def _merge_pages(pages: Sequence[Page]) -> Page:
    """Return one page of several with a record each; each record keeps the moment of its request."""
    records = sorted((record for page in pages for record in page.records), key=lambda record: record.id or 0)
    moments = {record.id: page.observed_at for page in pages for record in page.records if record.id is not None}
    return Page(pages[0].shape, records, min(moments.values()), observed_at_by_id=moments)


def _read_id(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
