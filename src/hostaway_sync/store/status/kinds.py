"""How the other kinds of each account are mirrored, read with a few statements for any number of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.kinds.facts import KindFacts
from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.records import Resource
from hostaway_sync.store.tables import OWN_TABLES, listings, resource_readings, resources, sync_run_resources
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.kinds.facts import KindTerms

_Place = tuple[int, str]
_FIGURES: Final = (
    *("read", "oldest_read_at", "last_read_at", "due_at"),
    *("refused", "refused_since", "refusal", "failed", "failure"),
)


def read_kind_facts(
    connection: sa.Connection,
    terms: KindTerms,
    live_listings: Mapping[int, int],
    account_id: int | None = None,
    *,
    has_counts: bool = True,
) -> dict[int, tuple[KindFacts, ...]]:
    """Return the facts about the other kinds of every account that has or had any, or of one account, by account.

    A kind that is not mirrored is left out unless it has rows or was read.

    Args:
        connection: in a transaction.
        terms: which kinds are mirrored.
        live_listings: how many each account has.
        account_id: of which account; None: of all.
        has_counts: rows are counted, too, which takes a scan of their tables.
    """
    rows = _count_rows(connection, account_id) if has_counts else {}
    readings = _find_readings(connection, account_id)
    numbers = {number for number, _ in [*rows, *readings]} | set(live_listings)
    found: dict[int, tuple[KindFacts, ...]] = {}
    for number in numbers:
        chosen = terms.chosen_by(number)
        found[number] = tuple(
            KindFacts(
                kind=kind,
                is_on=kind.name in chosen,
                lists=1 if kind.scope is Scope.ACCOUNT else live_listings.get(number, 0),
                live=rows.get((number, kind.name), (0, 0))[0],
                missing=rows.get((number, kind.name), (0, 0))[1],
                **_choose_figures(readings.get((number, kind.name), {})),
            )
            for kind in terms.known
            if kind.name in chosen or (number, kind.name) in rows or (number, kind.name) in readings
        )
    return found


def _choose_figures(of_place: Mapping[bool, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the figures of a kind, given those of the account's list and those of its listings' lists.

    Where both are there, the account's plan lacked the kind, so that its listings were not asked about.
    """
    of_account, of_listings = of_place.get(True, {}), of_place.get(False, {})
    if not of_account or not of_listings:
        return of_account or of_listings
    was_read_since = of_listings["read"] and of_listings["last_read_at"] >= of_account["refused_since"]
    return of_listings if was_read_since else of_account


def _count_rows(connection: sa.Connection, account_id: int | None) -> dict[_Place, tuple[int, int]]:
    """Return the numbers of live and missing rows by account and kind."""
    found: dict[_Place, tuple[int, int]] = {}
    for table in (resources, *OWN_TABLES.values()):
        kind = table.c.kind if table is resources else sa.literal(table.name)
        live, missing = sa.func.count().filter(table.c.missing_since.is_(None)), sa.func.count(table.c.missing_since)
        query = sa.select(table.c.account_id, kind.label("kind"), live, missing)
        query = query.group_by(*([table.c.account_id, kind] if table is resources else [table.c.account_id]))
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        for number, name, live_rows, missing_rows in connection.execute(query):
            found[number, name] = live_rows, missing_rows
    return found


def _find_readings(connection: sa.Connection, account_id: int | None) -> dict[_Place, dict[bool, dict[str, Any]]]:
    query = _select_readings()
    if account_id is not None:
        query = query.where(resource_readings.c.account_id == account_id)
    found: dict[_Place, dict[bool, dict[str, Any]]] = {}
    for number, kind, is_accounts, *figures in connection.execute(query):
        found.setdefault((number, kind), {})[is_accounts] = dict(zip(_FIGURES, figures, strict=True))
    return found


def _select_readings() -> sa.Select[Any]:
    """Return the query of the readings of live lists: an account's own, and those of live listings."""
    reading, count = resource_readings.c, sa.func.count
    listing = sa.cast(sa.func.nullif(reading.parent_id, ""), sa.BigInteger)
    read_at, refused_at = null_if_unknown(reading.read_at), null_if_unknown(reading.refused_at)
    is_accounts, is_refused = reading.parent_id == "", refused_at.is_not(None)
    waits, has_failed = ~is_refused & read_at.is_not(None), ~is_refused & reading.error.is_not(None)
    sentence = sa.func.mode().within_group(sa.cast(reading.error, sa.Text))
    return (
        sa.select(
            reading.account_id,
            reading.kind,
            is_accounts.label("is_accounts"),
            count(read_at),
            sa.func.min(read_at).filter(waits),
            sa.func.max(read_at).filter(waits),
            sa.func.min(reading.due_at).filter(waits),
            count().filter(is_refused),
            sa.func.min(refused_at),
            sentence.filter(is_refused),
            count().filter(has_failed),
            sentence.filter(has_failed),
        )
        .select_from(
            resource_readings.outerjoin(
                listings, (listings.c.account_id == reading.account_id) & (listings.c.id == listing)
            )
        )
        .where(is_accounts | (listings.c.id.is_not(None) & listings.c.missing_since.is_(None)))
        .group_by(reading.account_id, reading.kind, is_accounts)
    )


def count_kind_calls(run_id: sa.ColumnElement[Any], terms: KindTerms) -> sa.ColumnElement[int]:
    """Return how many requests of a run were for other kinds at least, by the objects that it met."""
    part = sync_run_resources.alias("kind_part")
    pages = sa.func.greatest(1, sa.func.ceil(part.c.seen / sa.cast(terms.page_size, sa.Numeric)))
    return (
        sa.select(sa.func.coalesce(sa.func.sum(pages), 0))
        .where(part.c.run_id == run_id, part.c.resource.not_in([resource.value for resource in Resource]))
        .scalar_subquery()
    )
