"""SQL for an administrator who runs it himself; no database is needed to write it."""

from __future__ import annotations

from hostaway_sync.settings import SCHEMA
from hostaway_sync.store import roles, schema


def migration_sql() -> str:
    """Give the SQL that `migrate` runs on an empty database."""
    return schema.upgrade_sql(SCHEMA)


def roles_sql(prefix: str) -> str:
    """Give the SQL that makes the groups of roles."""
    return roles.script(SCHEMA, prefix)
