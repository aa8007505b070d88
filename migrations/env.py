"""Alembic's entry: one schema, one migration a transaction, one migrator at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.processes import last_release_locks

# As long as another migrator may need; programs since revision 0021 wait for each other before they come here.
PATIENCE_S = 600.0
TIMEOUTS = ("SET lock_timeout = '10s'", "SET statement_timeout = '15min'")


def migrate(connection: Connection, schema: str) -> None:
    """Run what is missing, with `schema` as the place of every unqualified name."""
    quoted = quote_identifier(schema)
    exists = text("SELECT 1 FROM pg_namespace WHERE nspname = :schema").bindparams(schema=schema)
    lock = last_release_locks.migration_lock(schema)
    is_locked = last_release_locks.acquire_for_session(connection, lock, PATIENCE_S)
    # Asked first, because IF NOT EXISTS wants the right to create even where there is nothing to do.
    if connection.scalar(exists) is None:
        connection.execute(text(f"CREATE SCHEMA {quoted}"))
    connection.execute(text(f"SET search_path TO {quoted}"))
    for timeout in TIMEOUTS:
        connection.execute(text(timeout))
    connection.commit()
    connection.dialect.default_schema_name = schema
    context.configure(connection=connection, transaction_per_migration=True)
    try:
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        if is_locked:
            last_release_locks.release_lock(connection, lock)
        connection.commit()


def print_sql(schema: str) -> None:
    """Print what `migrate` would run on an empty database."""
    context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=True)
    context.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(schema)}")
    context.execute(f"SET search_path TO {quote_identifier(schema)}")
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    print_sql(context.config.attributes["schema"])
else:
    migrate(context.config.attributes["connection"], context.config.attributes["schema"])
