"""Rows of the mirror for callers who may see some accounts alone: lists, single rows, the life of a stay, the feed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.app.data.row_batches import RowBatches
from hostaway_sync.app.history.history import require_changing
from hostaway_sync.model.callers import Access
from hostaway_sync.model.history.feed import OLDEST, FeedCursor, FeedFilter
from hostaway_sync.model.history.life import tell_life
from hostaway_sync.model.rows.lists import EVERYTHING, PARENTS, Part, RowFilters, RowList
from hostaway_sync.model.rows.pages import FoundRow, RowPage
from hostaway_sync.platforms.hostaway.core import SOURCE
from hostaway_sync.store.history import feed, stay
from hostaway_sync.store.queries.row_reader import RowReader

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from hostaway_sync.model.history.events import LifeEvent
    from hostaway_sync.model.history.feed import FeedPage
    from hostaway_sync.model.rows.columns import RowColumn
    from hostaway_sync.model.rows.cursor import RowCursor
    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.store.callers.scoped_reads import ScopedReads
    from hostaway_sync.store.queries.row_reader import FoundKey

PAGE: Final = 100


class Rows:
    """Rows of one mirror. Each method is one transaction that reads the accounts of the caller alone.

    Args:
        reads: runs the transactions.
        core: the schema of the views.
        vocabulary: the keys and statuses of the source's payloads.

    Attributes:
        batches: the same rows, many at once.
    """

    def __init__(self, reads: ScopedReads, core: str, vocabulary: Vocabulary) -> None:
        self._reads = reads
        self._keys = vocabulary.stay
        self._reader = RowReader(core, SOURCE, vocabulary.core_statuses)
        self.batches = RowBatches(reads, self._reader)

    def list_rows(
        self,
        access: Access,
        wanted: RowList,
        filters: RowFilters = EVERYTHING,
        *,
        after: RowCursor | None = None,
        limit: int = PAGE,
        with_raw: bool = False,
    ) -> RowPage:
        """Return a page of a list, by account and key; runs of an account come newest first.

        Args:
            access: of the caller.
            wanted: which list.
            filters: which rows of it.
            after: `next` of the page before; None: the first page.
            limit: the most rows, 1 to 500.
            with_raw: whether rows have what the source sent.

        Raises:
            UsageError: a filter is not of this list, the cursor is not of this list and these filters, or the limit is
                out of bounds.
            StoreError: the views of `core` are missing.
        """
        read = partial(self._reader.read_page, wanted=wanted, filters=filters)
        return self._reads.transaction(access, partial(read, after=after, limit=limit, with_raw=with_raw))

    def list_rows_of(
        self,
        access: Access,
        wanted: RowList,
        parent: str,
        filters: RowFilters = EVERYTHING,
        *,
        account_id: int | None = None,
        after: RowCursor | None = None,
        limit: int = PAGE,
        with_raw: bool = False,
    ) -> RowPage | None:
        """Return a page of one object's rows: messages of a reservation, days of a listing; None: it is not there.

        Args:
            access: of the caller.
            wanted: a list of `PARENTS`.
            parent: id or whole key of the reservation or listing.
            filters: which rows.
            account_id: whose object; needed where several accounts have one with this id.
            after: as `list_rows`.
            limit: as `list_rows`.
            with_raw: as `list_rows`.

        Raises:
            AmbiguousRecord: several accounts of the caller have such an object.
            UsageError, StoreError: as `list_rows`.
        """

        def work(connection: sa.Connection, account_ids: Sequence[int]) -> RowPage | None:
            of, _ = PARENTS[wanted]
            found = self._reader.find_key(connection, account_ids, of, parent, account_id=account_id)
            if found is None:
                return None
            chosen = self._reader.filters_of(wanted, found, filters)
            return self._reader.read_page(
                connection, account_ids, wanted, chosen, after=after, limit=limit, with_raw=with_raw
            )

        return self._reads.transaction(access, work)

    def find_row(
        self,
        access: Access,
        wanted: RowList,
        text: str,
        *,
        account_id: int | None = None,
        with_raw: bool = False,
        include: Collection[Part] = (),
    ) -> FoundRow | None:
        """Return a row; None: it is not there, or another's.

        Args:
            access: of the caller.
            wanted: in which list.
            text: the source's id or the whole key; of a run its own id.
            account_id: whose row; needed where several accounts have one with this id.
            with_raw: whether the row, and those that are included, have what the source sent.
            include: what is read with a reservation.

        Raises:
            AmbiguousRecord: several accounts of the caller have a row with this id.
            UsageError: rows of this list have no ids.
            StoreError: the views of `core` are missing.
        """

        def work(connection: sa.Connection, account_ids: Sequence[int]) -> FoundRow | None:
            key = self._reader.find_key(connection, account_ids, wanted, text, account_id=account_id)
            if key is None:
                return None
            rows = self._reader.read_rows(connection, wanted, [key], with_raw=with_raw)
            row = rows.get(key.lookup)
            if row is None:
                return None
            parts = include if wanted is RowList.RESERVATIONS else ()
            return FoundRow(
                key.account_id,
                row,
                self._read_messages(connection, key, with_raw=with_raw) if Part.MESSAGES in parts else None,
                self._tell(connection, key) if Part.HISTORY in parts else None,
                self._find_listing(connection, key, row, with_raw=with_raw) if Part.LISTING in parts else None,
            )

        return self._reads.transaction(access, work)

    def tell_history(
        self, access: Access, reservation: str, *, account_id: int | None = None
    ) -> tuple[int, Sequence[LifeEvent]] | None:
        """Return the account and the life of a reservation in the order in which it happened; None: it is not there.

        Raises:
            AmbiguousRecord: several accounts of the caller have such a reservation.
        """

        def work(connection: sa.Connection, account_ids: Sequence[int]) -> tuple[int, Sequence[LifeEvent]] | None:
            of = RowList.RESERVATIONS
            key = self._reader.find_key(connection, account_ids, of, reservation, account_id=account_id)
            told = None if key is None else self._tell(connection, key)
            return None if key is None or told is None else (key.account_id, told)

        return self._reads.transaction(access, work)

    def list_columns(self, wanted: RowList) -> tuple[RowColumn, ...]:
        """Return the columns of the rows of a list that is a view, with what each means.

        Raises:
            StoreError: there is no such view.
        """
        return self._reads.transaction(Access.of_accounts(()), lambda c, _: self._reader.list_columns(c, wanted))

    def begin_changes(self, access: Access, since: FeedCursor | datetime | None = None) -> FeedCursor:
        """Return the cursor of a reader that wants the changes after a cursor or a time; None: all that are kept."""
        if since is None or isinstance(since, FeedCursor):
            return since or OLDEST
        return self._reads.transaction(access, lambda connection, _: feed.find_start(connection, since))

    def end_of_changes(self, access: Access) -> FeedCursor:
        """Return the cursor of a reader that wants what is still to come."""
        return self._reads.transaction(access, lambda connection, _: feed.find_end(connection))

    def read_changes(
        self,
        access: Access,
        cursor: FeedCursor,
        *,
        resource: str | None = None,
        after: datetime | None = None,
        limit: int = PAGE,
    ) -> FeedPage:
        """Return the next changes after a cursor that the caller may see, at most `limit`.

        The cursors are those of `hostaway-sync changes`. A page without entries that is the last one is what a follower
        meets who waits: the database notifies on `feed.CHANNEL`, of whichever account.

        Raises:
            UsageError: no such resource has changes, or the cursor is ahead of this database.
        """
        if resource is not None:
            require_changing(resource)

        def work(connection: sa.Connection, account_ids: Sequence[int]) -> FeedPage:
            wanted = FeedFilter(frozenset(account_ids), resource, after, is_bound=True)
            return feed.read_page(connection, cursor, wanted, limit=limit)

        return self._reads.transaction(access, work)

    def _read_messages(self, connection: sa.Connection, key: FoundKey, *, with_raw: bool) -> RowPage:
        of = RowList.MESSAGES
        filters = self._reader.filters_of(of, key, EVERYTHING)
        return self._reader.read_page(
            connection, [key.account_id], of, filters, after=None, limit=PAGE, with_raw=with_raw
        )

    def _tell(self, connection: sa.Connection, key: FoundKey) -> Sequence[LifeEvent] | None:
        facts = stay.read_stay(connection, key.account_id, key.number, self._keys)
        return None if facts is None else tell_life(facts, self._keys)

    def _find_listing(
        self, connection: sa.Connection, key: FoundKey, row: Mapping[str, Any], *, with_raw: bool
    ) -> Mapping[str, Any] | None:
        of, text = RowList.LISTINGS, row["listing_key"]
        found = None if text is None else self._reader.find_key(connection, [key.account_id], of, text)
        if found is None:
            return None
        return self._reader.read_rows(connection, of, [found], with_raw=with_raw).get(found.lookup)
