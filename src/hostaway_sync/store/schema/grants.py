"""The SQL of the rights of each kind of database role: group roles, of which log-in roles are members.

owner     no group: the role that ran the first migration; creates and changes tables, reads all
writer    syncs, receives, works, manages accounts: reads and writes rows, changes no table and no row of the audit log
analyst   reads the mirrored tables, of all accounts
reader    reads the mirrored tables, of the accounts that it is bound to

Analysts and readers see no sealed column, no inbox, no queue and no audit log. A table that a later version adds is
open to the writer, and closed to the other groups until it is named here. A fourth group, which the API becomes, has
rights of its own (`api_role`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hostaway_sync.store.identifiers import quote_identifier, quote_literal
from hostaway_sync.store.schema import kind_views
from hostaway_sync.store.schema.core_sql import MARKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Tables and views of which analysts and readers see all columns.
READABLE_TABLES: Final = (
    "listings",
    "reservations",
    "conversations",
    "conversation_messages",
    "messages",
    "calendar_days",
    "calendar_readings",
    "reviews",
    "tasks",
    "resources",
    "resource_readings",
    "reference_data",
    "reference_readings",
    "changes",
    "change_clock",
    "sync_runs",
    "sync_run_resources",
    "verifications",
    "watermarks",
)
# Columns of accounts that analysts and readers see.
ACCOUNT_COLUMNS: Final = (
    "account_id",
    "customer_id",
    "name",
    "is_active",
    "last_sync_at",
    "created_at",
    "updated_at",
    "removed_at",
    "core_account_id",
    "core_key",
)
# Tables that a writer only reads, and tables that it only adds rows to.
READ_ONLY_TABLES: Final = ("alembic_version", "reader_bindings", "messages")
APPEND_ONLY_TABLES: Final = ("audit_log", "setting_names")

# The row policies of every guarded table, one for each group.
POLICIES: Final = ("writers", "analysts", "readers")
# Each array is evaluated once a statement, not once a row, and an index can be used for it.
_SEES_ACCOUNT: Final = "account_id = ANY (ARRAY(SELECT seen.account_id FROM {schema}.accounts AS seen))"
_IS_BOUND: Final = (
    "account_id = ANY (ARRAY(SELECT bound_account_id FROM {schema}.reader_bindings))"
    " OR customer_id = ANY (ARRAY(SELECT bound_customer_id FROM {schema}.reader_bindings))"
)
# A member of a bound role is bound, too. By id, because pg_has_role fails on the name of a dropped role.
_IS_MINE: Final = (
    "role_name IN (SELECT mine.rolname::text FROM pg_catalog.pg_roles AS mine"
    " WHERE pg_catalog.pg_has_role(mine.oid, 'USAGE'))"
)
_ROWS: Final = """\
DO $$
DECLARE
    place regclass;
    condition text;
    name text;
    names CONSTANT text[] := '{policies}';
BEGIN
    FOR place, condition IN
        SELECT c.oid, CASE c.relname
            WHEN 'accounts' THEN {is_bound}
            WHEN 'reader_bindings' THEN {is_mine}
            ELSE {sees_account}
        END
        FROM pg_class AS c
        WHERE c.relnamespace = {namespace}::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
            AND (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid AND polname = ANY (names)) < cardinality(names)
        ORDER BY c.relname
    LOOP
        FOREACH name IN ARRAY names LOOP
            EXECUTE format('DROP POLICY IF EXISTS %I ON %s', name, place);
        END LOOP;
        EXECUTE format('CREATE POLICY writers ON %s TO {writer} USING (true) WITH CHECK (true)', place);
        EXECUTE format('CREATE POLICY analysts ON %s FOR SELECT TO {analyst} USING (true)', place);
        EXECUTE format('CREATE POLICY readers ON %s FOR SELECT TO {reader} USING (%s)', place, condition);
    END LOOP;
END $$"""


# Every view of a kind: its own rights let nobody see more, because it asks with those of its reader.
_VIEWS: Final = """\
DO $$
DECLARE
    place regclass;
BEGIN
    FOR place IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = {namespace}::regnamespace AND c.relkind = 'v'
            AND obj_description(c.oid, 'pg_class') = {comment}
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO {analyst}, {reader}', place);
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM {writer}', place);
    END LOOP;
END $$"""


# Of the views of `core` all read what their rights on the tables let them; the functions are those of the views.
_CORE: Final = """\
DO $$
DECLARE
    place text;
BEGIN
    FOR place IN
        SELECT format('TABLE %s', c.oid::regclass) FROM pg_class AS c
        WHERE c.relnamespace = to_regnamespace({namespace}) AND c.relkind = 'v' AND pg_has_role(c.relowner, 'USAGE')
            AND obj_description(c.oid, 'pg_class') ~ {mark}
        UNION ALL SELECT format('FUNCTION %s', p.oid::regprocedure) FROM pg_proc AS p
        WHERE p.pronamespace = to_regnamespace({namespace}) AND pg_has_role(p.proowner, 'USAGE')
            AND obj_description(p.oid, 'pg_proc') ~ {mark}
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM {everyone}', place);
        IF place LIKE 'TABLE %' THEN
            EXECUTE format('GRANT SELECT ON %s TO {everyone}', place);
        ELSE
            EXECUTE format('GRANT EXECUTE ON %s TO {everyone}', place);
        END IF;
    END LOOP;
    IF EXISTS (
        SELECT FROM pg_namespace WHERE oid = to_regnamespace({namespace}) AND pg_has_role(nspowner, 'USAGE')
    ) THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO {everyone}', to_regnamespace({namespace}));
    END IF;
END $$"""


@dataclass(frozen=True, slots=True)
class Groups:
    """The names of the group roles.

    Attributes:
        writer: of those that run everything but `migrate`.
        analyst: of those that read every account.
        reader: of those that read the accounts that they are bound to.
        api: what the API becomes to answer a caller, see `api_role`; None: not looked up.
    """

    writer: str
    analyst: str
    reader: str
    api: str | None = None

    @classmethod
    def from_prefix(cls, prefix: str) -> Groups:
        """Return the groups whose names begin with `prefix`, which must need no quotes."""
        return cls(f"{prefix}_writer", f"{prefix}_analyst", f"{prefix}_reader")

    @property
    def names(self) -> tuple[str, str, str]:
        """The names of those that users are members of: writer, analyst, reader."""
        return self.writer, self.analyst, self.reader


def create_group_statements(names: Iterable[str]) -> Iterator[str]:
    """Yield the statements that create missing groups; they need the right to create roles."""
    for name in names:
        yield (f"DO $$ BEGIN IF to_regrole('{name}') IS NULL THEN CREATE ROLE {name} NOLOGIN; END IF; END $$")


def grant_statements(schema: str, groups: Groups, core: str | None = None) -> Iterator[str]:
    """Yield the statements that give each group of users exactly its rights; the owner runs them in one transaction.

    Args:
        schema: of the tables.
        groups: the groups.
        core: the schema of the views of `core`; None: there are none.
    """
    schema = quote_identifier(schema)
    everyone, readers = ", ".join(groups.names), f"{groups.analyst}, {groups.reader}"
    tables = ", ".join(f"{schema}.{name}" for name in READABLE_TABLES)
    yield f"GRANT USAGE ON SCHEMA {schema} TO {everyone}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {everyone}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {groups.writer}"
    for name in READ_ONLY_TABLES:
        yield f"REVOKE INSERT, UPDATE, DELETE ON {schema}.{name} FROM {groups.writer}"
    for name in APPEND_ONLY_TABLES:
        yield f"REVOKE UPDATE, DELETE ON {schema}.{name} FROM {groups.writer}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {groups.writer}"
    yield f"GRANT SELECT ON {tables} TO {readers}"
    yield f"GRANT SELECT ({', '.join(ACCOUNT_COLUMNS)}) ON {schema}.accounts TO {readers}"
    yield f"GRANT SELECT ON {schema}.reader_bindings TO {groups.reader}"
    texts = {"is_bound": _IS_BOUND, "is_mine": _IS_MINE, "sees_account": _SEES_ACCOUNT, "namespace": "{schema}"}
    literals = {name: quote_literal(text.format(schema=schema)) for name, text in texts.items()}
    literals["policies"] = f"{{{','.join(POLICIES)}}}"
    writer, analyst, reader = groups.names
    yield _ROWS.format(writer=writer, analyst=analyst, reader=reader, **literals)
    names = {"writer": writer, "analyst": analyst, "reader": reader}
    yield _VIEWS.format(namespace=literals["namespace"], comment=quote_literal(kind_views.COMMENT), **names)
    if core is not None:
        yield core_statement(core, everyone)


def core_statement(core: str, everyone: str) -> str:
    """Return the statement that lets these roles read the views of `core`."""
    place, mark = quote_literal(quote_identifier(core)), quote_literal(MARKED.pattern)
    return _CORE.format(namespace=place, mark=mark, everyone=everyone)
