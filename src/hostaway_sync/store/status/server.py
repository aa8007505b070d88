"""The state of the database server: its version and revision, our privileges in it, and its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.model.status import DatabaseServer
from hostaway_sync.store.schema import grants, revisions

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

# The privileges that a writer needs: no more than `grants` gives it.
_RIGHTS: Final = """
SELECT c.relname || ': ' || string_agg(lower(wanted.name), ', ' ORDER BY wanted.name)
FROM pg_class c
CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS wanted (name)
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p')
  AND NOT (c.relname = ANY (:read_only) AND wanted.name <> 'SELECT')
  AND NOT (c.relname = ANY (:growing) AND wanted.name IN ('UPDATE', 'DELETE'))
  AND NOT has_table_privilege(c.oid, wanted.name)
GROUP BY c.relname ORDER BY c.relname
"""
_SERVER: Final = """
SELECT current_setting('server_version_num')::int AS version,
       current_setting('max_connections')::int AS most_connections,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       current_setting('transaction_read_only') = 'on' AS is_read_only,
       nullif(current_user::text, session_user::text) AS works_as,
       coalesce(has_schema_privilege(to_regnamespace(:schema)::oid, 'USAGE'), true) AS may_enter,
       ARRAY(SELECT n.nspname::text FROM pg_namespace AS n WHERE n.nspname IN (:name, 'public', 'pg_catalog')
             AND has_schema_privilege('public', n.oid, 'CREATE') ORDER BY 1) AS open_schemas
"""


def read_server(database: Database) -> DatabaseServer:
    """Return the state of the database server.

    Raises:
        StoreError, ConfigurationError: the database cannot be reached, or refuses us.
    """
    name = {"schema": database.schema}
    rights = sa.text(_RIGHTS).bindparams(
        **name, read_only=list(grants.READ_ONLY_TABLES), growing=list(grants.APPEND_ONLY_TABLES)
    )

    def read(
        connection: sa.Connection,
    ) -> tuple[sa.Row[tuple[int, int, int, bool, str | None, bool, list[str]]], tuple[str, ...]]:
        server = connection.execute(sa.text(_SERVER), name | {"name": database.schema}).one()
        if not server.may_enter:
            return server, (f"schema {database.schema}: usage",)
        return server, tuple(connection.scalars(rights))

    server, lacking = database.transaction(read)
    return DatabaseServer(
        version=server.version,
        # A user without the right to use the schema cannot read its revision either.
        revision=revisions.read_revision(database) if server.may_enter else None,
        wanted_revision=revisions.head_revision(),
        is_read_only=server.is_read_only,
        missing_rights=lacking,
        connections=server.connections,
        max_connections=server.most_connections,
        open_schemas=tuple(server.open_schemas),
        replaced_by_role=server.works_as,
    )
