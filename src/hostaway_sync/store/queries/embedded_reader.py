"""The role that asks the embedded database: it reads every row, and is no superuser, whatever a query tries.

The program owns the embedded server and is its superuser, whom no transaction keeps from reading and writing files of
the machine. A server that an operator runs has roles of its own: there the role of the URL asks.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE: Final = "hostaway_sync_query"
# Two processes may make it at once.
_MAKE: Final = f"""
DO $$ BEGIN
    IF pg_catalog.to_regrole('{ROLE}') IS NULL THEN
        CREATE ROLE {ROLE} LOGIN BYPASSRLS IN ROLE pg_read_all_data;
        ALTER ROLE {ROLE} SET default_transaction_read_only TO on;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""


@contextmanager
def reading(database: Database) -> Iterator[Database]:
    """Yield the database as the one who asks queries sees it."""
    if database.embedded is None:
        yield database
        return
    database.transaction(lambda connection: connection.execute(sa.text(_MAKE)))
    url = database.engine.url.set(username=ROLE)
    with closing(Database(url, schema=database.schema, pool_size=2, application=database.application)) as reader:
        yield reader
