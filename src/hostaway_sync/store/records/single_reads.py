"""Records when a row was read outside of a run, since no page of a run shows it.

The new `observed_at` tells a run that the row was there after the run began. It also tells a writer of an older answer
that its answer is older.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.store.tables import MIRRORED
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.model.records import Page, Resource
    from hostaway_sync.store.postgres.database import Database


def lock_rows(connection: sa.Connection, account_id: int, resource: Resource, ids: Sequence[int]) -> None:
    """Lock rows in the order of their ids, as pages do, so that two writers of several rows never deadlock."""
    table = MIRRORED[resource]
    is_one = table.c.id == sa.func.any(sa.literal(list(ids), sa.ARRAY(sa.BigInteger)))
    connection.execute(
        sa.select(table.c.id).where(table.c.account_id == account_id, is_one).order_by(table.c.id).with_for_update()
    )


def record_seen(connection: sa.Connection, account_id: int, page: Page) -> None:
    """Record that the rows of a page were in the answer to a request, changed or not."""
    ids = [record.id for record in page.records if record.id is not None]
    moments = [page.record_observed_at(number) for number in ids]
    parameters = {"of_account": account_id, "ids": ids, "moments": moments}
    connection.execute(_record_seen(page.shape.resource), parameters)


# Built once a resource: it runs for each answer, and takes longer to build than to run.
@cache
def _record_seen(resource: Resource) -> sa.Update:
    table = MIRRORED[resource]
    arrays = (
        sa.bindparam("ids", type_=sa.ARRAY(sa.BigInteger)),
        sa.bindparam("moments", type_=sa.ARRAY(table.c.observed_at.type)),
    )
    asked = sa.func.unnest(*arrays).table_valued("id", "at", name="asked").render_derived()
    is_one = (table.c.account_id == sa.bindparam("of_account", type_=sa.BigInteger), table.c.id == asked.c.id)
    is_older = sa.func.coalesce(null_if_unknown(table.c.observed_at) < asked.c.at, sa.true())
    return sa.update(table).where(*is_one, is_older).values(observed_at=asked.c.at)


def is_stored(database: Database, account_id: int, resource: Resource, row_id: int) -> bool:
    """Whether a row is stored; it may be missing at the source."""
    table = MIRRORED[resource]
    query = sa.select(sa.exists().where(table.c.account_id == account_id, table.c.id == row_id))
    return bool(database.transaction(lambda connection: connection.execute(query).scalar_one(), is_one_statement=True))
