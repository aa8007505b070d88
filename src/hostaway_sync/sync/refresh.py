"""Read one object again, and what hangs on it; without a lease, so that it may happen beside a run.

    listing          the row
    reservation      the row, its listing when that is not known, its conversations when none is known, due threads
    conversation     the row, its reservation (and that one's listing) when it is not known, its thread

Who is right when two readings meet is decided row by row: by the source's stamps, by `observed_at`, and by due marks
that carry the moment of the request which showed the move.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound, SourceUnavailable
from hostaway_sync.model.records import Page, Resource
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.records import due_threads, single_reads, suspicions, upsert
from hostaway_sync.sync.reporting.run_log import note_changes, write_span
from hostaway_sync.sync.threads import PartsOutcome, mirror_part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from hostaway_sync.model.records import Change, Owner, Record, Source
    from hostaway_sync.store.postgres.database import Database


class RefreshFinding(StrEnum):
    """What the source said of an object."""

    THERE = "there"
    GONE = "gone"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What one reading found.

    Attributes:
        finding: what the source said; a row of an object that is gone is suspected, a forbidden one is left alone.
        change: what became of the row; None when there was nothing to store.
        threads: how many threads were read whole.
    """

    finding: RefreshFinding
    change: Change | None = None
    threads: int = 0


def refresh_object(
    database: Database, owner: Owner, source: Source, resource: Resource, record_id: int
) -> RefreshResult:
    """Read a listing, a reservation with its due threads, or a conversation with its thread.

    What was stored before an error stays, and so do the marks of the threads that were not read.

    Raises:
        ValueError: `resource` is messages, which are read as the thread of their conversation.
        AccountError: the account was disabled meanwhile.
        SourceError: something could not be had, after the retries it deserves.
        StoreError: the database is away.
    """
    if resource is Resource.MESSAGES:
        raise ValueError("messages are read with their conversation")
    return _Reading(database, owner, source).again(resource, record_id)


def refresh_reservations(
    database: Database,
    owner: Owner,
    source: Source,
    reservation_ids: Sequence[int],
    read: Callable[[int, int], None],
) -> None:
    """Read reservations with their due threads, in their order.

    They are stored together, before what hangs on them is read: that takes a third of the time.

    Args:
        database: with the tables.
        owner: whose they are.
        source: where from.
        reservation_ids: which.
        read: told the id of each that is done with, and how many of its threads were read whole.

    Raises:
        As `refresh_object`; what was read before the error is stored.
    """
    _Reading(database, owner, source).each(reservation_ids, read)


class _Reading:
    """One reading; takes the pages of the threads it reads."""

    def __init__(self, database: Database, owner: Owner, source: Source) -> None:
        self._database = database
        self._owner = owner
        self._source = source
        self._listings_asked_for: set[int] = set()
        self._taken = 0

    def again(self, resource: Resource, record_id: int) -> RefreshResult:
        """Read an object and what hangs on it."""
        try:
            page = self._source.get(resource, record_id)
        except Forbidden:
            return RefreshResult(RefreshFinding.FORBIDDEN)
        except NotFound:
            self.not_found(resource, record_id)
            return RefreshResult(RefreshFinding.GONE)
        change = self._stored(page)
        return RefreshResult(RefreshFinding.THERE, change, self._hanging_on(resource, page.records[0], record_id))

    def each(self, reservation_ids: Sequence[int], read: Callable[[int, int], None]) -> None:
        """Read reservations, store them together, and go on with what hangs on each."""
        pages, failure = self._asked_for(reservation_ids)
        there = {number: page for number, page in pages.items() if page is not None}
        if there:
            self._stored(_together(list(there.values())))
        listing_ids = {number: _id(page.records[0].columns["listing_id"]) for number, page in there.items()}
        hanging = due_threads.find_dependents(self._database, self._owner.account_id, listing_ids)
        for number in pages:
            if number in hanging:
                threads = self._due_threads(number, listing_ids[number], hanging[number])
            else:
                threads = self.again(Resource.RESERVATIONS, number).threads
            read(number, threads)
        if failure is not None:
            raise failure

    def record(self, page: Page) -> None:
        """Store a page, if there is anything in it."""
        if page.records:
            self._stored(page)
            self._taken += len(page.records)

    def read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Take away the mark of a part that was read whole.

        A thread that has lost a message stays due: a run, which sees how many are gone at once, asks for each.
        """
        account_id = self._owner.account_id

        def write(connection: Connection) -> None:
            if resource is Resource.CONVERSATIONS:
                due_threads.clear_reservation_marks(connection, account_id, parent, began_at=began_at)
            else:
                due_threads.record_thread_read(connection, account_id, parent, began_at=began_at, met=met)

        self._database.transaction(write, is_one_statement=resource is Resource.CONVERSATIONS)

    def not_found(self, resource: Resource, record_id: int) -> None:
        """Raise a suspicion: one request proves nothing, so that nothing is marked."""
        suspicions.raise_suspicion(self._database, self._owner.account_id, resource, record_id)

    def _asked_for(self, reservation_ids: Sequence[int]) -> tuple[dict[int, Page | None], Exception | None]:
        """Give reservations up to the first that cannot be read, and why; None for one that is gone or forbidden."""
        pages: dict[int, Page | None] = {}
        for number in reservation_ids:
            try:
                pages[number] = self._source.get(Resource.RESERVATIONS, number)
            except (NotFound, Forbidden):
                pages[number] = None
            except Exception as error:  # noqa: BLE001  (raised once what was read is stored)
                return pages, error
        return pages, None

    def _stored(self, page: Page) -> Change | None:
        account_id, resource = self._owner.account_id, page.shape.resource
        ids = [record.id for record in page.records if record.id is not None]

        def write(connection: Connection) -> Change | None:
            owner = account_owner.lock_owner(connection, account_id, resource)
            if len(ids) > 1:
                single_reads.lock_rows(connection, account_id, resource, ids)
            changes = upsert.write_page(connection, owner, page, is_listed=False)
            note_changes(changes)
            return changes[0][1] if changes else None

        with write_span(resource):
            return self._database.transaction(write)

    def _hanging_on(self, resource: Resource, record: Record, record_id: int) -> int:
        if resource is Resource.RESERVATIONS:
            listing_id = _id(record.columns["listing_id"])
            hanging = due_threads.find_dependents(self._database, self._owner.account_id, {record_id: listing_id})
            return self._due_threads(record_id, listing_id, hanging[record_id])
        if resource is Resource.CONVERSATIONS:
            reservation_id = _id(record.columns["reservation_id"])
            if reservation_id is not None and not self._is_stored(Resource.RESERVATIONS, reservation_id):
                self._fetch_reservation(reservation_id)
            return self._part(Resource.MESSAGES, record_id)
        return 0

    def _fetch_reservation(self, reservation_id: int) -> None:
        page = self._fetch(Resource.RESERVATIONS, reservation_id)
        listing_id = _id(page.records[0].columns["listing_id"]) if page is not None else None
        if listing_id is not None and not self._is_stored(Resource.LISTINGS, listing_id):
            self._fetch(Resource.LISTINGS, listing_id)

    def _fetch(self, resource: Resource, record_id: int) -> Page | None:
        """Read what an object belongs to; that it cannot be had is no fault of the object."""
        try:
            page = self._source.get(resource, record_id)
        except (NotFound, Forbidden):
            return None
        self._stored(page)
        return page

    def _is_stored(self, resource: Resource, record_id: int) -> bool:
        return single_reads.is_stored(self._database, self._owner.account_id, resource, record_id)

    def _due_threads(self, reservation_id: int, listing_id: int | None, hanging: due_threads.Dependents) -> int:
        account_id = self._owner.account_id
        if listing_id is not None and not hanging.listing_is_known and listing_id not in self._listings_asked_for:
            self._listings_asked_for.add(listing_id)
            self._fetch(Resource.LISTINGS, listing_id)
        threads = hanging.threads
        if hanging.is_lookup:
            before = self._taken
            self._part(Resource.CONVERSATIONS, reservation_id)
            threads = (
                due_threads.list_due_threads_of(self._database, account_id, reservation_id)
                if self._taken > before
                else []
            )
        return sum(self._part(Resource.MESSAGES, thread) for thread in threads)

    def _part(self, resource: Resource, parent: int) -> int:
        """Read the conversations of a reservation, or a thread; give how many were read whole."""
        outcome, failure = mirror_part(parent, resource, self._source, self)
        if failure is not None:
            raise failure
        if outcome is PartsOutcome.DOUBTFUL:
            raise SourceUnavailable(f"the {resource} of {parent} were not read whole: they changed again and again")
        return int(outcome is PartsOutcome.READ)


def _together(pages: Sequence[Page]) -> Page:
    """Make one page of several with a record each, which was observed when it was."""
    records = sorted((record for page in pages for record in page.records), key=lambda record: record.id or 0)
    moments = {record.id: page.observed_at for page in pages for record in page.records if record.id is not None}
    return Page(pages[0].shape, records, min(moments.values()), observed_at_by_id=moments)


def _id(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
