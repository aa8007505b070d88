from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.db_roles import DbRoles
from tests.support.records import add_account, at

from hostaway_sync.app.resources import list_view_names
from hostaway_sync.errors import AccountError, StoreError, UsageError
from hostaway_sync.store.accounts import changes as account_changes
from hostaway_sync.store.accounts.changes import AccountChanges
from hostaway_sync.store.audit_log import list_last_entries
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.schema.grants import ACCOUNT_COLUMNS, POLICIES, READABLE_TABLES
from hostaway_sync.store.schema.roles import Roles, render_roles_script, restore_grants
from hostaway_sync.store.secrets.sealing import SEALED
from hostaway_sync.store.tables import MIRRORED, conversation_messages, metadata

if TYPE_CHECKING:
    from hostaway_sync.secrets import KeyRing

BLUE, RED = UUID(int=1), UUID(int=2)
# Of every table that has accounts' rows, and of the bindings: whether it guards them, and for whom it has policies.
GUARDED = """
    SELECT c.relname, c.relrowsecurity,
        ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid ORDER BY polname) AS policies
    FROM pg_class AS c WHERE c.relnamespace = 'hostaway'::regnamespace AND c.relkind IN ('r', 'p')
        AND (c.relname = 'reader_bindings'
            OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'account_id'))
"""
# The columns that a role may select, in all of the database.
VISIBLE = """
    SELECT c.relname, a.attname FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'hostaway'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
        AND has_column_privilege('{role}', c.oid, a.attnum, 'SELECT')
"""
CHANGEABLE = """
    SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'hostaway'::regnamespace
        AND (c.relkind = 'S' AND has_sequence_privilege('{role}', c.oid, 'USAGE, SELECT, UPDATE') OR c.relkind <> 'S'
            AND c.relkind <> 'i' AND has_table_privilege('{role}', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER'))
"""


REFUSED = r"permission denied|must be owner|row-level security policy"
# All parts of a right.
RIGHTS = """
    SELECT c.relname, c.relacl::text, (SELECT string_agg(attname || attacl::text, ' ' ORDER BY attname)
        FROM pg_attribute WHERE attrelid = c.oid) AS columns,
        (SELECT string_agg(concat_ws(' ', polname, polroles::text, polcmd, pg_get_expr(polqual, polrelid),
            pg_get_expr(polwithcheck, polrelid)), '; ' ORDER BY polname)
            FROM pg_policy WHERE polrelid = c.oid) AS policies
    FROM pg_class AS c WHERE c.relnamespace = 'hostaway'::regnamespace AND c.relkind <> 'i' ORDER BY 1
"""


@pytest.fixture
def rows(database: Database) -> Database:
    """Return a database with three accounts, two of them of one customer, and a row of each in each mirrored table."""
    for account_id, customer in ((1, BLUE), (2, BLUE), (3, RED)):
        add_account(database, account_id, customer)
        payload = {"observed_at": at(0), "payload_hash": b"", "raw_payload": {"of": account_id}}
        for table in MIRRORED.values():
            values = payload | {"account_id": account_id, "id": 10, "customer_id": customer}
            values |= {"conversation_id": 10} if table is conversation_messages else {}
            database.transaction(lambda c, t=table, v=values: c.execute(sa.insert(t).values(v)))  # type: ignore[misc]
    return database


def rights(database: Database) -> list[tuple[str, ...]]:
    """Return which role may do what with which table."""
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(RIGHTS))]


def seen(db_roles: DbRoles, role: str) -> set[tuple[int, ...]]:
    """Return whose rows a role sees, by table; what every table agrees on is one entry."""
    names = ("accounts", "messages", *(table.name for table in MIRRORED.values()))
    return {
        tuple(number for (number,) in db_roles.rows(role, f"SELECT account_id FROM {name} ORDER BY 1"))
        for name in names
    }


@pytest.mark.usefixtures("db_roles")
def test_every_table_with_rows_of_accounts_guards_them(database: Database) -> None:
    """By the catalog, not by a list of ours: each has row security and a policy for each group."""
    with database.engine.connect() as connection:
        found = {row.relname: row for row in connection.execute(sa.text(GUARDED))}
    assert found.keys() == {t.name for t in metadata.tables.values() if "account_id" in t.c} | {"reader_bindings"}
    assert {name for name, row in found.items() if not row.relrowsecurity} == set()
    assert {name for name, row in found.items() if row.policies != sorted([*POLICIES, "api"])} == set()


def test_readers_may_select_what_is_mirrored_and_no_more(database: Database, db_roles: DbRoles) -> None:
    """No sealed column, no inbox, no queue, no log; and they write nothing."""
    tables = {
        name: {column.name for column in metadata.tables[name].c} for name in READABLE_TABLES if name != "messages"
    }
    for group, more in ((db_roles.groups.analyst, set()), (db_roles.groups.reader, {"reader_bindings"})):
        with database.engine.connect() as connection:
            visible: dict[str, set[str]] = {}
            for name, column in connection.execute(sa.text(VISIBLE.format(role=group))):
                visible.setdefault(name, set()).add(column)
            assert connection.execute(sa.text(CHANGEABLE.format(role=group))).all() == []
        assert visible.keys() == {*READABLE_TABLES, *list_view_names(), "accounts"} | more
        assert visible["accounts"] == set(ACCOUNT_COLUMNS)
        assert all(visible[name] == columns for name, columns in tables.items())
        assert not [column for column in SEALED if column.name in visible.get(column.table.name, set())]


def test_readers_may_not_read_other_tables(db_roles: DbRoles) -> None:
    """Not even the bytes of a sealed column; inbox, queue and log are the program's."""
    roles = db_roles.create_login("ann", db_roles.groups.analyst), db_roles.create_login("rob", db_roles.groups.reader)
    wanted = [(column.name, column.table.name) for column in SEALED]
    wanted += [("1", name) for name in ("webhook_log", "procrastinate_jobs", "audit_log", "dead_letters")]
    for role in roles:
        for column, table in wanted:
            with pytest.raises(sa.exc.ProgrammingError, match=f"permission denied for table {table}"):
                db_roles.rows(role, f"SELECT {column} FROM {table}")


def test_bound_reader_sees_only_days_of_its_accounts(rows: Database, db_roles: DbRoles) -> None:
    """And when their calendars were read; marks are the program's own, and only the program writes days."""
    for account_id, owner in ((1, BLUE), (2, BLUE), (3, RED)):
        sql.execute(
            rows,
            "INSERT INTO calendar_days "
            "(account_id, listing_id, date, customer_id, observed_at, payload_hash, raw_payload) "
            f"VALUES ({account_id}, 10, '2026-03-01', '{owner}', now(), '', '{{}}')",
        )
        sql.execute(rows, f"INSERT INTO calendar_readings (account_id, listing_id) VALUES ({account_id}, 10)")
    tenant, customer = db_roles.create_login("one"), db_roles.create_login("blue")
    idle = db_roles.create_login("idle", db_roles.groups.reader)
    db_roles.roles.bind(tenant, [3], [])
    db_roles.roles.bind(customer, [], [BLUE])
    for table in ("calendar_days", "calendar_readings"):
        query = f"SELECT account_id FROM {table} ORDER BY 1"
        assert db_roles.rows(tenant, query) == [(3,)]
        assert db_roles.rows(customer, query) == [(1,), (2,)]
        assert db_roles.rows(idle, query) == []
        with pytest.raises(sa.exc.ProgrammingError, match=REFUSED):
            db_roles.rows(tenant, f"DELETE FROM {table}")
    with pytest.raises(sa.exc.ProgrammingError, match=REFUSED):
        db_roles.rows(tenant, "SELECT account_id FROM calendar_due")


def test_bound_reader_sees_only_objects_of_its_accounts(rows: Database, db_roles: DbRoles) -> None:
    """Reviews, tasks and all other kinds; through the view of a kind, too, which asks with the rights of its reader."""
    rest = "observed_at, payload_hash, raw_payload) VALUES"
    for account_id, owner in ((1, BLUE), (2, BLUE), (3, RED)):
        of_one = f"{account_id}, '{owner}'"
        for table in ("reviews", "tasks"):
            sql.execute(
                rows, f"INSERT INTO {table} (account_id, customer_id, id, {rest} ({of_one}, 10, now(), '', '{{}}')"
            )
        place = f"INSERT INTO resources (account_id, customer_id, kind, source_id, {rest}"
        sql.execute(rows, f"{place} ({of_one}, 'coupons', '10', now(), '', '{{}}')")
        sql.execute(rows, f"INSERT INTO resource_readings (account_id, kind) VALUES ({account_id}, 'coupons')")
    tenant, customer = db_roles.create_login("one"), db_roles.create_login("blue")
    analyst = db_roles.create_login("ann", db_roles.groups.analyst)
    idle = db_roles.create_login("idle", db_roles.groups.reader)
    db_roles.roles.bind(tenant, [3], [])
    db_roles.roles.bind(customer, [], [BLUE])
    for table in ("reviews", "tasks", "resources", "resource_readings", "coupons"):
        query = f"SELECT account_id FROM {table} ORDER BY 1"
        assert db_roles.rows(tenant, query) == [(3,)]
        assert db_roles.rows(customer, query) == [(1,), (2,)]
        assert db_roles.rows(analyst, query) == [(1,), (2,), (3,)]
        assert db_roles.rows(idle, query) == []
        for role in (tenant, analyst):
            with pytest.raises(sa.exc.ProgrammingError, match=REFUSED):
                db_roles.rows(role, f"DELETE FROM {table}")


@pytest.mark.usefixtures("rows")
def test_bound_reader_sees_only_its_accounts(db_roles: DbRoles) -> None:
    """In each table and in the view; a customer's reader sees the customer's accounts, an analyst all."""
    one_account, customer = db_roles.create_login("one"), db_roles.create_login("blue")
    analyst, idle = (
        db_roles.create_login("ann", db_roles.groups.analyst),
        db_roles.create_login("idle", db_roles.groups.reader),
    )
    assert db_roles.roles.bind(one_account, [3], []) is None
    assert db_roles.roles.bind(customer, [], [BLUE]) is None
    assert seen(db_roles, one_account) == {(3,)}
    assert seen(db_roles, customer) == {(1, 2)}
    assert seen(db_roles, analyst) == {(1, 2, 3)}
    assert seen(db_roles, idle) == {()}
    db_roles.roles.bind(one_account, [1, 3], [])
    assert seen(db_roles, one_account) == {(1, 3)}
    assert db_roles.roles.unbind(one_account) == 2
    assert seen(db_roles, one_account) == {()}


@pytest.mark.usefixtures("rows")
def test_bindings_are_in_the_audit_log_of_the_account(db_roles: DbRoles) -> None:
    """One line when a reader is bound to the account or its customer, one at the end; none for a repetition."""
    reader = db_roles.create_login("one")
    for _ in range(2):
        db_roles.roles.bind(reader, [3], [BLUE])
    db_roles.roles.unbind(reader)
    bound, unbound = {"reader": {"old": None, "new": reader}}, {"reader": {"old": reader, "new": None}}
    for account_id in (1, 2, 3):
        entries = list_last_entries(db_roles.database, account_id, limit=5)
        assert [(entry.action, entry.changes) for entry in entries] == [("updated", unbound), ("updated", bound)]


def test_change_of_customer_changes_the_readers(rows: Database, db_roles: DbRoles, ring: KeyRing) -> None:
    """From that moment the new customer sees the account, and the old one does not."""
    blue, red = db_roles.create_login("blue"), db_roles.create_login("red")
    db_roles.roles.bind(blue, [], [BLUE])
    db_roles.roles.bind(red, [], [RED])
    account_changes.change_account(rows, ring, 2, AccountChanges({"customer_id": RED}))
    assert (seen(db_roles, blue), seen(db_roles, red)) == ({(1,)}, {(2, 3)})
    assert db_roles.rows(red, "SELECT DISTINCT customer_id FROM reservations") == [(RED,)]


@pytest.mark.usefixtures("rows")
def test_group_is_bound_with_its_members(db_roles: DbRoles) -> None:
    """A role that joins a bound group sees the group's accounts, and its own."""
    group = db_roles.create_login("team")
    db_roles.roles.bind(group, [1], [])
    member = db_roles.create_login("kim", group)
    assert seen(db_roles, member) == {(1,)}
    db_roles.roles.bind(member, [3], [])
    assert seen(db_roles, member) == {(1, 3)}
    assert seen(db_roles, group) == {(1,)}


@pytest.mark.usefixtures("rows")
def test_reader_cannot_widen_its_rights(db_roles: DbRoles) -> None:
    """Neither by a setting, a binding, another role, a view nor a function; other bindings are invisible to it."""
    reader, other = db_roles.create_login("one"), db_roles.create_login("other")
    db_roles.roles.bind(reader, [3], [])
    db_roles.roles.bind(other, [1], [])
    assert db_roles.rows(reader, "SELECT role_name, bound_account_id FROM reader_bindings") == [(reader, 3)]
    for attempt in (
        f"INSERT INTO reader_bindings (role_name, bound_account_id) VALUES ('{reader}', 1)",
        "UPDATE reader_bindings SET bound_account_id = 1",
        "ALTER TABLE reservations DISABLE ROW LEVEL SECURITY",
        f"SET ROLE {other}",
        f"SET SESSION AUTHORIZATION {other}",
        "SET row_security = off; SELECT account_id FROM reservations",
        "CREATE VIEW hostaway.wide AS SELECT * FROM hostaway.reservations",
        "UPDATE reservations SET account_id = 3",
    ):
        with pytest.raises(sa.exc.ProgrammingError, match=REFUSED):
            db_roles.rows(reader, attempt)
    leak = "CREATE FUNCTION pg_temp.tell(bigint) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS"
    leak += " $$ BEGIN RAISE WARNING 'account %', $1; RETURN true; END $$;"
    look = "SELECT account_id FROM reservations WHERE pg_temp.tell(account_id)"
    heard: list[str] = []
    with db_roles.as_role(reader) as opened, opened.engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.add_notice_handler(lambda notice: heard.append(notice.message_primary))
        driver.execute("SET LOCAL search_path TO hostaway")
        driver.execute(leak)
        assert driver.execute(look).fetchall() == [(3,)]
    assert heard == ["account 3"]


@pytest.mark.usefixtures("rows")
def test_condition_of_a_reader_is_evaluated_once_a_query(db_roles: DbRoles) -> None:
    """Its accounts are looked up first, and then found by the index: no row of another account is read."""
    reader = db_roles.create_login("one")
    db_roles.roles.bind(reader, [3], [])
    with db_roles.as_role(reader) as opened, opened.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.scalars(sa.text("EXPLAIN SELECT count(*) FROM hostaway.reservations")))
    assert re.search(r"Index Cond: \(account_id = ANY \(\(?(\$\d|InitPlan)", plan), plan


def test_binding_fails_with_the_reason(rows: Database, db_roles: DbRoles) -> None:
    """An unknown role or account, and a role that sees every account anyway, give sentences; nothing is stored."""
    reader = db_roles.create_login("one")
    with pytest.raises(StoreError, match="there is no role nobody"):
        db_roles.roles.bind("nobody", [1], [])
    with pytest.raises(AccountError, match="99"):
        db_roles.roles.bind(reader, [1, 99], [])
    for name, group in (("ann", db_roles.groups.analyst), ("sync", db_roles.groups.writer)):
        with pytest.raises(StoreError, match=f"is in {group} and sees every account"):
            db_roles.roles.bind(db_roles.create_login(name, group), [1], [])
    with pytest.raises(UsageError, match="already"):
        db_roles.roles.create("another")
    with pytest.raises(UsageError, match="no role can begin with"):
        db_roles.roles.create('"; DROP')
    assert sql.row(rows, "SELECT count(*) FROM reader_bindings").count == 0


@pytest.mark.usefixtures("rows")
def test_members_are_listed_with_what_they_see(db_roles: DbRoles) -> None:
    """By name; a dropped role that is still bound is listed without a kind, and does no harm."""
    analyst, reader, gone = (
        db_roles.create_login("ann", db_roles.groups.analyst),
        db_roles.create_login("one"),
        db_roles.create_login("zed"),
    )
    db_roles.roles.bind(reader, [3, 1], [RED])
    db_roles.roles.bind(gone, [2], [])
    db_roles.execute(f"DROP ROLE {gone}")
    listed = [(role.name, role.kind, role.account_ids, role.customer_ids) for role in db_roles.roles.members()]
    assert listed == [(analyst, "analyst", (), ()), (reader, "reader", (1, 3), (RED,)), (gone, None, (2,), ())]
    assert seen(db_roles, reader) == {(1, 3)}


def test_list_of_roles_without_groups_names_the_command(database: Database) -> None:
    """A database of one user, as the embedded one, works without any role."""
    with pytest.raises(StoreError, match="run `hostaway-sync roles create`"):
        Roles(database).members()
    restore_grants(database)


def test_roles_keep_their_rights_after_a_migration_without_superuser(empty_database_url: str) -> None:
    """A plain role migrates and creates the groups; later tables are the writer's too, and guarded."""
    above = Database(empty_database_url, schema="hostaway")
    db_roles = DbRoles(above)
    try:
        owner = db_roles.create_login("owner", options="CREATEROLE")
        db_roles.execute(f"CREATE SCHEMA hostaway AUTHORIZATION {owner}")
        with db_roles.as_role(owner) as opened:
            revisions.upgrade_database(opened)
            groups = Roles(opened).create(db_roles.prefix)
            # Since PostgreSQL 16 who creates a role is its member, and may not become it.
            assert [one for one in Roles(opened).members() if one.kind == "api"] == []
            writer, reader = db_roles.create_login("sync", groups.writer), db_roles.create_login("one")
            db_roles.rows(writer, "INSERT INTO accounts (account_id) VALUES (1), (2)")
            left = Roles(opened).bind(reader, [1], [])
            if left is not None:
                db_roles.execute(left)
            db_roles.rows(owner, "CREATE TABLE later (account_id bigint); ALTER TABLE later ENABLE ROW LEVEL SECURITY")
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied for table later"):
                db_roles.rows(writer, "INSERT INTO later VALUES (1)")
            revisions.upgrade_database(opened)
        db_roles.rows(writer, "INSERT INTO later VALUES (1), (2)")
        db_roles.rows(owner, f"GRANT SELECT ON later TO {reader}")
        assert db_roles.rows(reader, "SELECT account_id FROM later") == [(1,)]
        assert db_roles.rows(owner, "SELECT account_id FROM later ORDER BY 1") == [(1,), (2,)]
    finally:
        db_roles.drop_all()
        above.close()


def test_printed_script_equals_the_command(empty_database_url: str) -> None:
    """An administrator runs it with any client, twice; a user who may not create roles learns what is missing."""
    above = Database(empty_database_url, schema="hostaway")
    revisions.upgrade_database(above)
    db_roles = DbRoles(above)
    try:
        plain = db_roles.create_login("plain")
        db_roles.execute(f"GRANT USAGE ON SCHEMA hostaway TO {plain}")
        with db_roles.as_role(plain) as opened, pytest.raises(StoreError, match="CREATE ROLE mine_writer NOLOGIN"):
            Roles(opened).create("mine")
        with closing(
            psycopg.connect(above.engine.url.set(drivername="postgresql").render_as_string(), autocommit=True)
        ) as connection:
            for _ in range(2):
                connection.execute(render_roles_script("hostaway", db_roles.prefix).encode())
        by_script = rights(above)
        db_roles.create_groups()
        assert rights(above) == by_script
    finally:
        db_roles.drop_all()
        above.close()
