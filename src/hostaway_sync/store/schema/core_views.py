"""The views of `core`: one vocabulary for all systems, made by `migrate` and read with the rights of who asks.

They are no part of a migration, because they follow from the files of this program. Where their schema cannot be
made, or belongs to somebody else, everything but the views works.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.schema.core_sql import MARKED, CoreObject, CoreSchema, compose_core
from hostaway_sync.store.schema.verbatim import run_verbatim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hostaway_sync.store.postgres.database import Database

_FILES: Final = Path(__file__).parent / "views"
# The columns of a view can only be added at its end, and the result of a function not be changed.
_NEEDS_REBUILDING: Final = frozenset({"42P16", "42P13"})
_DEPENDS: Final = "2BP01"
_DENIED: Final = "42501"
# Objects of extensions do not count, nor types and sequences of tables.
_OBJECTS: Final = sa.text(
    """
    SELECT c.relname AS name, CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS kind,
        obj_description(c.oid, 'pg_class') AS comment, pg_has_role(c.relowner, 'USAGE') AS is_owned
    FROM pg_class AS c WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
    UNION ALL
    SELECT p.proname || '(' || oidvectortypes(p.proargtypes) || ')', 'function',
        obj_description(p.oid, 'pg_proc'), pg_has_role(p.proowner, 'USAGE')
    FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace(:schema)
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
    ORDER BY 1
""".replace("::", r"\:\:")
)
_PLACE: Final = sa.text("""
    SELECT current_user AS role, to_regnamespace(:schema) IS NOT NULL AS is_there,
        has_database_privilege(current_database(), 'CREATE') AS may_make,
        coalesce(has_schema_privilege(to_regnamespace(:schema), 'CREATE')
            AND has_schema_privilege(to_regnamespace(:schema), 'USAGE'), false) AS may_fill
""")


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object in the schema; `digest` is None for what is not ours."""

    name: str
    kind: str
    digest: str | None
    is_owned: bool


@dataclass(frozen=True, slots=True)
class FoundSchema:
    """What is in the place of the schema, as far as the catalogs tell.

    Attributes:
        role: who asks.
        is_there: whether there is such a schema.
        may_make: whether the role may make schemas.
        may_fill: whether the role may make views in it.
        objects: what is in it, by name.
    """

    role: str
    is_there: bool
    may_make: bool
    may_fill: bool
    objects: Mapping[str, FoundObject]

    @property
    def ours(self) -> dict[str, FoundObject]:
        """Those objects that this program made."""
        return {name: one for name, one in self.objects.items() if one.digest is not None}


@dataclass(frozen=True, slots=True)
class CoreState:
    """Whether the views are as this program has them.

    Attributes:
        outdated: names of views and functions that `migrate` would make, replace or drop.
        obstacle: why it cannot, and what an administrator types; None: it can, or need not.
    """

    outdated: tuple[str, ...]
    obstacle: str | None = None


def inspect_core(database: Database, core: CoreSchema) -> CoreState:
    """Return whether the views are as this program has them, and why they cannot be."""
    return database.transaction(lambda connection: _inspect(connection, core, _compose(core, database.schema)))


def create_core(database: Database, core: CoreSchema) -> str | None:
    """Make the schema and those views that are missing or differ; return why that is impossible, or None."""
    wanted = _compose(core, database.schema)
    return database.transaction(partial(_create, core=core, wanted=wanted))


def create_statements(core: CoreSchema, tables: str) -> Iterator[str]:
    """Yield the statements that make everything where there is nothing."""
    yield f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(core.name)}"
    for one in _compose(core, tables):
        yield from one.statements(core.name)


def list_objects(core: CoreSchema, tables: str) -> list[CoreObject]:
    """Return the functions and views, each after those that it uses."""
    return _compose(core, tables)


def find_obstacle(found: FoundSchema, name: str, wanted: Iterable[str]) -> str | None:
    """Return why the views cannot be made, with what an administrator types; None: they can."""
    place, role = quote_identifier(name), quote_identifier(found.role)
    again = "then run `hostaway-sync migrate` again"
    if not found.is_there:
        if found.may_make:
            return None
        make = f"`CREATE SCHEMA {place} AUTHORIZATION {role};`"
        return f"the views of {name} are missing: role {found.role} may not make schemas; have {make} run, {again}"
    foreign = [one.name for one in found.objects.values() if one.digest is None]
    taken = sorted(set(foreign) & set(wanted))
    other = "another schema in HOSTAWAY_SYNC_CORE_SCHEMA"
    if foreign and (taken or not found.ours):
        make = f"`ALTER SCHEMA {place} RENAME TO {quote_identifier(f'{name}_old')};`"
        return (
            f"the views of {name} are missing: that schema holds {(taken or foreign)[0]}, which is not ours; name"
            f" {other}, or have {make} run, {again}"
        )
    if not found.may_fill:
        make = f"`GRANT USAGE, CREATE ON SCHEMA {place} TO {role};`"
        return f"the views of {name} are missing: role {found.role} may not make them there; have {make} run, {again}"
    if not all(one.is_owned for one in found.ours.values()):
        return (
            f"the views of {name} are another role's: run `hostaway-sync migrate` as that role, or have"
            f" `DROP SCHEMA {place} CASCADE;` run, {again}"
        )
    return None


def _inspect(connection: sa.Connection, core: CoreSchema, wanted: list[CoreObject]) -> CoreState:
    found = _read(connection, core.name)
    ours, digests = found.ours, {one.name: one.digest for one in wanted}
    outdated = [name for name, digest in digests.items() if name not in ours or ours[name].digest != digest]
    outdated += sorted(ours.keys() - digests.keys())
    return CoreState(tuple(outdated), find_obstacle(found, core.name, digests) if outdated else None)


def _create(connection: sa.Connection, core: CoreSchema, wanted: list[CoreObject]) -> str | None:
    state = _inspect(connection, core, wanted)
    if state.obstacle is not None or not state.outdated:
        return state.obstacle
    found = _read(connection, core.name)
    changed = [one for one in wanted if one.name in state.outdated]
    gone = [one for name, one in found.ours.items() if name not in {this.name for this in wanted}]
    try:
        if not found.is_there:
            run_verbatim(connection, [f"CREATE SCHEMA {quote_identifier(core.name)}"])
        try:
            with connection.begin_nested():
                for one in changed:
                    run_verbatim(connection, one.statements(core.name))
                run_verbatim(connection, _drop_statements(core.name, gone))
        except DBAPIError as error:
            if _sqlstate(error) not in _NEEDS_REBUILDING:
                raise
            with connection.begin_nested():
                run_verbatim(connection, _drop_statements(core.name, found.ours.values()))
                for one in wanted:
                    run_verbatim(connection, one.statements(core.name))
    except DBAPIError as error:
        if _sqlstate(error) != _DEPENDS:
            raise
        diagnosis = getattr(error.orig, "diag", None)
        users = str(getattr(diagnosis, "message_detail", None) or error.orig).splitlines()[0]
        return (
            f"the views of {core.name} are those of an older release, because others use them ({users}): drop those,"
            " run `hostaway-sync migrate`, and make them again"
        )
    return None


def _drop_statements(schema: str, objects: Iterable[FoundObject]) -> Iterator[str]:
    """Yield what drops these objects, without CASCADE: what others have built on them stays."""
    place = quote_identifier(schema)
    named = list(objects)
    views = [f"{place}.{quote_identifier(one.name)}" for one in named if one.kind == "view"]
    if views:
        yield f"DROP VIEW {', '.join(views)}"
    functions = [f"{place}.{one.name}" for one in named if one.kind == "function"]
    if functions:
        yield f"DROP FUNCTION {', '.join(functions)}"


def _read(connection: sa.Connection, name: str) -> FoundSchema:
    wanted = {"schema": quote_identifier(name)}
    place = connection.execute(_PLACE, wanted).one()
    objects = {}
    for row in connection.execute(_OBJECTS, wanted):
        marked = MARKED.search(row.comment or "")
        objects[row.name] = FoundObject(row.name, row.kind, marked[1] if marked else None, row.is_owned)
    return FoundSchema(place.role, place.is_there, place.may_make, place.may_fill, objects)


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _compose(core: CoreSchema, tables: str) -> list[CoreObject]:
    functions, usual, views = _read_files()
    return compose_core(core, tables, functions, views, usual)


@lru_cache
def _read_files() -> tuple[str, str, dict[str, str]]:
    views = {path.stem: path.read_text(encoding="utf-8") for path in sorted((_FILES / "core").glob("*.sql"))}
    functions, columns = (_FILES / name for name in ("functions.sql", "columns.sql"))
    return functions.read_text(encoding="utf-8"), columns.read_text(encoding="utf-8"), views
