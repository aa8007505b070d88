"""The query of an export: the columns of a view of `core`, rows of these accounts and days, in a fixed order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import AccountError, StoreError, UsageError
from hostaway_sync.store.identifiers import quote_identifier, quote_literal
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from collections.abc import Collection

    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.queries.exports import Export, ExportRequest

# Left out: it has everything once more, and no cell of a spreadsheet holds it.
_LEFT_OUT: Final = frozenset({"raw_payload"})
_MISSING: Final = "missing_since"
# They order rows of one day, so that the same rows make the same file.
_KEY: Final = "_key"
_MOST_KEYS: Final = 3
_COLUMNS: Final = sa.text(
    "SELECT a.attname FROM pg_attribute AS a"
    " WHERE a.attrelid = to_regclass(:view) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)


def write_query(database: Database, schema: str, export: Export, request: ExportRequest) -> str:
    """Return the query of an export, in SQL.

    Raises:
        AccountError: an account is unknown.
        UsageError: a day is asked of rows that have none, or the last day is before the first.
        StoreError: there is no such view.
    """
    _require_days(export, request)
    database.transaction(partial(_require_accounts, wanted=request.accounts))
    view = quote_identifier(schema, export.view)
    found = database.transaction(lambda connection: connection.scalars(_COLUMNS, {"view": view}).all())
    names = [name for name in found if name not in _LEFT_OUT]
    if not names:
        raise StoreError(
            f"there is no view {schema}.{export.view}: `hostaway-sync migrate` makes it, or says why it cannot"
        )
    keys = [name for name in names if name.endswith(_KEY)][:_MOST_KEYS]
    order = ", ".join(map(quote_identifier, keys if export.day is None else [export.day, *keys])) or "1"
    where = " AND ".join(_conditions(export, request, has_missing=_MISSING in names)) or "true"
    columns = ", ".join(map(quote_identifier, names))
    return f"SELECT {columns} FROM {view} WHERE {where} ORDER BY {order}"  # noqa: S608  (names are quoted, values are literals)


def _require_days(export: Export, request: ExportRequest) -> None:
    if export.day is None and (request.first or request.last):
        raise UsageError(f"rows of {export.view} have no day: leave --from and --to out")
    if request.first and request.last and request.last < request.first:
        raise UsageError(f"--to {request.last} is before --from {request.first}: the last day is included")


def _require_accounts(connection: sa.Connection, wanted: Collection[int]) -> None:
    known = set(connection.scalars(sa.select(accounts.c.account_id).where(accounts.c.account_id.in_(wanted))))
    for number in wanted:
        if number not in known:
            raise AccountError.unknown(number)


def _conditions(export: Export, request: ExportRequest, *, has_missing: bool) -> list[str]:
    day = quote_identifier(export.day or "")
    conditions = []
    if request.first:
        conditions.append(f"{day} >= DATE {quote_literal(request.first.isoformat())}")
    if request.last:
        # Of a moment the whole day counts, in UTC.
        conditions.append(f"{day} < DATE {quote_literal(request.last.isoformat())} + 1")
    if request.accounts:
        numbers = ", ".join(quote_literal(str(number)) for number in request.accounts)
        conditions.append(f"account_id IN ({numbers})")
    if has_missing and not request.with_missing:
        conditions.append(f"{quote_identifier(_MISSING)} IS NULL")
    return conditions
