"""Read what is in a database before the first migration, and decide (without I/O) whether a mirror can live there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.store.schema.move_mark import MoveMark

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION_TABLE: Final = "alembic_version"
ENCODING: Final = "UTF8"
# Tables of the first revision, which every later revision has, too.
_CORE: Final = frozenset({"accounts", "listings", "reservations", "conversations", "messages", "sync_runs"})
_REVISION: Final = re.compile(r"\d{4}", re.ASCII)
_MAX_NAMES: Final = 3
_ELSEWHERE: Final = "use an empty database, or restore this one from a backup if it was a mirror"
# Objects of an extension do not count; indexes and row types belong to their tables.
_FACTS: Final = """
WITH place AS (SELECT oid FROM pg_namespace WHERE nspname = :schema),
named (catalog, oid, name) AS (
    SELECT 'pg_class'::regclass, c.oid, c.relname FROM pg_class c, place
    WHERE c.relnamespace = place.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL SELECT 'pg_proc'::regclass, p.oid, p.proname FROM pg_proc p, place WHERE p.pronamespace = place.oid
    UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typname FROM pg_type t, place
    WHERE t.typnamespace = place.oid AND t.typtype IN ('d', 'e', 'r')
)
SELECT current_database() AS database, current_setting('server_encoding') AS encoding,
    ARRAY(SELECT named.name::text FROM named WHERE NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = named.catalog AND d.objid = named.oid AND d.deptype = 'e'
    ) ORDER BY 1) AS names,
    EXISTS (
        SELECT FROM pg_class c, place, pg_attribute a WHERE c.relnamespace = place.oid AND c.relname = :versions
        AND a.attrelid = c.oid AND a.attname = 'version_num' AND c.relkind = 'r'
    ) AS has_versions
"""


@dataclass(frozen=True, slots=True)
class SchemaFacts:
    """The content of a database, as far as its catalogs tell.

    Attributes:
        database: name of the database.
        encoding: encoding of its texts.
        schema: where our tables are, or will be.
        names: tables, views, sequences, functions and types in that schema.
        revisions: rows of Alembic's version table; None: there is no table of that form.
    """

    database: str
    encoding: str
    schema: str
    names: frozenset[str]
    revisions: tuple[str, ...] | None

    @property
    def revision(self) -> str | None:
        """The revision of our tables; None: nothing was migrated yet. Only for a database without an obstacle."""
        return self.revisions[0] if self.revisions else None


def read_facts(connection: sa.Connection, schema: str) -> SchemaFacts:
    """Return the facts of a database; of its tables, only the version table is read."""
    found = connection.execute(sa.text(_FACTS), {"schema": schema, "versions": VERSION_TABLE}).one()
    revisions: Sequence[str] | None = None
    if found.has_versions:
        versions = sa.table(VERSION_TABLE, sa.column("version_num"), schema=schema)
        revisions = connection.scalars(sa.select(sa.cast(versions.c.version_num, sa.Text))).all()
    return SchemaFacts(
        database=found.database,
        encoding=found.encoding,
        schema=schema,
        names=frozenset(found.names),
        revisions=None if revisions is None else tuple(revisions),
    )


def find_obstacle(facts: SchemaFacts) -> str | None:
    """Return why no mirror can live in this database, and what to do; None: it can."""
    if facts.encoding != ENCODING:
        return (
            f"the database {facts.database} is encoded in {facts.encoding}, guests' names need UTF8: make another with "
            "`CREATE DATABASE mirror TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'`, and use that"
        )
    if VERSION_TABLE in facts.names and not _is_ours(facts.revisions):
        return f"the table {facts.schema}.{VERSION_TABLE} is another program's: {_ELSEWHERE}"
    others = facts.names - {VERSION_TABLE}
    if not facts.revisions and others:
        names = ", ".join(sorted(others)[:_MAX_NAMES]) + (", …" if len(others) > _MAX_NAMES else "")
        return f"the schema {facts.schema} is in use by another program ({names}): {_ELSEWHERE}"
    if facts.revisions and (lost := _CORE - others):
        return (
            f"the tables of revision {facts.revision} are not in the schema {facts.schema} (no {min(lost)}): "
            "restore it from a backup, or use an empty database"
        )
    return None


def _is_ours(revisions: Sequence[str] | None) -> bool:
    """Whether a version table holds what this program writes: no row, one revision, or the mark of a move."""
    if revisions is None or len(revisions) > 1:
        return False
    return all(_REVISION.fullmatch(one) or MoveMark.parse(one) for one in revisions)
