"""Settings of roles, databases, environment and other users do not affect our sessions."""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from tests.support.deliveries import eventually
from tests.support.processes import start_program
from tests.support.store.plain_owner import OwnedDatabase, owned_database

from hostaway_sync.sandbox import CLIENT_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostaway_sync.store.embedded import EmbeddedPostgres

# Every setting that any role may change, set to another value; whole numbers to their least and to their most.
TURNED = """
SELECT name, CASE vartype
    WHEN 'bool' THEN CASE setting WHEN 'on' THEN 'off' ELSE 'on' END
    WHEN 'enum' THEN coalesce((SELECT v FROM unnest(enumvals) AS v WHERE v <> setting ORDER BY v DESC LIMIT 1), setting)
    ELSE {number}
END AS value
FROM pg_settings WHERE context = 'user' AND vartype <> 'string' AND name NOT IN ({spared})
"""
# An administrator decides whether writing is allowed. Others only log, or only take time, by the megabyte.
SPARED = ("default_transaction_read_only", "transaction_read_only", "client_min_messages", "transaction_isolation")
SPARED_TOO = ("transaction_deferrable", "post_auth_delay", "vacuum_cost_delay", "log_parser_stats", "seed")
TEXTS = {
    "DateStyle": "SQL, DMY",
    "TimeZone": "Asia/Kathmandu",
    "client_encoding": "LATIN1",
    "search_path": "public, pg_catalog",
    "lc_numeric": "C",
    "restrict_nonsystem_relation_kind": "",
}


@pytest.fixture
def owned(server: EmbeddedPostgres, empty_database_url: str, tmp_path: Path) -> Iterator[OwnedDatabase]:
    """Return a database whose owner is no superuser."""
    name = sa.make_url(empty_database_url).database
    assert name
    with ExitStack() as stack, owned_database(server, name, stack, tmp_path) as made:
        yield made


def test_owner_of_the_database_needs_no_superuser(owned: OwnedDatabase) -> None:
    """Migrations, runs, deliveries, messages and keys need no other right."""
    assert owned.rows(f"SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = '{owned.owner}'") == [(False,)]
    owned.use_every_command()
    refused = owned.run_any("roles", "create")
    assert refused.returncode == 1
    assert "this role may not create roles" in refused.stderr


def test_owner_that_may_create_roles_creates_the_groups(owned: OwnedDatabase) -> None:
    """It binds a reader, whose session then shows its accounts only."""
    prefix = owned.owner.removesuffix("_owner")
    owned.execute_as_admin(f"ALTER ROLE {owned.owner} CREATEROLE")
    owned.run("migrate")
    owned.run("account", "add", "70001", "--no-sync", "--secret-stdin", stdin=CLIENT_SECRET)
    try:
        owned.run("roles", "create", "--prefix", prefix)
        owned.run("migrate")
        owned.execute_as_admin(f"CREATE ROLE {prefix}_man LOGIN")
        owned.run("roles", "bind", f"{prefix}_man", "--account", "70001")
        (reader,) = json.loads(owned.run("roles", "list", "--json"))
        assert (reader["role"], reader["kind"], reader["account_ids"]) == (f"{prefix}_man", "reader", [70001])
        owned.run("roles", "unbind", f"{prefix}_man")
    finally:
        owned.drop_roles(f"{prefix}_writer", f"{prefix}_analyst", f"{prefix}_reader", f"{prefix}_man")


@pytest.mark.parametrize(
    ("whose", "number"),
    [
        (("ROLE {owner}", "DATABASE {database}"), ("min_val", "max_val")),
        *(
            pytest.param((whose,), (number,), marks=pytest.mark.soak)
            for whose in ("ROLE {owner}", "DATABASE {database}")
            for number in ("min_val", "max_val")
        ),
    ],
    ids=lambda each: " ".join(each).lower(),
)
def test_settings_of_a_role_or_database_are_overruled(
    owned: OwnedDatabase, whose: tuple[str, ...], number: tuple[str, ...]
) -> None:
    """Every setting that can be stored for a role has another value, in turn by each, and all works as before."""
    spared = ", ".join(f"'{name}'" for name in (*SPARED, *SPARED_TOO))
    turned: dict[str, str] = {}
    for place, value in enumerate(number):
        found = sorted(owned.rows(TURNED.format(number=value, spared=spared)))
        turned |= dict(found[place :: len(number)])
    known = {name for (name,) in owned.rows("SELECT name FROM pg_settings")}
    turned |= {name: value for name, value in TEXTS.items() if name in known}
    turned |= dict.fromkeys((name for name in turned if name.endswith("_timeout")), "5s")
    assert {"idle_session_timeout", "IntervalStyle", "row_security", "exit_on_error", "array_nulls"} < turned.keys()
    holders = [one.format(owner=owned.owner, database=owned.database.engine.url.database) for one in whose]
    for place, name in enumerate(sorted(turned)):
        owned.execute_as_admin(f"ALTER {holders[place % len(holders)]} SET {name} TO '{turned[name]}'")
    owned.use_every_command()


# Each of them alone, if it were used, would lead elsewhere or make a program fail.
ELSEWHERE = {
    "PGHOST": "192.0.2.1",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGDATABASE": "no",
    "PGUSER": "no",
    "PGSERVICE": "nowhere",
    "PGOPTIONS": "-c default_transaction_isolation=serializable -c search_path=nowhere",
    "PGAPPNAME": "other",
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "SQL, DMY",
    "PGTZ": "Asia/Kathmandu",
    "PGGEQO": "off",
    "PGMINPROTOCOLVERSION": "3.2",
    "PGTARGETSESSIONATTRS": "standby",
}
NONSENSE = dict.fromkeys(
    (
        "PGOPTIONS",
        "PGCLIENTENCODING",
        "PGDATESTYLE",
        "PGTZ",
        "PGGEQO",
        "PGCONNECT_TIMEOUT",
        "PGLOADBALANCEHOSTS",
        "PGMAXPROTOCOLVERSION",
    ),
    "klingon",
)


@pytest.mark.parametrize("surroundings", [ELSEWHERE, NONSENSE], ids=["elsewhere", "nonsense"])
def test_variables_of_libpq_do_not_change_the_server(owned: OwnedDatabase, surroundings: dict[str, str]) -> None:
    """The URL alone says where the database is, and how to reach it."""
    account = str(owned.sync_env.account_id)
    owned.run("migrate", surroundings=surroundings)
    owned.run("account", "add", account, "--secret-stdin", stdin=CLIENT_SECRET, surroundings=surroundings)
    owned.run("worker", "--drain", surroundings=surroundings)
    assert owned.sync_env.differences() == {}


def test_authentication_variables_of_libpq_are_used(
    owned: OwnedDatabase, server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """PGPASSWORD and PGPASSFILE keep the password out of the URL."""
    owned.execute_as_admin(f"ALTER ROLE {owned.owner} PASSWORD 'hunter2'")
    secrets = tmp_path / "pgpass"
    secrets.write_text(f"*:*:*:{owned.owner}:hunter2\n", encoding="ascii")
    secrets.chmod(0o600)
    rules = server.pgdata / "pg_hba.conf"
    before = rules.read_text(encoding="ascii")
    try:
        rules.write_text(f"local all {owned.owner} scram-sha-256\n{before}", encoding="ascii")
        owned.execute_as_admin("SELECT pg_reload_conf()")
        owned.run("migrate", surroundings={"PGPASSWORD": "hunter2"})
        owned.run("migrate", "--check", surroundings={"PGPASSFILE": str(secrets)})
        assert "no password supplied" in owned.run_any("migrate", "--check").stderr
    finally:
        rules.write_text(before, encoding="ascii")
        owned.execute_as_admin("SELECT pg_reload_conf()")


def test_idle_worker_session_is_not_cut(owned: OwnedDatabase) -> None:
    """A worker listens for longer than the limit of idle sessions, on the same connection."""
    owned.run("migrate")
    owned.execute_as_admin(f"ALTER ROLE {owned.owner} SET idle_session_timeout TO '1s'")
    idle = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND starts_with(query, 'LISTEN')"
        " AND state = 'idle' AND clock_timestamp() - state_change > interval '2s'"
    )
    process = start_program(owned.sync_env.environment(DATABASE_URL=owned.url), "worker")
    try:
        eventually(lambda: owned.rows(idle), "it listens, and is idle")
    finally:
        process.terminate()
        process.join()


@pytest.mark.parametrize(("schema", "grade"), [("public", "hint"), ("hostaway", "trouble")])
def test_doctor_names_a_schema_that_is_open_to_all(migrated_owned: OwnedDatabase, schema: str, grade: str) -> None:
    """Where every role may create functions it says what to revoke, and finds nothing afterwards."""
    migrated_owned.execute_as_admin(f"GRANT CREATE ON SCHEMA {schema} TO PUBLIC")

    def found() -> list[dict[str, str]]:
        findings = json.loads(migrated_owned.run_any("doctor", "--json").stdout)["findings"]
        return [one for one in findings if one["check"] == "schemas"]

    (named,) = found()
    assert named["grade"] == grade
    migrated_owned.execute_as_admin(named["advice"].partition("`")[2].rstrip("`"))
    assert found() == []


# Overloads of everything in `pg_catalog` that fit the arguments of programs better than the original does.
OVERLOADS = (
    "CREATE SEQUENCE public.sprung; GRANT ALL ON SEQUENCE public.sprung TO PUBLIC",
    """
DO $$
DECLARE
    one record;
    body CONSTANT text := 'BEGIN PERFORM pg_catalog.nextval(''public.sprung''); RETURN NULL; END';
BEGIN
    SET LOCAL check_function_bodies TO off;
    SET LOCAL search_path TO pg_catalog;
    FOR one IN
        SELECT DISTINCT p.proname, string_agg(coalesce(m.fits[way], t.typname::text), ', ' ORDER BY a.position) AS types
        FROM pg_proc AS p
        CROSS JOIN generate_series(1, 4) AS way
        CROSS JOIN unnest(p.proargtypes) WITH ORDINALITY AS a (type, position)
        JOIN pg_type AS t ON t.oid = a.type
        LEFT JOIN (VALUES
            ('text', '{varchar,varchar,name,varchar}'::text[]), ('name', '{varchar,text,varchar,text}'),
            ('int8', '{int4,int2,numeric,int4}'), ('int4', '{int2,int8,numeric,int2}'),
            ('int2', '{int4,int8,int4,text}'),
            ('any', '{varchar,int4,text,bool}'), ('anyelement', '{varchar,int4,timestamptz,uuid}'),
            ('anynonarray', '{varchar,int4,timestamptz,uuid}'), ('anyarray', '{varchar[],int8[],text[],uuid[]}'),
            ('anycompatible', '{varchar,int4,text,int8}'), ('anycompatiblearray', '{varchar[],int8[],text[],int8[]}'),
            ('regclass', '{varchar,text,oid,text}'), ('oid', '{regclass,int4,int8,regclass}'),
            ('numeric', '{int8,int4,int2,int4}'), ('float8', '{numeric,int4,int8,numeric}'),
            ('timestamptz', '{timestamp,date,varchar,text}'), ('jsonb', '{json,varchar,text,json}')
        ) AS m (original, fits) ON m.original = t.typname
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a') AND t.typname <> 'internal'
            AND t.typname NOT LIKE 'any%%multirange' AND NOT (t.typtype = 'p' AND m.original IS NULL)
        GROUP BY p.oid, p.proname, p.pronargs, way HAVING count(*) = p.pronargs
    LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION public.%I(%s) RETURNS text LANGUAGE plpgsql AS %L',
            one.proname, one.types, body);
    END LOOP;
END $$
""",
    """
DO $$
DECLARE
    one record;
    body CONSTANT text := 'BEGIN PERFORM pg_catalog.nextval(''public.sprung''); RETURN NULL; END';
BEGIN
    SET LOCAL check_function_bodies TO off;
    SET LOCAL search_path TO pg_catalog;
    FOR one IN
        SELECT l.type AS l, r.type AS r, o.sign FROM unnest('{text,varchar,name,int2,int4,int8,numeric,bool,uuid,bytea,
            timestamptz,interval,jsonb,text[],varchar[],int8[],uuid[],oid,regclass}'::text[]) AS l (type)
        CROSS JOIN unnest('{text,varchar,name,int2,int4,int8,numeric,bool,uuid,bytea,timestamptz,interval,jsonb,text[],
            varchar[],int8[],uuid[],oid,regclass}'::text[]) AS r (type)
        CROSS JOIN unnest('{=,<>,<,>,<=,>=,+,-,*,/,||,->,->>,@>,<@,&&,~,~~,!~~,?}'::text[]) AS o (sign)
    LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION public.met(%s, %s) RETURNS bool LANGUAGE plpgsql AS %L',
            one.l, one.r, body);
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.met)',
            one.sign, one.l, one.r);
    END LOOP;
END $$
""",
)


@pytest.fixture
def hostile(server: EmbeddedPostgres) -> Iterator[str]:
    """Return a plain role that may log in; it is dropped after the database with its objects."""
    role = f"t{uuid.uuid4().hex[:12]}_hostile"
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        yield role
        connection.execute(f"DROP ROLE {role}".encode())


def test_overloads_of_another_user_are_never_called(hostile: str, owned: OwnedDatabase) -> None:
    """A role that may create in `public` makes a better match for each function and operator."""
    owned.execute_as_admin("GRANT CREATE ON SCHEMA public TO PUBLIC")
    try:
        url = sa.make_url(owned.url).set(username=hostile, drivername="postgresql")
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
            for statement in OVERLOADS:
                connection.execute(statement.encode())
        assert owned.rows("SELECT count(*) > 5000 FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == [
            (True,)
        ]
        owned.use_every_command()
        # An administrator's own session has `public` in its path.
        owned.execute_as_admin(owned.run("roles", "create", "--sql", "--prefix", owned.owner))
        owned.run("roles", "list")
        owned.execute_as_admin("CREATE SCHEMA other", owned.run("migrate", "--sql").replace('"hostaway"', "other"))
        assert owned.rows("SELECT is_called FROM public.sprung") == [(False,)]
        # The trap works: a session with the server's own settings calls the overloads.
        owned.execute_as_admin("SELECT hashtextextended(CAST('x' AS varchar), CAST(0 AS integer))")
        assert owned.rows("SELECT is_called FROM public.sprung") == [(True,)]
        owned.execute_as_admin("DROP SCHEMA other CASCADE")
    finally:
        owned.drop_roles(*(f"{owned.owner}_{kind}" for kind in ("writer", "analyst", "reader")))
