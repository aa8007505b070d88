"""Read pages and single rows of lists, for callers who may see some accounts alone.

    accounts of the caller → keys, account by account → rows of the view, by key → page

No statement walks rows of other accounts. The view, whose rows are dear, is asked for the rows of the page alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa

from hostaway_sync.errors import AmbiguousRecord, StoreError, UsageError
from hostaway_sync.model.rows.columns import RowColumn
from hostaway_sync.model.rows.cursor import RowCursor, digest_question
from hostaway_sync.model.rows.ids import RecordId
from hostaway_sync.model.rows.lists import PARENTS, RowFilters, RowList, require_filters, require_limit
from hostaway_sync.model.rows.pages import RowPage
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.postgres.json_values import read_exact_json
from hostaway_sync.store.queries import row_statements as statements
from hostaway_sync.store.queries.row_lists import OTHER_STATUS, PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hostaway_sync.store.queries.row_lists import ListPlace

_RAW: Final = "raw_payload"
_UNKNOWN: Final = "unknown"
_NUL: Final = "\0"
_COLUMNS: Final = sa.text(
    r"SELECT attname\:\:text, format_type(atttypid, NULL), col_description(attrelid, attnum) FROM pg_attribute"
    " WHERE attrelid = to_regclass(:place) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A row that a table has.

    Attributes:
        account_id: whose.
        key: its key inside the account.
        lookup: what finds it in the view.
    """

    account_id: int
    key: tuple[Any, ...]
    lookup: tuple[Any, ...]

    @property
    def number(self) -> int:
        """The source's id."""
        number: int = self.key[0]
        return number


class RowReader:
    """Reads rows of the views of `core`.

    Args:
        core: the schema of the views.
        source: what whole keys begin with.
        statuses: the source's statuses of reservations, by the word of `core` for them; all others are unknown there.
    """

    def __init__(self, core: str, source: str, statuses: Mapping[str, frozenset[str]]) -> None:
        self.core = core
        self._source = source
        self._statuses = {word: sorted(known) for word, known in statuses.items()}
        self._columns: dict[str, tuple[RowColumn, ...]] = {}

    def read_page(
        self,
        connection: sa.Connection,
        account_ids: Sequence[int],
        wanted: RowList,
        filters: RowFilters,
        *,
        after: RowCursor | None,
        limit: int,
        with_raw: bool,
    ) -> RowPage:
        """Return the next rows of a list, by account and key.

        Args:
            connection: of the transaction.
            account_ids: all that may be seen, in order.
            wanted: which list.
            filters: which rows.
            after: where the last page ended; None: from the first row on.
            limit: how many rows at most.
            with_raw: whether rows have `raw_payload`.

        Raises:
            UsageError: the list does not know a filter, the cursor is not its own, or a page cannot be so long.
            StoreError: there is no such view.
        """
        require_filters(wanted, filters)
        require_limit(limit)
        place, question = PLACES[wanted], digest_question(wanted, filters)
        position = None
        if after is not None:
            after.require_question(question)
            position = after.account_id, place.form.parse(after.key)
        chosen, values = self.narrow(account_ids, filters)
        keys: list[FoundKey] = []
        for accounts, behind in _groups(place, chosen, position):
            keys += self._find_keys(connection, wanted, accounts, values, behind, limit + 1 - len(keys))
            if len(keys) > limit:
                break
        shown = keys[:limit]
        rows = self.read_rows(connection, wanted, shown, with_raw=with_raw)
        last = shown[-1] if len(keys) > limit else None
        return RowPage(
            tuple(rows[one.lookup] for one in shown if one.lookup in rows),
            None if last is None else RowCursor(question, last.account_id, place.form.write(*last.key)),
        )

    def find_key(
        self,
        connection: sa.Connection,
        account_ids: Sequence[int],
        wanted: RowList,
        text: str,
        *,
        account_id: int | None = None,
    ) -> FoundKey | None:
        """Return the row that an id names; None: none of these accounts has it.

        Args:
            connection: of the transaction.
            account_ids: all that may be seen, in order.
            wanted: in which list.
            text: the source's id, or the whole key.
            account_id: whose row; None: that of whichever account has it.

        Raises:
            AmbiguousRecord: several of these accounts have a row with this id.
            UsageError: rows of this list have no ids.
        """
        if wanted is RowList.CALENDAR_DAYS:
            raise UsageError("a day of a calendar has no id of its own: list the days of a listing")
        number, owner = self.read_id(wanted, text)
        if number is None:
            return None
        chosen = [one for one in account_ids if one in {account_id or one} & {owner or one}]
        if not chosen:
            return None
        rows = connection.execute(statements.build_find_statement(wanted), {"all": chosen, "number": number})
        found = [read_key(PLACES[wanted], row) for row in rows]
        if len(found) > 1:
            raise ambiguous(wanted, found)
        return found[0] if found else None

    def read_rows(
        self, connection: sa.Connection, wanted: RowList, keys: Sequence[FoundKey], *, with_raw: bool
    ) -> dict[tuple[Any, ...], Mapping[str, Any]]:
        """Return rows as JSON has them, by what finds them in the view; those that are gone are left out.

        Raises:
            StoreError: there is no such view.
        """
        if not keys:
            return {}
        place, numbers = PLACES[wanted], sorted({one.account_id for one in keys})
        if place.view is None:
            is_run = wanted is RowList.SYNC_RUNS
            statement = statements.build_runs_statement() if is_run else statements.build_table_statement(wanted)
        else:
            names = (column.name for column in self.list_columns(connection, wanted))
            chosen = tuple(name for name in names if with_raw or name != _RAW)
            statement = statements.build_view_statement(self.core, wanted, chosen, is_one=len(keys) == 1)
        values: dict[str, object] = {statements.ALL: numbers, statements.TEXTS: [str(one) for one in numbers]}
        for number in range(len(place.lookup)):
            distinct = list(dict.fromkeys(one.lookup[number] for one in keys))
            is_one = len(keys) == 1 and place.view is not None
            values[statements.LOOKUP.format(number)] = distinct[0] if is_one else distinct
        return {tuple(lookup): read_exact_json(text) for *lookup, text in connection.execute(statement, values)}

    def filters_of(self, wanted: RowList, parent: FoundKey, filters: RowFilters) -> RowFilters:
        """Return filters that also name the object whose rows a list has."""
        _, name = PARENTS[wanted]
        given = filters.given() | {"account_id": parent.account_id, name: str(parent.number)}
        return RowFilters(**given)

    def read_id(self, wanted: RowList, text: str) -> tuple[int | UUID | None, int | None]:
        """Return the number of a record and its account, as far as the text names them."""
        if wanted is RowList.SYNC_RUNS:
            return _read_uuid(text), None
        record = RecordId.parse(text, self._source)
        return (None, None) if record is None else (record.number, record.account_id)

    def narrow(self, account_ids: Sequence[int], filters: RowFilters) -> tuple[Sequence[int], dict[str, Any]]:
        """Return those of the accounts that may have such rows, and the values of the other filters."""
        values = filters.given()
        if any(_NUL in value for value in values.values() if isinstance(value, str)):
            return (), values  # no text of the database has one
        owners = {values.pop("account_id")} if "account_id" in values else set(account_ids)
        for name in ("listing_id", "reservation_id"):
            if name in values:
                record = RecordId.parse(values[name], self._source)
                if record is None:
                    return (), values
                values[name] = record.number
                owners &= owners if record.account_id is None else {record.account_id}
        if "status" in values:
            word = values.pop("status")
            if word == _UNKNOWN:
                values[OTHER_STATUS] = sorted(chain.from_iterable(self._statuses.values()))
            else:
                values["status"] = self._statuses.get(word, [])
        return [one for one in account_ids if one in owners], values

    def _find_keys(
        self,
        connection: sa.Connection,
        wanted: RowList,
        accounts: Sequence[int],
        values: Mapping[str, Any],
        behind: tuple[Any, ...] | None,
        limit: int,
    ) -> list[FoundKey]:
        place = PLACES[wanted]
        statement = statements.build_page_statement(self.core, wanted, frozenset(values), is_first=behind is None)
        given: dict[str, Any] = {**values, statements.LIMIT: limit}
        given |= {statements.ALL: accounts} if place.is_of_all else {statements.ONE: accounts[0]}
        given |= {statements.AFTER.format(number): one for number, one in enumerate(behind or ())}
        return [read_key(place, row) for row in connection.execute(statement, given)]

    def list_columns(self, connection: sa.Connection, wanted: RowList) -> tuple[RowColumn, ...]:
        """Return the columns of a list that is a view, read once: views of another release do not stay long.

        Raises:
            StoreError: there is no such view.
        """
        view = PLACES[wanted].view or ""
        if view not in self._columns:
            found = connection.execute(_COLUMNS, {"place": quote_identifier(self.core, view)}).all()
            if not found:
                raise StoreError(
                    f"there is no view {self.core}.{view}: `hostaway-sync migrate` makes it, or says why it cannot"
                )
            self._columns[view] = tuple(RowColumn(*row) for row in found)
        return self._columns[view]


def _groups(
    place: ListPlace, chosen: Sequence[int], position: tuple[int, tuple[Any, ...]] | None
) -> Iterator[tuple[Sequence[int], tuple[Any, ...] | None]]:
    """Yield the accounts that one statement walks, and the key after which it begins; None: with the first row."""
    if place.is_of_all:
        if chosen:
            yield chosen, None if position is None else position[1]
        return
    for one in chosen:
        if position is None or one > position[0]:
            yield [one], None
        elif one == position[0]:
            yield [one], position[1]


def read_key(place: ListPlace, row: Sequence[Any]) -> FoundKey:
    """Return the key in a row of a statement."""
    values, end = tuple(row), 1 + len(place.key)
    return FoundKey(values[0], values[1:end], values[end:])


def ambiguous(wanted: RowList, found: Sequence[FoundKey]) -> AmbiguousRecord:
    """Return the error of an id that several accounts have."""
    accounts, noun = ", ".join(str(one.account_id) for one in found), wanted.value.removesuffix("s")
    return AmbiguousRecord(f"accounts {accounts} have a {noun} {found[0].number}: give account_id")


def _read_uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
