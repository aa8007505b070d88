"""The history of records in a test's database: pages that write it, and what it says when it is replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support import sql

from hostaway_sync.store.accounts.owner import lock_owner
from hostaway_sync.store.records.upsert import write_page

if TYPE_CHECKING:
    import sqlalchemy as sa

    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.model.records import Page
    from hostaway_sync.store.postgres.database import Database

_CHANGES = """
    SELECT resource, record_id, change, keys, before, after, cause, cause_id, change_id, position, account_id
    FROM changes ORDER BY change_id
"""


def store(database: Database, page: Page, cause: Cause | None = None) -> None:
    """Write a page as a run or a webhook does."""

    def work(connection: sa.Connection) -> None:
        owner = lock_owner(connection, 1, page.shape.resource, shape=page.shape, cause=cause)
        write_page(connection, owner, page)

    database.transaction(work)


def end_baseline(database: Database, *resources: str) -> None:
    """Store that the lists of these resources were read whole once."""
    for name in resources:
        sql.execute(
            database, "INSERT INTO watermarks (account_id, resource, swept_at) VALUES (1, :name, now())", name=name
        )


def history(database: Database) -> list[Any]:
    """Return all changes in the order in which they were written."""

    def work(connection: sa.Connection) -> list[Any]:
        return [*connection.exec_driver_sql(_CHANGES.replace("changes ORDER", "hostaway.changes ORDER"))]

    return database.transaction(work)


def outline(database: Database) -> list[tuple[Any, ...]]:
    """Return of each change the record, what happened, and the keys before and after."""
    return [(one.record_id, one.change, one.before, one.after) for one in history(database)]


def replay(changes: list[Any], first: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Return the payload that the changes of one record lead to, from its payload before them.

    Each must fit what those before it have left.
    """
    payload = None if first is None else dict(first)
    for one in changes:
        if one.change == "inserted":
            assert payload is None
            payload = dict(one.after)
            continue
        assert payload is not None
        keys, before, after = one.keys or [], one.before or {}, one.after or {}
        assert {key: payload[key] for key in keys if key in payload} == before
        payload = {key: value for key, value in payload.items() if key not in keys} | after
    return payload


_BROKEN = """
    SELECT resource, record_id, key, change_id FROM (
        SELECT c.*, key, row_number() OVER of_key AS number, lag(after->key) OVER of_key AS left_there
        FROM changes AS c CROSS JOIN unnest(keys) AS key
        WINDOW of_key AS (PARTITION BY account_id, resource, record_id, key ORDER BY change_id)
    ) AS chain
    WHERE number > 1 AND before->key IS DISTINCT FROM left_there OR before->key IS NOT DISTINCT FROM after->key
"""


def broken_chains(database: Database) -> list[Any]:
    """Return changes of keys that do not begin where the one before ended, or change nothing: lost or doubled ones."""
    return sql.rows(database, _BROKEN)
