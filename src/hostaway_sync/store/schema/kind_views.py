"""A view for each kind whose rows are in `resources`, so that a reader need not know of that table.

The views are no part of a migration: they follow from the kinds that the program knows. `migrate` makes those that are
missing; a program that finds one missing works all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.identifiers import quote_identifier, quote_literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hostaway_sync.store.postgres.database import Database

# The comment tells our views from a relation of the same name that somebody else made.
COMMENT: Final = "rows of the table resources, of one kind"
_VIEW: Final = (
    "CREATE VIEW {view} WITH (security_invoker = true) AS"
    " SELECT account_id, customer_id, source_id AS id, parent_id, source_updated_at, observed_at, missing_since,"
    " created_at, updated_at, raw_payload FROM {place}.resources WHERE kind = {kind}"
)
_FOUND: Final = sa.text(
    "SELECT c.relname AS name, COALESCE(c.relkind = 'v' AND obj_description(c.oid, 'pg_class') = :comment, false)"
    " AS is_ours FROM pg_class AS c WHERE c.relnamespace = to_regnamespace(:schema) AND c.relname = ANY (:names)"
)
_OURS: Final = sa.text(
    "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'v'"
    " AND obj_description(c.oid, 'pg_class') = :comment ORDER BY 1"
)


def create_statements(schema: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the statements that create these views; each has the name of its kind."""
    place = quote_identifier(schema)
    for name in names:
        view = quote_identifier(schema, name)
        # With the rights of the role that asks, the row policies of the table hold for the view, too.
        yield _VIEW.format(view=view, place=place, kind=quote_literal(name))
        yield f"COMMENT ON VIEW {view} IS {quote_literal(COMMENT)}"


def list_views(database: Database) -> list[str]:
    """Return the names of the views that there are."""
    wanted = {"schema": quote_identifier(database.schema), "comment": COMMENT}
    return database.transaction(lambda connection: list(connection.scalars(_OURS, wanted)), is_one_statement=True)


def list_missing_views(database: Database, names: Sequence[str]) -> list[str]:
    """Return those of these views that are missing."""
    there = set(list_views(database))
    return [name for name in names if name not in there]


def create_views(database: Database, names: Sequence[str]) -> None:
    """Create those of these views that are missing.

    Raises:
        ConfigurationError: a name is taken by a relation that is not ours.
    """

    def write(connection: sa.Connection) -> None:
        asked = {"schema": quote_identifier(database.schema), "comment": COMMENT, "names": list(names)}
        found = {row.name: row.is_ours for row in connection.execute(_FOUND, asked)}
        taken = [name for name, is_ours in found.items() if not is_ours]
        if taken:
            raise ConfigurationError(
                f"{database.schema}.{taken[0]} is not ours, and the view of a resource needs this name: rename it, and"
                " run `hostaway-sync migrate` again"
            )
        for statement in create_statements(database.schema, (name for name in names if name not in found)):
            connection.exec_driver_sql(statement)

    database.transaction(write)
