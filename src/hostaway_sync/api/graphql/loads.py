"""What one request asks the library: each level of its fields is one question, one after the other."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.concurrency import run_in_threadpool
from strawberry.dataloader import DataLoader

from hostaway_sync.api.rows import page_document
from hostaway_sync.app.documents.history import event_document
from hostaway_sync.model.rows.children import ChildList, Parent
from hostaway_sync.model.rows.cursor import RowCursor

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from hostaway_sync.app.data.rows import Rows
    from hostaway_sync.errors import AmbiguousRecord, UsageError
    from hostaway_sync.model.callers import Access
    from hostaway_sync.model.rows.lists import RowFilters, RowList

T = TypeVar("T")
Row = dict[str, Any]


class Loads:
    """Reads rows for the fields of one request, with one connection at a time.

    Args:
        rows: answers.
        access: of the caller.
        with_raw: whether rows have what the source sent.
    """

    def __init__(self, rows: Rows, access: Access, *, with_raw: bool) -> None:
        self._rows = rows
        self._access = access
        self._with_raw = with_raw
        self._one_at_a_time = asyncio.Lock()
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    async def list_rows(self, wanted: RowList, filters: RowFilters, limit: int, cursor: str | None) -> Row:
        """Return a page of a list."""
        after = None if cursor is None else RowCursor.parse(cursor)
        read = partial(self._rows.list_rows, self._access, wanted, filters, after=after)
        return page_document(await self._ask(partial(read, limit=limit, with_raw=self._with_raw)))

    async def find_row(self, wanted: RowList, text: str, account_id: int | None = None) -> Row | None:
        """Return the row of an id; None: the caller has none."""

        async def load(asked: list[tuple[str, int | None]]) -> Sequence[Mapping[str, Any] | AmbiguousRecord | None]:
            find = partial(self._rows.batches.find_rows, self._access, wanted, asked, with_raw=self._with_raw)
            return await self._ask(find)

        row: Row | None = await self._loader(wanted, load).load((text, account_id))
        return row

    async def list_children(
        self, of: RowList, wanted: RowList, parent: Parent, filters: RowFilters, limit: int, cursor: str | None
    ) -> Row:
        """Return a page of the rows of another one; all parents that are asked for at once are one question."""
        after = None if cursor is None else RowCursor.parse(cursor)
        children = ChildList(of=of, rows=wanted, filters=filters, after=after, limit=limit, with_raw=self._with_raw)

        async def load(parents: list[Parent]) -> list[Row | UsageError]:
            pages = await self._ask(partial(self._rows.batches.list_children, self._access, children, parents))
            return [one if isinstance(one, Exception) else page_document(one) for one in pages]

        page: Row = await self._loader(children, load).load(parent)
        return page

    async def tell_history(self, reservation: str, account_id: int | None) -> list[Row] | None:
        """Return the life of a reservation; None: the caller has none of this id."""
        told = await self._ask(partial(self._rows.tell_history, self._access, reservation, account_id=account_id))
        return None if told is None else [event_document(event) for event in told[1]]

    def _loader(self, question: Hashable, load: Any) -> DataLoader[Any, Any]:  # noqa: ANN401  (its keys and values vary)
        return self._loaders.setdefault(question, DataLoader(load))

    async def _ask(self, work: Callable[[], T]) -> T:
        """Ask in a thread; one request never holds more than one connection to the database."""
        async with self._one_at_a_time:
            return await run_in_threadpool(work)
