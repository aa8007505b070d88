"""Rows for callers who ask for many at once, such as those of GraphQL: each call is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.store.queries import row_batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostaway_sync.errors import AmbiguousRecord, UsageError
    from hostaway_sync.model.callers import Access
    from hostaway_sync.model.rows.children import ChildList, Parent
    from hostaway_sync.model.rows.lists import RowList
    from hostaway_sync.model.rows.pages import RowPage
    from hostaway_sync.store.callers.scoped_reads import ScopedReads
    from hostaway_sync.store.queries.row_reader import RowReader


class RowBatches:
    """Rows of one mirror, many in a call, by as many statements as one takes.

    Args:
        reads: runs the transactions.
        reader: reads the rows.
    """

    def __init__(self, reads: ScopedReads, reader: RowReader) -> None:
        self._reads = reads
        self._reader = reader

    def find_rows(
        self, access: Access, wanted: RowList, asked: Sequence[tuple[str, int | None]], *, with_raw: bool = False
    ) -> list[Mapping[str, Any] | AmbiguousRecord | None]:
        """Return the rows that some ids name, in their order.

        Args:
            access: of the caller.
            wanted: in which list.
            asked: the source's ids or whole keys, each with the account whose row it is; None: whichever has it.
            with_raw: whether rows have what the source sent.

        Returns:
            For each a row, None where the caller has none, or the error of an id that several accounts have.

        Raises:
            StoreError: the views of `core` are missing.
        """
        return self._reads.transaction(
            access,
            lambda connection, account_ids: row_batches.find_rows(
                self._reader, connection, account_ids, wanted, asked, with_raw=with_raw
            ),
        )

    def list_children(self, access: Access, wanted: ChildList, parents: Sequence[Parent]) -> list[RowPage | UsageError]:
        """Return a page of the rows of each parent, in their order; parents of others have none.

        Returns:
            For each a page, or the error of a cursor that is not of its list.

        Raises:
            UsageError: the list does not know a filter, or a page cannot be so long.
            StoreError: the views of `core` are missing.
        """
        return self._reads.transaction(
            access,
            lambda connection, account_ids: row_batches.read_children(
                self._reader, connection, account_ids, wanted, parents
            ),
        )
