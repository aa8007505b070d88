from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.scoped_rows import fill_relations

from hostaway_sync.app.resources import list_view_names
from hostaway_sync.errors import StoreError
from hostaway_sync.store.schema import api_role, roles
from hostaway_sync.store.schema.grants import ACCOUNT_COLUMNS, READABLE_TABLES
from hostaway_sync.store.tables import metadata

if TYPE_CHECKING:
    from tests.support.db_roles import DbRoles

    from hostaway_sync.store.postgres.database import Database

# Every relation with a column of that name, and whether the role may read the column.
RELATIONS = """
    SELECT c.oid::regclass::text AS name, has_column_privilege('{role}', c.oid, a.attnum, 'SELECT') AS is_readable
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'account_id'
    WHERE c.relnamespace IN ('hostaway'::regnamespace, 'core'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
"""
RIGHTS = """
    SELECT c.relname, privilege_type, string_agg(a.attname, ' ' ORDER BY a.attname) AS columns
    FROM pg_class AS c CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('REFERENCES')) AS p (privilege_type)
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'hostaway'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
        AND has_column_privilege('{role}', c.oid, a.attnum, privilege_type)
    GROUP BY 1, 2
"""


def ask(connection: sa.Connection, question: str) -> list[str]:
    """Return the first column of a question, asked on the tables of the mirror."""
    connection.execute(sa.text("SET LOCAL search_path TO hostaway"))
    return [str(value) for value in connection.scalars(sa.text(question.replace("::", r"\:\:")))]


def become(connection: sa.Connection, role: str, accounts: str | None) -> None:
    """Confine a transaction to accounts; None: no setting is made."""
    if accounts is not None:
        connection.execute(sa.select(sa.func.set_config(api_role.SETTING, accounts, True)))  # noqa: FBT003
    connection.execute(sa.text(f"SET LOCAL ROLE {role}"))


def test_role_reads_what_readers_may_and_nothing_else(db_roles: DbRoles, database: Database) -> None:
    """And what a stay's history tells. No sealed column, no key, no binding; it writes nothing, and has no sequence."""
    role = db_roles.api
    found = {
        (row[0], row[1]): set(row[2].split())
        for row in sql.rows(database, RIGHTS.format(role=role).replace("::", r"\:\:"))
    }
    assert {right for _, right in found} == {"SELECT"}
    visible = {name: columns for (name, _), columns in found.items()}
    parts = {"accounts": ACCOUNT_COLUMNS, **api_role.HISTORY_COLUMNS}
    assert visible.keys() == {*READABLE_TABLES, *list_view_names(), *parts}
    assert {name: visible.pop(name) for name in parts} == {name: set(columns) for name, columns in parts.items()}
    tables = {name: {column.name for column in metadata.tables[name].c} for name in visible if name in metadata.tables}
    assert {name: columns for name, columns in visible.items() if name in tables} == tables


def test_member_sees_the_accounts_of_the_setting_in_every_relation(db_roles: DbRoles, database: Database) -> None:
    """A plain log-in role, through each table, each view of a kind and of core; without a setting it sees no row."""
    fill_relations(database, (1, 2, 3))
    role = db_roles.api
    login = db_roles.create_login("web", db_roles.groups.writer, role)
    listed = sql.rows(database, RELATIONS.format(role=role).replace("::", r"\:\:"))
    readable = sorted(name for name, is_readable in listed if is_readable)
    unfilled = [name for name in readable if not sql.rows(database, f"SELECT 1 FROM {name} LIMIT 1")]
    assert unfilled == []
    assert len(readable) > len(READABLE_TABLES) + len(list_view_names())
    with db_roles.as_role(login) as opened:
        for setting, expected in (("2", {"2"}), ("1,3", {"1", "3"}), ("", set()), (None, set()), ("9", set())):
            with opened.engine.begin() as connection:
                become(connection, role, setting)
                found = {name: set(ask(connection, f"SELECT DISTINCT account_id FROM {name}")) for name in readable}
            assert {name: seen for name, seen in found.items() if seen != expected} == {}, setting


def test_no_group_and_no_reader_is_a_member(db_roles: DbRoles, database: Database) -> None:
    """Neither the other groups nor whoever is in them; and the role is a member of nothing."""
    fill_relations(database, (1, 2))
    role = db_roles.api
    logins = {group: db_roles.create_login(f"of{number}", group) for number, group in enumerate(db_roles.groups.names)}
    db_roles.roles.bind(logins[db_roles.groups.reader], [1], [])
    with database.engine.connect() as connection:
        assert api_role.list_members(connection, role) == []
        above = "SELECT r.rolname FROM pg_roles AS r WHERE pg_has_role(:role, r.oid, 'MEMBER') AND r.rolname <> :role"
        assert connection.scalars(sa.text(above), {"role": role}).all() == []
    for login in logins.values():
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied to set role"):
            db_roles.rows(login, f"SET ROLE {role}")
    reader = logins[db_roles.groups.reader]
    wide = f"SELECT set_config('{api_role.SETTING}', '1,2', false); SELECT account_id FROM reservations"
    assert {number for (number,) in db_roles.rows(reader, wide.partition("; ")[2])} == {1}


def test_setting_is_read_once_a_statement(db_roles: DbRoles, database: Database) -> None:
    """The accounts are looked up first, and then found by the index, as for a reader."""
    fill_relations(database, (1,))
    with database.engine.begin() as connection:
        become(connection, db_roles.api, "1")
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(ask(connection, "EXPLAIN SELECT * FROM reservations WHERE id = 7"))
    assert re.search(r"Index Cond: \(\(account_id = ANY \(\(?(\$\d|InitPlan).*\) AND \(id = 7\)\)", plan), plan


def test_three_groups_get_the_fourth_by_the_same_command(db_roles: DbRoles, database: Database) -> None:
    """An installation of an earlier release has no role of the API; a migration restores its rights once it has."""
    role = db_roles.api
    db_roles.execute(f"DROP OWNED BY {role}")
    db_roles.execute(f"DROP ROLE {role}")
    roles.restore_grants(database, "core")
    with database.engine.connect() as connection:
        assert api_role.find_role(connection, "hostaway") is None
        assert api_role.inspect_role(connection, "hostaway").role is None
    assert db_roles.roles.create(db_roles.prefix).api == role
    db_roles.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA hostaway, core FROM {role}")
    db_roles.execute("DROP POLICY api ON hostaway.listings")
    roles.restore_grants(database, "core")
    fill_relations(database, (1, 2))
    for name in ("listings", "core.reservations", "coupons"):
        with database.engine.begin() as connection:
            become(connection, role, "2")
            assert set(ask(connection, f"SELECT account_id FROM {name}")) == {"2"}


def test_members_and_strangers_are_told_apart(db_roles: DbRoles, database: Database) -> None:
    """A writer that may become the role is as it should be; any other log-in role that may sees every account."""
    role = db_roles.api
    writer = db_roles.create_login("web", db_roles.groups.writer, role)
    reader = db_roles.create_login("rob", db_roles.groups.reader)
    with db_roles.as_role(reader) as opened, opened.engine.connect() as connection:
        state = api_role.inspect_role(connection, "hostaway")
        assert (state.may_become, state.strangers) == (False, ())
        assert state.grant in api_role.membership_statements(role, reader)
    assert state.grant is not None
    db_roles.execute(state.grant)
    with db_roles.as_role(writer) as opened, opened.engine.connect() as connection:
        state = api_role.inspect_role(connection, "hostaway")
    assert (state.user, state.role, state.may_become, state.strangers) == (writer, role, True, (reader,))
    kinds = [(one.name, one.kind) for one in db_roles.roles.members()]
    assert kinds == [(reader, "api"), (reader, "reader"), (writer, "api"), (writer, "writer")]
    sql.execute(database, "INSERT INTO accounts (account_id) VALUES (1)")
    with pytest.raises(StoreError, match=f"{reader} can become {role} and so see every account"):
        db_roles.roles.bind(reader, [1], [])
