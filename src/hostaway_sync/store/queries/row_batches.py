"""Read what belongs to many rows at once: by as many statements for a hundred parents as for one."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from hostaway_sync.errors import AmbiguousRecord, UsageError
from hostaway_sync.model.rows.cursor import RowCursor, digest_question, refuse_cursor
from hostaway_sync.model.rows.lists import require_filters, require_limit
from hostaway_sync.model.rows.pages import RowPage
from hostaway_sync.store.queries import row_statements as statements
from hostaway_sync.store.queries.row_lists import PLACES
from hostaway_sync.store.queries.row_reader import ambiguous, read_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from hostaway_sync.model.rows.children import ChildList, Parent
    from hostaway_sync.model.rows.lists import RowList
    from hostaway_sync.store.queries.row_reader import FoundKey, RowReader

_EMPTY = RowPage((), None)


def find_rows(
    reader: RowReader,
    connection: sa.Connection,
    account_ids: Sequence[int],
    wanted: RowList,
    asked: Sequence[tuple[str, int | None]],
    *,
    with_raw: bool,
) -> list[Mapping[str, Any] | AmbiguousRecord | None]:
    """Return the rows that some ids name, in their order; None: none of these accounts has it.

    Args:
        reader: reads rows.
        connection: of the transaction.
        account_ids: all that may be seen, in order.
        wanted: in which list.
        asked: the source's ids or whole keys, each with the account whose row it is; None: whichever has it.
        with_raw: whether rows have `raw_payload`.
    """
    found = _find_keys(reader, connection, account_ids, wanted, asked)
    keys = [one for one in found if one is not None and not isinstance(one, AmbiguousRecord)]
    rows = reader.read_rows(connection, wanted, list(dict.fromkeys(keys)), with_raw=with_raw)
    return [one if one is None or isinstance(one, AmbiguousRecord) else rows.get(one.lookup) for one in found]


def read_children(
    reader: RowReader,
    connection: sa.Connection,
    account_ids: Sequence[int],
    wanted: ChildList,
    parents: Sequence[Parent],
) -> list[RowPage | UsageError]:
    """Return a page of the rows of each of some parents, in their order; an error where the cursor is not of that list.

    Args:
        reader: reads rows.
        connection: of the transaction.
        account_ids: all that may be seen, in order.
        wanted: which rows.
        parents: whose rows; those of other accounts have none.

    Raises:
        UsageError: the list does not know a filter, or a page cannot be so long.
        StoreError: there is no such view.
    """
    require_filters(wanted.rows, wanted.filters)
    require_limit(wanted.limit)
    chosen, values = reader.narrow(account_ids, wanted.filters)
    seen = frozenset(chosen)
    questions = [digest_question(wanted.rows, wanted.filters_of(parent)) for parent in parents]
    refused = [_refuse(wanted.after, parent, question) for parent, question in zip(parents, questions, strict=True)]
    open_ones = [
        number for number, parent in enumerate(parents) if refused[number] is None and parent.account_id in seen
    ]
    keys = _find_children(reader, connection, wanted, [parents[number] for number in open_ones], values)
    shown = [one for found in keys for one in found[: wanted.limit]]
    rows = reader.read_rows(connection, wanted.rows, shown, with_raw=wanted.with_raw)
    pages: list[RowPage | UsageError] = [_EMPTY if error is None else error for error in refused]
    for number, found in zip(open_ones, keys, strict=True):
        pages[number] = _build_page(wanted, questions[number], found, rows)
    return pages


def _find_keys(
    reader: RowReader,
    connection: sa.Connection,
    account_ids: Sequence[int],
    wanted: RowList,
    asked: Sequence[tuple[str, int | None]],
) -> list[FoundKey | AmbiguousRecord | None]:
    ids = [(*reader.read_id(wanted, text), account_id) for text, account_id in asked]
    named = [frozenset(one for one in (owner, account_id) if one is not None) for _, owner, account_id in ids]
    numbers = list(dict.fromkeys(number for number, *_ in ids if number is not None))
    wanted_accounts = frozenset().union(*named) if all(named) else frozenset(account_ids)
    chosen = [one for one in account_ids if one in wanted_accounts]
    by_number: dict[Any, list[FoundKey]] = {number: [] for number in numbers}
    if chosen and numbers:
        values = {statements.ALL: chosen, statements.NUMBER: numbers}
        for row in connection.execute(statements.build_find_each_statement(wanted), values):
            key = read_key(PLACES[wanted], tuple(row))
            by_number[key.key[-1]].append(key)
    found: list[FoundKey | AmbiguousRecord | None] = []
    for (number, *_), owners in zip(ids, named, strict=True):
        mine = [key for key in by_number.get(number, ()) if owners <= {key.account_id}]
        found.append(ambiguous(wanted, mine) if len(mine) > 1 else mine[0] if mine else None)
    return found


def _find_children(
    reader: RowReader,
    connection: sa.Connection,
    wanted: ChildList,
    parents: Sequence[Parent],
    values: Mapping[str, Any],
) -> list[list[FoundKey]]:
    """Return the keys of the rows of each parent, one more than a page has where there are more."""
    if not parents:
        return []
    place, after = PLACES[wanted.rows], wanted.after
    statement = statements.build_children_statement(
        reader.core, wanted.rows, wanted.parent_filter, frozenset(values), is_first=after is None
    )
    given: dict[str, Any] = {
        **values,
        statements.LIMIT: wanted.limit + 1,
        statements.PARENT_ACCOUNTS: [parent.account_id for parent in parents],
        statements.PARENT_NUMBERS: [parent.number for parent in parents],
    }
    if after is not None:
        given |= {statements.AFTER.format(number): one for number, one in enumerate(place.form.parse(after.key))}
    found: list[list[FoundKey]] = [[] for _ in parents]
    for position, rows in groupby(connection.execute(statement, given), lambda row: row.position):
        found[position - 1] = [read_key(place, tuple(row)[1:]) for row in rows]
    return found


def _build_page(
    wanted: ChildList, question: bytes, keys: Sequence[FoundKey], rows: Mapping[tuple[Any, ...], Mapping[str, Any]]
) -> RowPage:
    shown, form = keys[: wanted.limit], PLACES[wanted.rows].form
    last = shown[-1] if len(keys) > wanted.limit else None
    return RowPage(
        tuple(rows[one.lookup] for one in shown if one.lookup in rows),
        None if last is None else RowCursor(question, last.account_id, form.write(*last.key)),
    )


def _refuse(after: RowCursor | None, parent: Parent, question: bytes) -> UsageError | None:
    """Return the error of a cursor that is not of this parent's list; None: there is none, or it is."""
    if after is None:
        return None
    try:
        after.require_question(question)
    except UsageError as error:
        return error
    return None if after.account_id == parent.account_id else refuse_cursor()
