"""The role of the API: what transactions become that answer a caller, so that they read its accounts and no more.

Every session can set a setting, and the policies of this role trust one. So it is a group of its own: a member of
no other, and its one member is the API's own log-in role. A transaction becomes it with `SET LOCAL ROLE`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.model.callers.api_role import ApiRoleState
from hostaway_sync.store.identifiers import quote_identifier, quote_literal
from hostaway_sync.store.processes import last_release_locks
from hostaway_sync.store.schema import kind_views
from hostaway_sync.store.schema.grants import (
    ACCOUNT_COLUMNS,
    READABLE_TABLES,
    core_statement,
    create_group_statements,
)
from hostaway_sync.store.schema.verbatim import run_verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.postgres.database import Database

SETTING: Final = "hostaway_sync.accounts"
"""The setting that holds the accounts of a transaction, with commas between."""
EMBEDDED_ROLE: Final = "hostaway_sync_api"
HISTORY_COLUMNS: Final = {
    "sent_messages": (
        *("account_id", "reservation_id", "intent_id", "channel_type", "body", "state", "os_user", "message_id"),
        *("error", "created_at", "sending_at", "settled_at", "conversation_id", "idempotency_key", "is_queued"),
        *("quiet_hours", "not_before_at"),
    ),
    "dead_letters": (
        *("account_id", "dead_letter_id", "kind", "target_resource", "target_id", "job", "deliveries", "error"),
        *("created_at", "resolved_at", "resolution"),
    ),
    "webhook_log": ("account_id", "id", "event", "status", "error", "object_id", "target_resource", "created_at"),
    "calendar_writes": (
        *("account_id", "listing_id", "write_id", "first_day", "last_day", "new_values", "state", "os_user"),
        *("error", "created_at"),
    ),
}
"""What lists and the life of a reservation tell, beside tables of which the role sees all columns."""
_POLICY: Final = "api"
# Evaluated once a statement, not once a row, and an index can be used for it. Without a setting it is an empty array.
_IS_MINE: Final = (
    "account_id = ANY (ARRAY(SELECT pg_catalog.unnest(pg_catalog.string_to_array("
    f"pg_catalog.current_setting('{SETTING}', true), ',')::bigint[])))"
)
_ROWS: Final = """\
DO $$
DECLARE
    place regclass;
    condition text;
BEGIN
    FOR place, condition IN
        SELECT c.oid, CASE c.relname WHEN 'reader_bindings' THEN 'false' ELSE {is_mine} END
        FROM pg_class AS c
        WHERE c.relnamespace = {namespace}::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
            AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = {policy})
        ORDER BY c.relname
    LOOP
        EXECUTE format('CREATE POLICY {policy_name} ON %s FOR SELECT TO {role} USING (%s)', place, condition);
    END LOOP;
    FOR place IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = {namespace}::regnamespace AND c.relkind = 'v'
            AND obj_description(c.oid, 'pg_class') = {comment}
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO {role}', place);
    END LOOP;
END $$"""
_ROLE: Final = sa.text(
    "SELECT r.rolname FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid"
    " JOIN pg_roles AS r ON r.oid = p.polroles[1]"
    " WHERE c.oid = to_regclass(:accounts) AND p.polname = :policy"
    " AND (NOT :owned OR pg_has_role(c.relowner, 'USAGE'))"
)
# Who may become the role; since PostgreSQL 16 a member need not be allowed to, and has the right to SET of its own.
_MEMBERS: Final = (
    "SELECT m.rolname FROM pg_roles AS m WHERE NOT m.rolsuper AND m.rolname <> :role"
    " AND pg_has_role(m.oid, :role, '{right}') ORDER BY 1"
)
# Of those: who may log in, and could not see everything anyway.
_STRANGERS: Final = (
    "SELECT m.rolname FROM pg_roles AS m JOIN pg_class AS c ON c.oid = to_regclass(:accounts)"
    " WHERE m.rolname = ANY (:members) AND m.rolcanlogin AND NOT pg_has_role(m.oid, c.relowner, 'USAGE')"
    " AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'writers'"
    " AND pg_has_role(m.oid, polroles[1], 'USAGE')) ORDER BY 1"
)
_MAY_BECOME: Final = "SELECT pg_has_role(:role, '{right}')"
_HAS_SET_RIGHT: Final = 16


def name_role(prefix: str) -> str:
    """Return the role whose name begins with `prefix`, which must need no quotes."""
    return f"{prefix}_api"


def create_statements(role: str) -> Iterator[str]:
    """Yield the statements that create the role if it is missing; they need the right to create roles."""
    return create_group_statements([role])


def grant_statements(schema: str, role: str, core: str | None = None) -> Iterator[str]:
    """Yield the statements that give the role exactly its rights; the owner of the tables runs them.

    Args:
        schema: of the tables.
        role: the role.
        core: the schema of the views of `core`; None: there are none.
    """
    place = quote_identifier(schema)
    yield f"GRANT USAGE ON SCHEMA {place} TO {role}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {place} FROM {role}"
    yield f"GRANT SELECT ON {', '.join(f'{place}.{name}' for name in READABLE_TABLES)} TO {role}"
    yield f"GRANT SELECT ({', '.join(ACCOUNT_COLUMNS)}) ON {place}.accounts TO {role}"
    for name, columns in HISTORY_COLUMNS.items():
        yield f"GRANT SELECT ({', '.join(columns)}) ON {place}.{name} TO {role}"
    yield _ROWS.format(
        is_mine=quote_literal(_IS_MINE),
        namespace=quote_literal(place),
        policy=quote_literal(_POLICY),
        policy_name=_POLICY,
        comment=quote_literal(kind_views.COMMENT),
        role=role,
    )
    if core is not None:
        yield core_statement(core, role)


def membership_statements(role: str, member: str) -> tuple[str, str]:
    """Return what lets a log-in role become the role: for PostgreSQL 15, and for later ones."""
    return f"GRANT {role} TO {member}", f"GRANT {role} TO {member} WITH INHERIT FALSE, SET TRUE"


def membership_statement(connection: sa.Connection, role: str, member: str) -> str:
    """Return what lets a log-in role of this server become the role."""
    older, newer = membership_statements(role, member)
    return newer if _has_set_right(connection) else older


def find_role(connection: sa.Connection, schema: str, *, owned: bool = False) -> str | None:
    """Return the role that the policies name; None: it was not made, or with `owned`, we may not grant it anything."""
    wanted = {"accounts": quote_identifier(schema, "accounts"), "policy": _POLICY, "owned": owned}
    found: str | None = connection.scalar(_ROLE, wanted)
    return found


def may_become(connection: sa.Connection, role: str) -> bool:
    """Whether a transaction of this session can become the role."""
    return bool(connection.scalar(sa.text(_MAY_BECOME.format(right=_right(connection))), {"role": role}))


def list_members(connection: sa.Connection, role: str) -> list[str]:
    """Return the roles that can become the role, by name, without superusers, who can become any."""
    return list(connection.scalars(sa.text(_MEMBERS.format(right=_right(connection))), {"role": role}))


def ensure_embedded_role(database: Database, core: str | None) -> str:
    """Make the role in the embedded database, whose superuser can become it; return its name."""

    def write(connection: sa.Connection) -> str:
        last_release_locks.acquire_for_transaction(connection, last_release_locks.migration_lock(database.schema))
        found = find_role(connection, database.schema)
        if found is None:
            run_verbatim(connection, create_statements(EMBEDDED_ROLE))
            run_verbatim(connection, grant_statements(database.schema, EMBEDDED_ROLE, core))
        return found or EMBEDDED_ROLE

    return database.transaction(write)


def inspect_role(connection: sa.Connection, schema: str) -> ApiRoleState:
    """Return whether row-level security keeps callers of the API apart here."""
    user = str(connection.scalar(sa.text("SELECT session_user")))
    role = find_role(connection, schema)
    if role is None:
        return ApiRoleState(user)
    wanted = {"accounts": quote_identifier(schema, "accounts"), "members": list_members(connection, role)}
    strangers = tuple(connection.scalars(sa.text(_STRANGERS), wanted))
    grant = membership_statement(connection, role, connection.dialect.identifier_preparer.quote(user))
    return ApiRoleState(user, role, may_become=may_become(connection, role), grant=grant, strangers=strangers)


def _right(connection: sa.Connection) -> str:
    return "SET" if _has_set_right(connection) else "MEMBER"


def _has_set_right(connection: sa.Connection) -> bool:
    return int((connection.dialect.server_version_info or (0,))[0]) >= _HAS_SET_RIGHT
