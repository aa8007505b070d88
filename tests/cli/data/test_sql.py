from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.deliveries import eventually
from tests.support.processes import read_terminal
from tests.support.programs.forked import start_beside
from tests.support.terminal import read_on_terminal, start_on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ROWS = "SELECT * FROM (VALUES (1, 'Zoë, \"Z\"'), (-2, E'two\\nlines'), (3, NULL)) AS v (n, said)"
ENDLESS = "SELECT generate_series(1, 1000000000) AS n"
PRINTED = {
    "csv": 'n,said\n1,"Zoë, ""Z"""\n-2,"two\nlines"\n3,\n',
    "jsonl": '{"n":1,"said":"Zo\\u00eb, \\"Z\\""}\n{"n":-2,"said":"two\\nlines"}\n{"n":3,"said":null}\n',
    "table": ' n  said\n 1  Zoë, "Z"\n-2  two lines\n 3\n',
}
REFUSED = (
    (2, ("SELECT nme\nFROM accounts",), 'column "nme" does not exist (line 1, column 8)'),
    (2, ("DELETE FROM accounts",), "begin it with SELECT, WITH, VALUES, TABLE, EXPLAIN or SHOW"),
    (2, ("",), "the statement is empty"),
    (2, (), "give one statement"),
    (2, ("SELECT 1", "--file", "-"), "give one statement"),
    (1, ("SELECT nextval('audit_log_audit_id_seq')",), "the query would write, and only reading is allowed"),
    (1, ("SELECT 1/0",), "the query failed: division by zero"),
    (1, ("SELECT pg_sleep(60)", "--timeout", "1"), "the query was stopped after 1 second: ask for less"),
    (1, ("--file", "/nowhere/query.sql"), "the system refuses: No such file or directory: /nowhere/query.sql"),
    (2, ("SELECT 1 AS a, 2 AS a", "--format", "jsonl"), "two columns are called a"),
)


def test_answer_comes_in_four_formats(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """From an argument, a file or stdin; each is what the reference says, and stderr is silent."""
    env = sync_env()
    for form, wanted in PRINTED.items():
        done = program(env, "sql", ROWS, "--format", form)
        assert (done.returncode, done.stdout, done.stderr) == (0, wanted, "")
    file = tmp_path / "query.sql"
    file.write_text(f"\ufeff-- all rows\n{ROWS};\n", encoding="utf-8")
    assert json.loads(program(env, "sql", "--file", str(file), "--format", "json").stdout)[2] == {"n": 3, "said": None}
    assert program(env, "sql", "-f", "-", stdin=ROWS).stdout == PRINTED["csv"]
    assert program(env, "sql", f"{ROWS} WHERE false", "--format", "json").stdout == "[]\n"
    spaced = program(env, "sql", "SELECT E'{\"a\":\\n1}'::json AS said", "--format", "jsonl").stdout
    assert spaced == '{"said":{"a": 1}}\n'
    assert program(env, "sql", "SELECT account_id FROM accounts").stdout == f"account_id\n{env.account_id}\n"


def test_refused_query_is_one_sentence(sync_env: Build, program: Program) -> None:
    """A statement that can never be right ends with 2, one that failed with 1; nothing is printed as an answer."""
    env = sync_env()
    for code, words, sentence in REFUSED:
        done = program(env, "sql", *words)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
        assert sentence in done.stderr
        assert len(done.stdout.splitlines()) <= 1  # names may be out before a row fails


def test_closed_pipe_ends_it_quietly(sync_env: Build) -> None:
    """`| head` gets its lines at once, nobody waits for the rest, and stderr is silent."""
    env = sync_env()
    for form in ("csv", "jsonl", "json", "table"):
        with _started(env, "sql", ENDLESS, "--format", form) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait(30) == 1
    # The server is busy with a later row when the reader goes away; some servers hold the end of a row back.
    with _started(
        env, "sql", "SELECT repeat('x', 100000) FROM generate_series(1, 3) UNION ALL SELECT pg_sleep(600)::text"
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(30) == 1
    busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%pg_sleep(600)%'"
    eventually(lambda: sql.rows(env.database, busy) == [(0,)], "the server stops")


def test_interrupt_cancels_the_query_on_the_server(sync_env: Build) -> None:
    """Ctrl-C ends the program with 130, and the server works on nothing for it."""
    env = sync_env()
    count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%pg_sleep(600)%'"
    with _started(env, "sql", "SELECT 1 FROM pg_sleep(600)") as process:
        eventually(lambda: sql.rows(env.database, count) == [(1,)], "the query runs")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 130
    eventually(lambda: sql.rows(env.database, count) == [(0,)], "the server stops")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '% sql' AND wait_event_type = 'Lock'"
    with env.database.engine.begin() as locking:
        locking.exec_driver_sql("LOCK TABLE hostaway.accounts IN ACCESS EXCLUSIVE MODE")
        with _started(env, "sql", "TABLE accounts") as process:
            eventually(lambda: sql.rows(env.database, waiting) == [(1,)], "it waits for the table")
            process.send_signal(signal.SIGINT)
            assert (process.communicate(timeout=30), process.returncode) == (("", ""), 130)
        eventually(lambda: sql.rows(env.database, waiting) == [(0,)], "the server waits on")


def test_terminal_gets_a_table_that_fits_it(sync_env: Build) -> None:
    """Cells are cut, columns without room are named, and nothing that a terminal obeys gets through in any format."""
    env = sync_env()
    steering = "E'\\x1b[31mred\\x1b]0;title\\x07'"
    shown = read_on_terminal(env, "sql", f"SELECT 7 AS n, {steering} AS a, repeat('long ', 50) AS b", columns=40)
    assert shown == ["n  a                b", "7  [31mred]0;title  long long long long…", "(1 row)"]
    many = ", ".join(f"'value {n}' AS c{n}" for n in range(9))
    shown = read_on_terminal(env, "sql", f"SELECT {many}", columns=40)
    assert shown[:2] == ["c0       c1       c2       c3", "value 0  value 1  value 2  value 3"]
    assert "no room for c4, c5, c6, c7, c8: ask for fewer columns" in " ".join(shown)
    process, main = start_on_terminal(env.environment(), "sql", f"SELECT {steering} AS a", "--format", "csv")
    assert (read_terminal(main), process.wait(30)) == ("a\r\n[31mred]0;title\r\n", 0)
    with _started(env, "sql", f"SELECT {steering} AS a", "--format", "csv") as process:
        assert process.communicate(timeout=30)[0] == "a\n\x1b[31mred\x1b]0;title\x07\n"


def _started(env: SyncEnv, *words: str) -> subprocess.Popen[str]:
    return start_beside(env.environment(), *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
