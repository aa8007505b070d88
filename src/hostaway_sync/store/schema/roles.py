"""Create the group roles, restore their rights after migrations, and bind readers to accounts."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from hostaway_sync.errors import AccountError, StoreError, UsageError
from hostaway_sync.store import audit_log
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.processes import last_release_locks
from hostaway_sync.store.schema import api_role
from hostaway_sync.store.schema.grants import POLICIES, Groups, create_group_statements, grant_statements
from hostaway_sync.store.schema.verbatim import run_verbatim, verbatim
from hostaway_sync.store.tables import accounts, reader_bindings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from hostaway_sync.store.postgres.database import Database

_BOUND: Final = (reader_bindings.c.bound_account_id, reader_bindings.c.bound_customer_id)
_PREFIX: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
# The policies name the groups of this schema. With :owned only for a role that may grant, as a member of the owner.
_POLICIES: Final = sa.text(
    "SELECT p.polname, r.rolname FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid"
    " JOIN pg_roles AS r ON r.oid = p.polroles[1]"
    " WHERE c.oid = to_regclass(:accounts) AND p.polname = ANY (:names)"
    " AND (NOT :owned OR pg_has_role(c.relowner, 'USAGE'))"
)
_MEMBERS: Final = sa.text(
    "SELECT m.rolname AS role, g.rolname AS group_name FROM pg_auth_members AS a"
    " JOIN pg_roles AS g ON g.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member"
    " WHERE g.rolname = ANY (:groups) AND pg_has_role(m.oid, g.oid, 'USAGE') ORDER BY 1, 2"
)
_EXISTS: Final = sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role")
_MAY: Final = sa.text("SELECT pg_has_role(:role, g, 'USAGE') FROM unnest(CAST(:groups AS text[])) AS g")
_DENIED: Final = "42501"


@dataclass(frozen=True, slots=True)
class Role:
    """A role that may use the database.

    Attributes:
        name: of the role.
        kind: `writer`, `analyst`, `reader` or `api`; None: the role is bound, but is in no group or does not exist.
        account_ids: accounts that it is bound to.
        customer_ids: customers that it is bound to.
    """

    name: str
    kind: str | None
    account_ids: tuple[int, ...] = ()
    customer_ids: tuple[UUID, ...] = ()


def render_roles_script(schema: str, prefix: str, core: str | None = None) -> str:
    """Return the SQL that `Roles.create` runs, for an owner of the tables who may create roles to run by hand.

    Args:
        schema: of the tables.
        prefix: with which the names of the groups begin.
        core: the schema of the views of `core`; None: there are none.

    Raises:
        UsageError: role names cannot begin with `prefix`.
    """
    groups = _check_prefix(prefix)
    api = api_role.name_role(prefix)
    quietly = "SET LOCAL client_min_messages TO warning"
    # An administrator's session may look up functions in schemas where other roles may create them.
    safely = "SET LOCAL search_path TO pg_catalog, pg_temp"
    statements = [
        "BEGIN",
        quietly,
        safely,
        *create_group_statements([*groups.names, api]),
        *grant_statements(schema, groups, core),
        *api_role.grant_statements(schema, api, core),
        "COMMIT",
    ]
    older, newer = api_role.membership_statements(api, "…")
    hints = f"-- For the log-in role of the API alone: {newer};\n-- in PostgreSQL 15: {older};\n"
    return "".join(f"{statement};\n" for statement in statements) + hints


class Roles:
    """The groups of one database and their members.

    Args:
        database: with the tables.
        core: the schema of the views of `core`; None: there are none.
    """

    def __init__(self, database: Database, core: str | None = None) -> None:
        self._database = database
        self._core = core

    def create(self, prefix: str) -> Groups:
        """Create missing groups, and give each exactly its rights.

        Raises:
            UsageError: role names cannot begin with `prefix`, or there are groups with other names already.
            StoreError: this role may not create roles, or does not own the tables.
        """
        groups = _check_prefix(prefix)
        missing: list[str] = []

        def write(connection: sa.Connection) -> Groups:
            _exclude_migrators(connection, self._database.schema)
            found = _find_groups(connection, self._database.schema)
            if found is not None and found.names != groups.names:
                raise UsageError(f"the groups of this database are {', '.join(found.names)} already")
            # The embedded database has the role of the API before it has groups.
            api = api_role.find_role(connection, self._database.schema) or api_role.name_role(prefix)
            missing[:] = [name for name in (*groups.names, api) if not connection.scalar(_EXISTS, {"role": name})]
            run_verbatim(connection, create_group_statements(missing))
            run_verbatim(connection, grant_statements(self._database.schema, groups, self._core))
            run_verbatim(connection, api_role.grant_statements(self._database.schema, api, self._core))
            return replace(groups, api=api)

        try:
            return self._database.transaction(write)
        except StoreError as error:
            if "permission denied to create role" not in str(error):
                raise
            commands = "; ".join(f"CREATE ROLE {name} NOLOGIN" for name in missing)
            raise StoreError(
                f"this role may not create roles: have an administrator run `{commands}`, then run this again"
            ) from None

    def bind(self, role: str, account_ids: Iterable[int], customer_ids: Iterable[UUID]) -> str | None:
        """Bind a reader to these accounts, and to those of these customers, besides those that it sees already.

        Returns:
            The SQL that an administrator must still run for it to take effect; None: nothing.

        Raises:
            AccountError: an account is unknown.
            StoreError: there is no such role, or no group; this role may not bind; or `role` sees all accounts anyway.
        """
        numbers, customers = list(account_ids), list(customer_ids)

        def write(connection: sa.Connection) -> str | None:
            groups = _require_groups(connection, self._database.schema)
            if connection.scalar(_EXISTS, {"role": role}) is None:
                raise StoreError(f"there is no role {role}: an administrator makes it with `CREATE ROLE … LOGIN`")
            writes, reads_all, reads = connection.scalars(_MAY, {"role": role, "groups": list(groups.names)}).all()
            if writes or reads_all:
                whole = groups.writer if writes else groups.analyst
                raise StoreError(f"{role} is in {whole} and sees every account: binding it would change nothing")
            api = api_role.find_role(connection, self._database.schema)
            if api is not None and role in api_role.list_members(connection, api):
                raise StoreError(f"{role} can become {api} and so see every account: binding it would change nothing")
            for number in numbers:
                if not connection.scalar(sa.select(sa.exists().where(accounts.c.account_id == number))):
                    raise AccountError.unknown(number)
            rows: list[dict[str, object]]
            rows = [{"role_name": role, "bound_account_id": number, "bound_customer_id": None} for number in numbers]
            rows += [{"role_name": role, "bound_account_id": None, "bound_customer_id": one} for one in customers]
            statement = insert(reader_bindings).on_conflict_do_nothing().values(rows).returning(*_BOUND)
            _audit(connection, connection.execute(statement).all(), {"old": None, "new": role})
            return None if reads else _join(connection, groups.reader, role)

        return self._database.transaction(write)

    def unbind(self, role: str) -> int:
        """Delete all bindings of a reader; return how many there were."""
        statement = sa.delete(reader_bindings).where(reader_bindings.c.role_name == role).returning(*_BOUND)

        def write(connection: sa.Connection) -> int:
            ended = connection.execute(statement).all()
            _audit(connection, ended, {"old": role, "new": None})
            return len(ended)

        return self._database.transaction(write)

    def members(self) -> list[Role]:
        """Return the direct members of the groups, and all other bound roles, by name.

        Raises:
            StoreError: there are no groups yet, or this role may not read the bindings.
        """

        def read(connection: sa.Connection) -> list[Role]:
            groups = _require_groups(connection, self._database.schema)
            kinds = dict(zip(groups.names, ("writer", "analyst", "reader"), strict=True))
            numbers: dict[str, list[int]] = defaultdict(list)
            customers: dict[str, list[UUID]] = defaultdict(list)
            for row in connection.execute(sa.select(reader_bindings)):
                if row.bound_account_id is not None:
                    numbers[row.role_name].append(row.bound_account_id)
                else:
                    customers[row.role_name].append(row.bound_customer_id)
            found: list[tuple[str, str | None]] = [
                (row.role, kinds[row.group_name]) for row in connection.execute(_MEMBERS, {"groups": [*kinds]})
            ]
            api = api_role.find_role(connection, self._database.schema)
            found += [(name, "api") for name in api_role.list_members(connection, api)] if api else []
            found += [(name, None) for name in (numbers.keys() | customers.keys()) - {name for name, _ in found}]
            found.sort(key=lambda one: (one[0], one[1] or ""))
            return [
                Role(name, kind, tuple(sorted(numbers.get(name, ()))), tuple(sorted(customers.get(name, ()))))
                for name, kind in found
            ]

        return self._database.transaction(read)


def restore_grants(database: Database, core: str | None = None) -> None:
    """Give the groups their rights on the tables of a migration; do nothing if there are none or we may not grant.

    Args:
        database: with the tables.
        core: the schema of the views of `core`; None: there are none.

    Raises:
        StoreError: the server refuses a statement.
    """

    def write(connection: sa.Connection) -> None:
        _exclude_migrators(connection, database.schema)
        groups = _find_groups(connection, database.schema, owned=True)
        if groups is not None:
            run_verbatim(connection, grant_statements(database.schema, groups, core))
        api = api_role.find_role(connection, database.schema, owned=True)
        if api is not None:
            run_verbatim(connection, api_role.grant_statements(database.schema, api, core))

    database.transaction(write)


def _exclude_migrators(connection: sa.Connection, schema: str) -> None:
    """Wait for migrators: a migration creates tables, and grants rights on them at its end."""
    last_release_locks.acquire_for_transaction(connection, last_release_locks.migration_lock(schema))


def _check_prefix(prefix: str) -> Groups:
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(f"no role can begin with {prefix!r}: use small letters, digits and _")
    return Groups.from_prefix(prefix)


def _require_groups(connection: sa.Connection, schema: str) -> Groups:
    groups = _find_groups(connection, schema)
    if groups is None:
        raise StoreError("there are no groups of roles yet: run `hostaway-sync roles create`")
    return groups


def _find_groups(connection: sa.Connection, schema: str, *, owned: bool = False) -> Groups | None:
    """Return the groups that the policies name; None: there are none, or with `owned`, this role may not grant."""
    wanted = {"accounts": quote_identifier(schema, "accounts"), "owned": owned, "names": list(POLICIES)}
    found = {row.polname: row.rolname for row in connection.execute(_POLICIES, wanted)}
    return Groups(*(found[name] for name in POLICIES)) if len(found) == len(POLICIES) else None


def _audit(connection: sa.Connection, bindings: Sequence[sa.Row[Any, Any]], reader: Mapping[str, str | None]) -> None:
    """Write to the audit log of every account of these bindings that a reader was added or removed."""
    numbers = [row.bound_account_id for row in bindings if row.bound_account_id is not None]
    customers = [row.bound_customer_id for row in bindings if row.bound_customer_id is not None]
    is_meant = accounts.c.account_id.in_(numbers) | accounts.c.customer_id.in_(customers)
    meant = sa.select(accounts.c.account_id).where(is_meant).order_by(accounts.c.account_id)
    for account_id in connection.scalars(meant).all():
        audit_log.add_entry(connection, account_id, audit_log.Action.UPDATED, {"reader": reader})


def _join(connection: sa.Connection, group: str, role: str) -> str | None:
    # A person may have to type it: quoted only where the name needs quotes.
    statement = f"GRANT {group} TO {connection.dialect.identifier_preparer.quote(role)}"
    try:
        with connection.begin_nested():
            connection.execute(verbatim(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _DENIED:
            raise
        return statement
    return None
