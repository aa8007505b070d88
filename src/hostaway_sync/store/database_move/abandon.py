"""Closes a database that was moved: no process, not even a running one, can write to it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.store.identifiers import quote_identifier, quote_literal
from hostaway_sync.store.schema.move_mark import MOVED, SENTENCES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.store.schema.move_mark import MoveMark

# 25006 (read_only_sql_transaction) is the error of PostgreSQL for a write in a read-only transaction.
_GUARD: Final = """\
CREATE FUNCTION {schema}.moved() RETURNS trigger LANGUAGE plpgsql AS $moved$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = {sentence};
END
$moved$"""
_ON_EACH: Final = (
    "CREATE TRIGGER moved BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION {schema}.moved()"
)


def write_version(connection: sa.Connection, version: MoveMark | str) -> None:
    """Store a mark or a revision in `alembic_version`."""
    schema = connection.get_execution_options()["schema_translate_map"][None]
    versions = sa.table("alembic_version", sa.column("version_num", sa.Text), schema=schema)
    connection.execute(sa.update(versions).values(version_num=str(version)))


def abandon_database(connection: sa.Connection, schema: str, tables: Iterable[str], mark: MoveMark) -> None:
    """Make every table refuse writes, and store the mark in place of the revision, which every process checks."""
    place = quote_identifier(schema)
    connection.exec_driver_sql(_GUARD.format(schema=place, sentence=quote_literal(SENTENCES[MOVED])))
    for table in tables:
        connection.exec_driver_sql(_ON_EACH.format(schema=place, table=quote_identifier(schema, table)))
    write_version(connection, mark)
