"""The statements that find rows of lists and read them; each is built once a process for each set of filters."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.rows.lists import RowList
from hostaway_sync.store.queries.row_lists import LETTER_STATE, PLACES
from hostaway_sync.store.tables import sync_run_resources, sync_runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.sql.elements import ColumnElement

    from hostaway_sync.store.queries.row_lists import ListPlace

# Parameters: one account and all of the caller's, as numbers and as texts; the rest are named by their filters.
ONE: Final = "one"
ALL: Final = "all"
TEXTS: Final = "texts"
LIMIT: Final = "limit"
NUMBER: Final = "number"
AFTER: Final = "after_{}"
LOOKUP: Final = "lookup_{}"
PARENT_ACCOUNTS: Final = "parent_accounts"
PARENT_NUMBERS: Final = "parent_numbers"
# Ids, and other columns; what is long or a text to a guest is left out.
_SHOWN: Final = {
    RowList.SENT_MESSAGES: (
        ("intent_id", "account_id", "reservation_id", "conversation_id", "message_id"),
        (
            *("channel_type", "idempotency_key", "state", "is_queued", "quiet_hours", "error"),
            *("created_at", "not_before_at", "sending_at", "settled_at"),
        ),
    ),
    RowList.DEAD_LETTERS: (
        ("dead_letter_id", "account_id", "target_id"),
        ("kind", "state", "target_resource", "job", "deliveries", "error", "created_at", "resolved_at"),
    ),
}
_COUNTS: Final = ("seen", "inserted", "updated", "unchanged", "stale", "quarantined", "missing")


@lru_cache(maxsize=500)
def build_page_statement(core: str, wanted: RowList, names: frozenset[str], *, is_first: bool) -> sa.Select[Any]:
    """Return the statement of the next rows of one account: the account, the key, and what finds them in the view.

    Args:
        core: the schema of the views.
        wanted: which list.
        names: of the filters.
        is_first: whether it begins with the first row; else after a key.
    """
    place = PLACES[wanted]
    query = _select_keys(place).where(
        place.table.c.account_id == (_all() if place.is_of_all else sa.bindparam(ONE, type_=sa.BigInteger)),
        *(place.conditions[name](sa.bindparam(name)) for name in sorted(names & place.conditions.keys())),
    )
    if names & place.words:
        query = query.where(_says(core, place, names & place.words))
    return _paged(query, place, is_first=is_first)


@lru_cache(maxsize=500)
def build_children_statement(
    core: str, wanted: RowList, parent: str, names: frozenset[str], *, is_first: bool
) -> sa.Select[Any]:
    """Return the statement of the next rows of each of several parents: which parent, and as a page of one account.

    Args:
        core: the schema of the views.
        wanted: which list.
        parent: the filter that names a parent; `account_id`: the parents are accounts.
        names: of the other filters.
        is_first: whether it begins with the first row of each; else after a key.
    """
    place = PLACES[wanted]
    parents = (
        sa.func.unnest(
            sa.bindparam(PARENT_ACCOUNTS, type_=sa.ARRAY(sa.BigInteger)),
            sa.bindparam(PARENT_NUMBERS, type_=sa.ARRAY(sa.BigInteger)),
        )
        .table_valued(
            sa.column("account_id", sa.BigInteger), sa.column("number", sa.BigInteger), with_ordinality="position"
        )
        .render_derived(name="parent")
    )
    # As text, because a column would make the inner query read the parents once more.
    account_id, number = (sa.literal_column(f"parent.{name}", sa.BigInteger) for name in ("account_id", "number"))
    query = _select_keys(place).where(
        place.table.c.account_id == account_id,
        *([place.children[parent](account_id, number)] if parent in place.children else []),
        *(place.conditions[name](sa.bindparam(name)) for name in sorted(names & place.conditions.keys())),
    )
    if names & place.words:
        query = query.where(_says(core, place, names & place.words))
    rows = _paged(query, place, is_first=is_first).lateral("child")
    return (
        sa.select(parents.c.position, *rows.c)
        .select_from(parents.join(rows, sa.true()))
        .order_by(parents.c.position, *_order(place, [rows.c[f"key_{number}"] for number in range(len(place.key))]))
    )


@lru_cache
def build_find_each_statement(wanted: RowList) -> sa.Select[Any]:
    """Return the statement that finds the rows with any of some ids in all accounts of a caller."""
    place = PLACES[wanted]
    own = place.key[-1]
    numbers = sa.func.any(sa.bindparam(NUMBER, type_=sa.ARRAY(own.type)))
    return (
        _select_keys(place).where(place.table.c.account_id == _all(), own == numbers).order_by(*place.table.primary_key)
    )


@lru_cache
def build_find_statement(wanted: RowList) -> sa.Select[Any]:
    """Return the statement that finds the rows with one id in all accounts of a caller, by one look-up in each."""
    place = PLACES[wanted]
    own = place.key[-1]
    query = _select_keys(place).where(place.table.c.account_id == _all(), own == sa.bindparam(NUMBER, type_=own.type))
    return query.order_by(place.table.c.account_id)


@lru_cache(maxsize=100)
def build_view_statement(core: str, wanted: RowList, columns: tuple[str, ...], *, is_one: bool) -> sa.Select[Any]:
    """Return the statement that reads rows of a view: what finds each, and the row as the text of a JSON object.

    Args:
        core: the schema of the views.
        wanted: of which list.
        columns: of the view that a row has.
        is_one: whether one row is read. Planning takes longer than that; but only a plan for one value is kept.
    """
    place = PLACES[wanted]
    assert place.view is not None  # noqa: S101  (of a list that has a view)
    types = {name: column.type for column, name in place.lookup}
    view = sa.table(
        place.view,
        *(sa.column(name, types.get(name, sa.Text())) for name in dict.fromkeys([*columns, *types, "account_id"])),
        schema=core,
    )
    inner = sa.select(*(view.c[name] for name in columns)).where(
        view.c.account_id == sa.func.any(sa.bindparam(TEXTS, type_=sa.ARRAY(sa.Text))),
        *_looked_up(place, [view.c[name] for _, name in place.lookup], is_one=is_one),
    )
    return _as_json(inner, [name for _, name in place.lookup])


@lru_cache
def build_runs_statement() -> sa.Select[Any]:
    """Return the statement that reads runs, each with its results by resource."""
    part = sync_run_resources.c
    counts = [word for name in ("state", "error", *_COUNTS) for word in (sa.literal(name, sa.Text), part[name])]
    results = (
        sa.select(
            sa.func.coalesce(
                sa.func.jsonb_object_agg(part.resource, sa.func.jsonb_build_object(*counts)), sa.text(r"'{}'\:\:jsonb")
            )
        )
        .where(part.run_id == sync_runs.c.run_id)
        .correlate(sync_runs)
        .scalar_subquery()
    )
    run = sync_runs.c
    inner = sa.select(
        run.run_id,
        sa.cast(run.account_id, sa.Text).label("account_id"),
        *(run[name] for name in ("mode", "state", "triggered_at", "started_at", "finished_at")),
        *(run[name] for name in ("retry_count", "max_retries", "error", "api_calls")),
        results.label("resources"),
    ).where(run.account_id == _all(), *_looked_up(PLACES[RowList.SYNC_RUNS], [run.run_id], is_one=False))
    return _as_json(inner, ["run_id"])


@lru_cache
def build_table_statement(wanted: RowList) -> sa.Select[Any]:
    """Return the statement that reads rows of a table that no view shows; ids are text."""
    place, (ids, columns) = PLACES[wanted], _SHOWN[wanted]
    row = place.table.c
    inner = sa.select(
        place.key[0].label("number"),
        *(sa.cast(row[name], sa.Text).label(name) for name in ids),
        *(row[name] if name in row else LETTER_STATE.label(name) for name in columns),
    ).where(row.account_id == _all(), *_looked_up(place, [place.key[0]], is_one=False))
    one = inner.subquery("one")
    shown = sa.func.to_jsonb(sa.literal_column("one")).op("-")(sa.literal("number", sa.Text))
    return sa.select(one.c.number, sa.cast(shown, sa.Text))


def _select_keys(place: ListPlace) -> sa.Select[Any]:
    key = [one.label(f"key_{number}") for number, one in enumerate(place.key)]
    lookup = [one.label(f"lookup_{number}") for number, (one, _) in enumerate(place.lookup)]
    return sa.select(place.table.c.account_id.label("account_id"), *key, *lookup)


def _paged(query: sa.Select[Any], place: ListPlace, *, is_first: bool) -> sa.Select[Any]:
    """Return the query of the first rows, or of the next ones after a key, in the order of the list."""
    if not is_first:
        after = [sa.bindparam(AFTER.format(number), type_=one.type) for number, one in enumerate(place.key)]
        here, there = (place.key[0], after[0]) if len(after) == 1 else (sa.tuple_(*place.key), sa.tuple_(*after))
        query = query.where(here < there if place.is_newest_first else here > there)
    return query.order_by(*_order(place, place.key)).limit(sa.bindparam(LIMIT, type_=sa.BigInteger))


def _order(place: ListPlace, key: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [one.desc() if place.is_newest_first else one.asc() for one in key]


def _all() -> ColumnElement[Any]:
    return sa.func.any(sa.bindparam(ALL, type_=sa.ARRAY(sa.BigInteger)))


def _says(core: str, place: ListPlace, words: Collection[str]) -> ColumnElement[Any]:
    """Return whether the view says these words of a row; asked row by row, so that no plan reads the whole view."""
    column, name = place.lookup[0]
    view = sa.table(place.view or "", *(sa.column(one, sa.Text) for one in (name, *words)), schema=core).alias("said")
    said = sa.select(sa.true()).where(view.c[name] == column, *(view.c[w] == sa.bindparam(w) for w in sorted(words)))
    return said.correlate(place.table).scalar_subquery()


def _looked_up(place: ListPlace, columns: list[Any], *, is_one: bool) -> list[ColumnElement[bool]]:
    conditions = []
    for number, column in enumerate(columns):
        name, kind = LOOKUP.format(number), place.lookup[number][0].type
        wanted = sa.bindparam(name, type_=kind) if is_one else sa.func.any(sa.bindparam(name, type_=sa.ARRAY(kind)))
        conditions.append(column == wanted)
    return conditions


def _as_json(inner: sa.Select[Any], names: list[str]) -> sa.Select[Any]:
    """Return the rows of a query, each as the text of a JSON object: amounts keep their digits."""
    one = inner.subquery("one")
    return sa.select(*(one.c[name] for name in names), sa.cast(sa.func.row_to_json(sa.literal_column("one")), sa.Text))
