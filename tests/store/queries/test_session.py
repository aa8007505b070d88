from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.deliveries import eventually
from tests.support.records import add_account

from hostaway_sync.errors import HostawaySyncError, StoreError, UsageError
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.queries.embedded_reader import reading
from hostaway_sync.store.queries.session import open_query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.db_roles import DbRoles

    from hostaway_sync.store.embedded import EmbeddedPostgres

MINUTE = timedelta(minutes=1)
# Statements that would change something, leave the transaction, or reach the machine.
ATTACKS = (
    "DELETE FROM accounts",
    "UPDATE accounts SET name = 'x'",
    "INSERT INTO accounts (account_id) VALUES (9)",
    "TRUNCATE accounts",
    "MERGE INTO accounts AS a USING (SELECT 7 AS id) AS s ON a.account_id = s.id WHEN MATCHED THEN DELETE",
    "DROP TABLE accounts",
    "CREATE TABLE written (n int)",
    "CREATE TEMP TABLE written (n int)",
    "SELECT 1 INTO written",
    "SELECT 1 AS n INTO TEMP written",
    "WITH gone AS (DELETE FROM accounts RETURNING *) SELECT * FROM gone",
    "SELECT * FROM accounts FOR UPDATE",
    "COMMIT",
    "ROLLBACK",
    "BEGIN READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET default_transaction_read_only TO off",
    "RESET ALL",
    "DO $$ BEGIN DELETE FROM hostaway.accounts; END $$",
    "CALL nothing()",
    "LOCK TABLE accounts",
    "NOTIFY somebody",
    "COPY accounts FROM STDIN",
    "COPY accounts TO STDOUT",
    "COPY (SELECT 1) TO PROGRAM 'touch {file}'",
    "COPY (SELECT 1) TO '{file}'",
    "EXPLAIN ANALYZE DELETE FROM accounts",
    "/* a */ explain (analyze) WITH gone AS (DELETE FROM accounts RETURNING *) SELECT * FROM gone",
    "EXPLAIN SELECT 1; DELETE FROM accounts",
    "SHOW work_mem; DELETE FROM accounts",
    "EXPLAIN ANALYZE SELECT public.write_down()",
    "PREPARE later AS DELETE FROM accounts",
    "EXECUTE later",
    "DECLARE held CURSOR WITH HOLD FOR SELECT 1",
    "SELECT 1; DELETE FROM accounts",
    "SELECT 1; COMMIT; DELETE FROM accounts; SELECT 2",
    "COMMIT; DELETE FROM accounts",
    # These try to leave the brackets that the text is put into.
    "SELECT 1) TO PROGRAM 'touch {file}' --",
    "SELECT 1\n) TO '{file}' --",
    "SELECT 1) TO STDOUT; DELETE FROM accounts; COPY (SELECT 1",
    "SELECT 1 /*",
    "SELECT 1 --\n) TO '{file}' --",
    "SELECT $$; --$$) TO '{file}'; --",
    "SELECT 1; -- '\n) TO '{file}'; --",
    # Functions that write, alone or by way of a statement in a text.
    "SELECT nextval('audit_log_audit_id_seq')",
    "SELECT setval('audit_log_audit_id_seq', 99)",
    "SELECT set_config('transaction_read_only', 'off', true), query_to_xml('DELETE FROM accounts', true, true, '')",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT query_to_xml('DELETE FROM accounts', true, true, '')",
    "SELECT query_to_xml('COMMIT', true, true, '')",
    "SELECT query_to_xml('COPY (SELECT 1) TO PROGRAM ''touch {file}''', true, true, '')",
    "SELECT public.write_down()",
)
# What PostgreSQL takes in a read-only transaction: it ends with the transaction, which is never committed.
TRACELESS = (
    "SELECT lo_create(4711)",
    "SELECT pg_notify('somebody', 'x')",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "SELECT pg_advisory_lock(4711)",
    "EXPLAIN ANALYZE CREATE TABLE written AS SELECT 1",
)
# Of which the embedded server's superuser is capable, and the role that asks it is not.
OF_SUPERUSERS = (
    "SELECT lo_export(lo_from_bytea(0, 'x'), '{file}')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_reload_conf()",
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'postgres' AND datname IS NOT NULL",
    "SELECT set_config('role', 'postgres', true)",
    "SELECT set_config('session_authorization', 'postgres', true)",
)
PARSED: tuple[tuple[str, list[str | None]], ...] = (
    ("SELECT 1;", ["1"]),
    (" SELECT 1 ; -- all of it", ["1"]),
    ("SELECT 1 -- all; of; it", ["1"]),
    ("SELECT 1; /* a; b */ ;\n-- c", ["1"]),
    ("/* first */ VALUES (1), (2);", ["1", "2"]),
    ("TABLE alembic_version LIMIT 0", []),
    ("WITH one AS (SELECT 1 AS n) SELECT n FROM one", ["1"]),
    ("(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 DESC", ["2", "1"]),
    ("SELECT ';--'", [";--"]),
    ("SELECT ';--' ; ", [";--"]),
    ("SELECT $$a;--$$;--", ["a;--"]),
    ("SELECT '%s' || E'\\\\;' ", ["%s\\;"]),
    ("SELECT 'é, \n\t\\'", ["é, \n\t\\"]),
    ("SELECT NULL::text", [None]),
)
WRONG = (
    ("", "the statement is empty"),
    (" ; -- nothing\n/* at all */", "the statement is empty"),
    ("\\d", "`hostaway-sync database shell`"),
    ("SELECT 1\0", "zero character"),
    ("SELECT '\udcff'", "not encoded in UTF-8"),
    ("SELECT nme FROM accounts", r'column "nme" does not exist \(at character 8\)'),
    ("SELECT name\nFROM listngs", r'relation "listngs" does not exist \(line 2, column 6\)'),
    ("SELECT a.nme FROM accounts a", "; Perhaps you meant to reference the column"),
    ("SELEC 1", r'syntax error at or near "SELEC" \(at character 1\)'),
    ("SELECT 'é' x y", r'syntax error at or near "y" \(at character 14\)'),
    ("SELECT $1", "a parameter such as"),
    ("SELECT 'Maria'::int", "invalid input syntax for type integer: …"),
    ("CHECKPOINT", "begin it with SELECT"),
    ("EXPLAIN SELEC 1", "syntax error"),
    ("SHOW nothing_so", "unrecognized configuration parameter"),
)


@pytest.fixture
def embedded(server: EmbeddedPostgres, database_url: str) -> Iterator[Database]:
    """Return the database as a program opens that of its own server."""
    database = Database(database_url, schema="hostaway", embedded=server)
    yield database
    database.disconnect()


def _answer(database: Database, text: str, timeout: timedelta = MINUTE) -> list[tuple[str | None, ...]]:
    with open_query(database, text, timeout) as query:
        return list(query.rows())


def test_no_statement_changes_anything(database: Database, tmp_path: Path) -> None:
    """Whatever a person or an attacker writes: the rows stay, no file appears, and the next query is answered."""
    file = tmp_path / "written"
    add_account(database, 7)
    sql.execute(
        database,
        "CREATE FUNCTION public.write_down() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$"
        " BEGIN SET transaction_read_only TO off; DELETE FROM hostaway.accounts; RETURN 1; END $$",
    )
    for attack in ATTACKS:
        with pytest.raises((UsageError, StoreError)):
            pytest.fail(f"{attack}: {_answer(database, attack.format(file=file))}")
    for text in TRACELESS:
        with suppress(StoreError):  # newer servers refuse more
            _answer(database, text)
    assert sql.rows(database, "SELECT account_id, name FROM accounts") == [(7, None)]
    assert sql.rows(database, "SELECT last_value FROM audit_log_audit_id_seq") == [(1,)]
    assert sql.rows(database, "SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]
    assert sql.rows(database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711") == [(0,)]
    assert not file.exists()


def test_one_statement_is_answered_however_it_is_written(database: Database) -> None:
    """Comments, semicolons in texts and at the end, brackets and signs of other languages change nothing."""
    for text, wanted in PARSED:
        assert [row[0] for row in _answer(database, text)] == wanted, text
        with open_query(database, text, MINUTE) as query:
            assert len(list(query.json())) == len(wanted), text


def test_plans_and_settings_are_answered_in_every_form(database: Database) -> None:
    """Also the plan of a write, which is not carried out."""
    add_account(database, 7)
    assert "Delete on accounts" in str(_answer(database, "EXPLAIN DELETE FROM accounts;"))
    assert _answer(database, "-- is it?\nSHOW transaction_read_only") == [("on",)]
    assert sql.rows(database, "SELECT to_regclass('written')") == [(None,)]
    with open_query(database, "EXPLAIN (FORMAT json, COSTS off) SELECT 1, '\"'", MINUTE) as query:
        (line,) = query.json()
        assert json.loads(json.loads(line)["QUERY PLAN"])[0]["Plan"]["Node Type"] == "Result"
    with open_query(database, "SHOW server_encoding", MINUTE) as query:
        assert b"".join(query.csv()) == b"server_encoding\nUTF8\n"
    with open_query(database, "SHOW server_encoding", MINUTE) as query:
        assert query.values() == [("UTF8",)]


def test_wrong_statement_is_one_sentence(database: Database) -> None:
    """The sentence holds PostgreSQL's reason, place and hint; the value of a literal is left out."""
    for text, sentence in WRONG:
        with pytest.raises(UsageError, match=sentence):
            _answer(database, text)


def test_failure_of_a_run_names_no_value(database: Database) -> None:
    """A value that a row holds may be a guest's: what a run says about it is not repeated."""
    add_account(database, 7)
    sql.execute(database, "UPDATE accounts SET name = 'Maria'")
    with pytest.raises(StoreError, match="the query failed: invalid input syntax for type integer: …"):
        _answer(database, "SELECT name::int FROM accounts")
    with pytest.raises(StoreError, match="the query failed: division by zero"):
        _answer(database, "SELECT 1 / (account_id - 7) FROM accounts")


def test_query_that_takes_too_long_is_stopped(database: Database) -> None:
    """The server stops it, even where the query itself tries to have more time."""
    for text in ("SELECT pg_sleep(60)", "SELECT set_config('statement_timeout', '0', false), pg_sleep(60)"):
        with pytest.raises(StoreError, match="stopped after 0 seconds: ask for less"):
            _answer(database, text, timedelta(seconds=0.2))
    with pytest.raises(StoreError, match="stopped by an administrator"):
        _answer(database, "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)")


def test_answer_that_is_left_is_cancelled(database: Database) -> None:
    """When its reader goes away, the server does not work on; the answer was not waited for as a whole."""
    with open_query(database, "SELECT generate_series(1, 10000000000), repeat('x', 1000)", MINUTE) as query:
        assert next(query.rows())[0] == "1"
    with open_query(database, "SELECT generate_series(1, 10000000000) AS n", MINUTE) as query:
        assert next(query.csv()) == b"n\n"
    working = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
    eventually(lambda: sql.rows(database, working) == [(0,)], "the server works on")


def test_names_are_those_of_the_mirror(database: Database) -> None:
    """Names without a schema are its tables, and names of columns come as they were given."""
    with open_query(database, 'SELECT account_id, 1 AS "row", 2 AS "Two, 2" FROM accounts', MINUTE) as query:
        assert [column.name for column in query.columns] == ["account_id", "row", "Two, 2"]
        assert list(query.json()) == []
    with (
        open_query(database, "SELECT 1 AS a, 2 AS a", MINUTE) as query,
        pytest.raises(UsageError, match="two columns are called a, and JSON"),
    ):
        list(query.json())


def test_reader_sees_its_accounts_alone(db_roles: DbRoles) -> None:
    """Row policies hold for queries, and sealed columns stay closed."""
    for number in (7, 8):
        add_account(db_roles.database, number)
    reader = db_roles.create_login("one", db_roles.groups.reader)
    db_roles.roles.bind(reader, [7], [])
    with db_roles.as_role(reader) as database:
        assert _answer(database, "SELECT account_id FROM accounts") == [("7",)]
        with pytest.raises(StoreError, match="permission denied"):
            _answer(database, "SELECT client_secret FROM accounts")


def test_embedded_database_is_asked_by_a_role_without_power(embedded: Database, tmp_path: Path) -> None:
    """It reads all rows, is no superuser, and cannot become one; the machine's files are out of its reach."""
    add_account(embedded, 7)
    with reading(embedded) as database, reading(embedded) as again:
        assert _answer(database, "SELECT account_id FROM accounts") == _answer(again, "SELECT 7") == [("7",)]
        for text in OF_SUPERUSERS:
            with pytest.raises(HostawaySyncError):
                pytest.fail(f"{text}: {_answer(database, text.format(file=tmp_path / str(1)))}")
        with pytest.raises(StoreError, match="read-only"):
            sql.execute(database, "CREATE TEMP TABLE written (n int)")
    assert not (tmp_path / "written").exists()
