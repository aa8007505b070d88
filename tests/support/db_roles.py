"""Roles of the real server with names of their own, dropped at the end of the test."""

from __future__ import annotations

import uuid
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema.api_role import name_role
from hostaway_sync.store.schema.grants import Groups
from hostaway_sync.store.schema.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Iterator


class DbRoles:
    """The roles of one database. Their names share a prefix, so that parallel tests have other roles.

    Args:
        database: opened as a superuser.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.roles = Roles(database, "core")
        self.prefix = f"t{uuid.uuid4().hex[:12]}"
        self.groups = Groups.from_prefix(self.prefix)
        self.api = name_role(self.prefix)
        self.made: list[str] = []

    def create_groups(self) -> None:
        """Create the groups, and the role of the API."""
        self.roles.create(self.prefix)

    def create_login(self, name: str, *groups: str, options: str = "") -> str:
        """Create a role that may log in, in these groups, and return its full name."""
        role = f"{self.prefix}_{name}"
        self.execute(f"CREATE ROLE {role} LOGIN {options}")
        self.made.append(role)
        for group in groups:
            self.execute(f"GRANT {group} TO {role}")
        return role

    def url(self, role: str) -> str:
        """Return the database's URL for a role."""
        return self.database.engine.url.set(username=role).render_as_string(hide_password=False)

    @contextmanager
    def as_role(self, role: str) -> Iterator[Database]:
        """Open the database as a role."""
        with closing(Database(self.url(role), schema=self.database.schema)) as database:
            yield database

    def rows(self, role: str, question: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement that this role executes, with the tables' schema in its search path."""
        with self.as_role(role) as database, database.engine.begin() as connection:
            connection.execute(sa.text(f"SET LOCAL search_path TO {database.schema}"))
            result = connection.execute(sa.text(question))
            return [tuple(row) for row in result] if result.returns_rows else []

    def execute(self, statement: str) -> None:
        """Execute a statement as a superuser."""
        with self.database.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def drop_all(self) -> None:
        """Drop all roles and their privileges in this database."""
        query = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, :prefix) OR rolname = ANY (:made)"
        with self.database.engine.connect() as connection:
            found = connection.scalars(sa.text(query), {"prefix": self.prefix, "made": self.made}).all()
        for role in found:
            self.execute(f"DROP OWNED BY {role} CASCADE")
            self.execute(f"DROP ROLE {role}")
